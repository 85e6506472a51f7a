/** Measures that are no numbers to draw: top lists, and first and last texts, of the newest bucket of each line. */

import { el } from "../elements/dom.js";
import { exactly, float } from "../values/format.js";
import { words } from "../values/times.js";

/** Return a list for each line, with what its newest bucket holds. */
export function lists(picture) {
  return picture.lines.map((line) => {
    const rows = picture.rows.get(line.key) ?? new Map();
    const newest = Math.max(...rows.keys());
    const row = rows.get(newest);
    const when = row ? words(newest * 1000, picture.unit, picture.zone) : "no row in this range";
    return el(
      "div",
      { class: "list" },
      el("h4", {}, el("span", { text: line.label }), " ", el("small", { text: when })),
      row ? valueList(row[picture.view.parts[0].name]) : "",
    );
  });
}

/** Return a value that is a list or a text as an element; a ranked list with bars where there are counts. */
export function valueList(value) {
  if (!Array.isArray(value)) return el("p", { class: "text", text: exactly(value) || "–" });
  if (value.length === 0) return el("p", { class: "text", text: "–" });
  const most = Math.max(...value.map(({ count }) => float(count)));
  return el(
    "ol",
    { class: "ranking" },
    ...value.map((one) => entry(exactly(one.value), float(one.count) / most, exactly(one.count))),
  );
}

function entry(label, share, text) {
  const bar = el("span", { class: "bar" });
  bar.style.width = `${share * 100}%`;
  return el(
    "li",
    {},
    el("span", { class: "name", text: label || "(empty)" }),
    el("span", { class: "track", "aria-hidden": "true" }, bar),
    el("span", { class: "value", text }),
  );
}

/** Measures that are not numbers (lists, first and last texts), from the newest bucket of each line. */

import { el } from "../elements/dom.js";
import { exactText, formatGroupValue, NO_VALUE, shownText, toFloat } from "../values/format.js";
import { formatBucket } from "../values/times.js";

/** Return one element for each line, with the value of its newest bucket. */
export function lists(chartData) {
  return chartData.lines.map((line) => {
    const rows = chartData.rows.get(line.key) ?? new Map();
    const newest = Math.max(...rows.keys());
    const row = rows.get(newest);
    const isOpen = chartData.xs.indexOf(newest) >= chartData.openFrom;
    const bucket = row ? formatBucket(newest * 1000, chartData.unit, chartData.zone, isOpen) : "no row in this range";
    return el(
      "div",
      { class: "list" },
      el("h4", {}, el("span", { text: line.label }), " ", el("small", { text: bucket })),
      row ? valueList(row[chartData.view.parts[0].name]) : "",
    );
  });
}

/** Return a list as a ranking with bars, and any other value as text. */
export function valueList(value) {
  if (!Array.isArray(value)) return el("p", { class: "text", text: exactText(value) || NO_VALUE });
  if (value.length === 0) return el("p", { class: "text", text: NO_VALUE });
  const parts = value.map(entryParts);
  const max = Math.max(...parts.map(({ length }) => length));
  return el(
    "ol",
    { class: "ranking" },
    ...parts.map(({ label, length, number }) => entry(label, max > 0 ? length / max : 0, number)),
  );
}

/** Return the label, bar and number of a frequent value with its count, or of a ranked value with the fields it shows. */
function entryParts({ value, count, ...shown }, index) {
  if (count !== undefined) return { label: exactText(value), length: toFloat(count), number: exactText(count) };
  return {
    label: shownText(shown) || `${index + 1}`,
    length: Math.max(toFloat(value) ?? 0, 0),
    number: exactText(value),
  };
}

function entry(label, share, count) {
  const bar = el("span", { class: "bar" });
  bar.style.width = `${share * 100}%`;
  return el(
    "li",
    {},
    el("span", { class: "name", text: formatGroupValue(label) }),
    el("span", { class: "track", "aria-hidden": "true" }, bar),
    el("span", { class: "value", text: count }),
  );
}

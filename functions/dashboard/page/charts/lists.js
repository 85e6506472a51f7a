/** Measures that are not numbers (top lists, first and last texts), from the newest bucket of each line. */

import { el } from "../elements/dom.js";
import { exactText, formatGroupValue, NO_VALUE, toFloat } from "../values/format.js";
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

/** Return a top list as a ranking with bars, and any other value as text. */
export function valueList(value) {
  if (!Array.isArray(value)) return el("p", { class: "text", text: exactText(value) || NO_VALUE });
  if (value.length === 0) return el("p", { class: "text", text: NO_VALUE });
  const max = Math.max(...value.map(({ count }) => toFloat(count)));
  return el(
    "ol",
    { class: "ranking" },
    ...value.map((one) => entry(exactText(one.value), toFloat(one.count) / max, exactText(one.count))),
  );
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

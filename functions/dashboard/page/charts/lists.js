/** Measures that are not numbers (lists, first and last texts), from the newest bucket of each line. */

import { el } from "../elements/dom.js";
import { exactText, formatGroupValue, isolated, NO_VALUE, shownText, toFloat } from "../values/format.js";
import { formatInstant } from "../values/times.js";
import { bucketText } from "./bucket-text.js";

/** Return one element for each line, with the value of its newest bucket. */
export function lists(chartData) {
  return chartData.lines.map((line) => {
    const rows = chartData.rows.get(line.key) ?? new Map();
    const newest = Math.max(...rows.keys());
    const row = rows.get(newest);
    const isOpen = chartData.xs.indexOf(newest) >= chartData.openFrom;
    const bucket = row ? bucketText(chartData, newest, isOpen) : "no row in this range";
    return el(
      "div",
      { class: "list" },
      el("h4", {}, el("span", { text: line.label }), " ", el("small", { text: bucket })),
      row ? elementOf(row, chartData.view, chartData.zone) : "",
    );
  });
}

/** Return the value of a view in a row: that of its measure, or those at the ends of a band. */
export function elementOf(row, view, zone = null) {
  const [low, high] = [view.parts[0], view.parts.at(-1)].map(({ name }) => row[name]);
  if (view.kind !== "band") return valueList(low, view, zone);
  return el("p", { class: "text", text: `${textOf(low, zone) || NO_VALUE} to ${textOf(high, zone) || NO_VALUE}` });
}

/**
 * Return a list as a ranking with bars, and any other value as text, with its time in a zone; null is UTC. `shown` is
 * that of its view.
 */
export function valueList(value, { shown }, zone = null) {
  if (!Array.isArray(value)) return el("p", { class: "text", text: textOf(value, zone) || NO_VALUE });
  if (value.length === 0) return el("p", { class: "text", text: NO_VALUE });
  const parts = value.map((one, index) => entryParts(one, shown, index));
  const max = Math.max(...parts.map(({ length }) => length));
  return el(
    "ol",
    { class: "ranking" },
    ...parts.map(({ label, length, number }) => entry(label, max > 0 ? length / max : 0, number)),
  );
}

/** Return a value as text; the time of a first or last one as people read it. */
function textOf(value, zone) {
  if (value === null || typeof value !== "object" || !("at" in value)) return exactText(value);
  return `${isolated(exactText(value.value))} (${formatInstant(value.at, zone)})`;
}

/** Return the label, bar and number of a frequent value with its count, or of a ranked value with the fields it shows. */
function entryParts({ value, ...others }, shown, index) {
  if (shown === null)
    return { label: exactText(value), length: toFloat(others.count), number: exactText(others.count) };
  return {
    label: shownText(others, shown) || `${index + 1}`,
    length: Math.max(toFloat(value) ?? 0, 0),
    number: exactText(value),
  };
}

function entry(label, share, count) {
  const text = formatGroupValue(label);
  const bar = el("span", { class: "bar" });
  bar.style.width = `${share * 100}%`;
  return el(
    "li",
    {},
    el("span", { class: "name", text, title: text }),
    el("span", { class: "track", "aria-hidden": "true" }, bar),
    el("span", { class: "value", text: count }),
  );
}

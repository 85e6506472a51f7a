/** Values side by side: bars, bands with a tick, or lists, each with its number. */

import { el } from "../elements/dom.js";
import { formatNumber, NO_VALUE, withoutTime } from "../values/format.js";
import { elementOf } from "./lists.js";

/**
 * Return list entries for `[label, row]` pairs: a name, a bar or a band on a common scale, and the number; for a list
 * or text, that, with its time in a zone; null is UTC.
 */
export function ranking(pairs, view, zone = null) {
  const values = pairs.map(([, row]) => view.parts.map((part) => part.of(row)));
  const numbers = values.flat().filter((value) => value !== null && !Number.isNaN(value));
  const [min, max] = [Math.min(0, ...numbers), Math.max(0, ...numbers)];
  const span = max - min || 1;
  const percent = (value) => `${((value - min) / span) * 100}%`;
  return pairs.map(([label, row], index) => {
    const name = el("span", { class: "name", text: label, title: label });
    const [low, high] = [values[index][0], values[index].at(-1)];
    if (view.isList || Number.isNaN(high)) return el("li", { class: "with-list" }, name, elementOf(row, view, zone));
    const track = el("span", { class: "track", "aria-hidden": "true" });
    if (high !== null && low !== null) track.append(...bars(view, values[index], percent));
    return el("li", {}, name, track, el("span", { class: "value", text: valueText(row, view, values[index]) }));
  });
}

function bars(view, values, percent) {
  const isBand = view.kind === "band";
  const [low, high] = isBand ? [values[0], values.at(-1)] : [Math.min(0, values[0]), Math.max(0, values[0])];
  const bar = el("span", { class: isBand ? "bar band" : "bar" });
  bar.style.marginLeft = percent(low);
  bar.style.width = `calc(${percent(high)} - ${percent(low)})`;
  if (!isBand || values.length < 3 || values[1] === null) return [bar];
  const tick = el("span", { class: "tick" });
  tick.style.left = percent(values[1]);
  return [bar, tick];
}

function valueText(row, view, values) {
  if (values.at(-1) === null) return NO_VALUE;
  if (view.kind === "band") return `${formatNumber(values[0])} to ${formatNumber(values.at(-1))}`;
  return formatNumber(withoutTime(row[view.parts[0].name]));
}

/** Values side by side: bars, bands with a tick, or lists, each with its number. */

import { el } from "../elements/dom.js";
import { rounded } from "../values/format.js";
import { valueList } from "./lists.js";

/** Return rows, as `[label, row]`, as list entries: a name, a bar or a band on a common scale, the number. */
export function ranking(labelled, view) {
  const values = labelled.map(([, row]) => view.parts.map((part) => part.of(row)));
  const numbers = values.flat().filter((value) => value !== null && !Number.isNaN(value));
  const [least, most] = [Math.min(0, ...numbers), Math.max(0, ...numbers)];
  const span = most - least || 1;
  const at = (value) => `${((value - least) / span) * 100}%`;
  return labelled.map(([label, row], place) => {
    const name = el("span", { class: "name", text: label, title: label });
    const [low, high] = [values[place][0], values[place].at(-1)];
    if (view.list || Number.isNaN(high))
      return el("li", { class: "with-list" }, name, valueList(row[view.parts[0].name]));
    const track = el("span", { class: "track", "aria-hidden": "true" });
    if (high !== null && low !== null) track.append(...bars(view, values[place], at));
    return el("li", {}, name, track, el("span", { class: "value", text: told(row, view, values[place]) }));
  });
}

function bars(view, values, at) {
  const [low, high] =
    view.kind === "band" ? [values[0], values.at(-1)] : [Math.min(0, values[0]), Math.max(0, values[0])];
  const bar = el("span", { class: view.kind === "band" ? "bar band" : "bar" });
  bar.style.marginLeft = at(low);
  bar.style.width = `calc(${at(high)} - ${at(low)})`;
  if (view.kind !== "band" || values.length < 3 || values[1] === null) return [bar];
  const tick = el("span", { class: "tick" });
  tick.style.left = at(values[1]);
  return [bar, tick];
}

function told(row, view, values) {
  if (values.at(-1) === null) return "–";
  if (view.kind === "band") return `${rounded(values[0])} to ${rounded(values.at(-1))}`;
  const value = row[view.parts[0].name];
  return rounded(value !== null && typeof value === "object" && "at" in value ? value.value : value);
}

/** A chart in one sentence or three, for those who do not see it. */

import { listed, many, rounded } from "../values/format.js";
import { words } from "../values/times.js";

/** Return what a chart shows: of what, from when to when, the highest point, and where each line ends. */
export function summary(picture, whole) {
  const { xs, lines, view, unit, zone } = picture;
  const shown = lines.filter((line) => !line.hidden);
  if (xs.length === 0 || shown.length === 0) return `${view.label}: nothing to show in this range.`;
  const labels = shown.map(({ label }) => label);
  const of = view.unit ? ` ${view.unit}` : "";
  const when = `from ${words(whole.from, unit, zone)} to ${words(whole.to, unit, zone)}`;
  const first = `${view.label} by ${unit} for ${listed(labels)}: ${many(xs.length, "point")} ${when}.`;
  const peak = highest(picture);
  return peak === null
    ? first
    : `${first} Highest: ${rounded(peak.value)}${of}, ${peak.label}, ${words(peak.second * 1000, unit, zone)}.`;
}

function highest({ xs, columns, lines, view }) {
  let found = null;
  lines.forEach((line, place) => {
    if (line.hidden) return;
    view.parts.forEach((_, part) => {
      columns[place * view.parts.length + part].forEach((value, index) => {
        if (value !== null && (found === null || value > found.value))
          found = { value, label: line.label, second: xs[index] };
      });
    });
  });
  return found;
}

/** A chart in a few sentences, for readers who cannot see it. */

import { countOf, formatList, formatNumber } from "../values/format.js";
import { formatBucket } from "../values/times.js";

/** Return what a chart shows: the measure, the lines, the time range and the highest point. */
export function summary(chartData, range) {
  const { xs, lines, view, unit, zone } = chartData;
  const visible = lines.filter((line) => !line.hidden);
  if (xs.length === 0 || visible.length === 0) return `${view.label}: no data in this range.`;
  const names = formatList(visible.map(({ label }) => label));
  const period = `from ${formatBucket(range.from, unit, zone)} to ${formatBucket(range.to, unit, zone)}`;
  const content = `${view.label} by ${unit} for ${names}: ${countOf(xs.length, "point")} ${period}.`;
  const peak = highestPoint(chartData);
  if (peak === null) return content;
  const value = `${formatNumber(peak.value)}${view.unit ? ` ${view.unit}` : ""}`;
  return `${content} Highest: ${value}, ${peak.label}, ${formatBucket(peak.second * 1000, unit, zone)}.`;
}

function highestPoint({ xs, columns, lines, view }) {
  let highest = null;
  lines.forEach((line, lineIndex) => {
    if (line.hidden) return;
    view.parts.forEach((_, part) => {
      columns[lineIndex * view.parts.length + part].forEach((value, index) => {
        if (value !== null && (highest === null || value > highest.value))
          highest = { value, label: line.label, second: xs[index] };
      });
    });
  });
  return highest;
}

/** A chart in a few sentences, for readers who cannot see it. */

import { countOf, formatList, formatNumber } from "../values/format.js";
import { bucketText, openText, periodText } from "./bucket-text.js";

/** Return what a chart shows: the measure, the lines, the time range, the highest point and whether the last is over. */
export function summary(chartData, range) {
  const { xs, lines, view, openFrom } = chartData;
  const visible = lines.filter((line) => !line.hidden);
  if (xs.length === 0 || visible.length === 0) return `${view.label}: no data in this range.`;
  // a line that stands for the measure needs no name of its own
  const names = visible[0].isMeasure ? "" : ` for ${formatList(visible.map(({ label }) => label))}`;
  // the bucket of now may come after the newest one that has rows
  const to = Math.max(range.to / 1000, xs.at(-1));
  const period = `from ${bucketText(chartData, range.from / 1000)} to ${bucketText(chartData, to)}`;
  const open = openFrom < xs.length ? ` At its end, ${openText(chartData)}.` : "";
  const content = `${view.label} ${periodText(chartData)}${names}: ${countOf(xs.length, "point")} ${period}.${open}`;
  const peak = highestPoint(chartData);
  if (peak === null) return content;
  const value = `${formatNumber(peak.value)}${view.unit ? ` ${view.unit}` : ""}`;
  const of = visible[0].isMeasure ? "" : ` ${peak.label},`;
  return `${content} Highest: ${value},${of} ${bucketText(chartData, peak.second)}.`;
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

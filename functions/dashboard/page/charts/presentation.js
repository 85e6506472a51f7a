/** How chart data are presented: as a chart, bars or lists, in which time window, with which intervals on offer. */

import { maxBuckets } from "../data/ranges.js";
import { countOf, formatList, humanize, spaced } from "../values/format.js";
import { bucketCount, bucketLengthS } from "../values/times.js";
import { bucketText, openText, periodText } from "./bucket-text.js";

const NAMED_BUCKETS = 3;

/** Return the form: a chart, bars if there is only one bucket, lists if there are no numbers, nothing without rows. */
export function formOf({ xs, columns, view }) {
  if (xs.length === 0) return "nothing";
  if (view.isList || !columns.some((column) => column.some((value) => value !== null))) return "lists";
  return xs.length === 1 ? "bars" : "chart";
}

/**
 * Return the seconds to show: the range if both ends are set, otherwise from the first to the last row. Without rows,
 * open ends are those of `closed`.
 */
export function windowOf(xs, range, closed, unit) {
  const half = bucketLengthS(unit) / 2;
  const [first, last] = [
    xs[0] ?? closed.from / 1000,
    xs.at(-1) ?? Math.max(closed.to, range.until ?? closed.to) / 1000,
  ];
  const from = range.from !== null && range.to !== null ? Math.min(range.from / 1000, first) : first;
  const to = range.to === null ? last : range.to / 1000;
  return to - from < half ? [from - half, to + half] : [from, to];
}

/** Return the intervals that a view can be rolled up to, as the options of a select. */
export function intervalOptions(aggregate, view, unit, selected) {
  const units = view.isAdditive ? [aggregate.unit, ...aggregate.rollupUnits] : [];
  const auto = selected === "auto" || !view.isAdditive ? `Auto (${unit})` : "Auto";
  return [{ value: "auto", label: auto }, ...units.map((one) => ({ value: one, label: humanize(one) }))];
}

/** Return the caption of a chart; `movingWindow` is the option of the window of moving sums, or null. */
export function captionOf(chartData, movingWindow) {
  const { xs, view, zone, openFrom } = chartData;
  const measure = view.unit ? `${view.label} (${view.unit})` : view.label;
  const isOpen = openFrom < xs.length;
  const period = xs.length === 1 ? bucketText(chartData, xs[0], isOpen) : periodText(chartData);
  const moving = movingWindow === null ? null : `each over the ${movingWindow.label} up to its end`;
  const dashed = isOpen && xs.length > 1 ? `dashed: ${openText(chartData)}` : null;
  const notes = [shownNote(view), moving, dashed, view.description, `times in ${zone}`, eachNote(chartData, [view])];
  return [`${measure} ${period}`, ...notes].filter(Boolean).join(" · ");
}

/** Return a remark about the fields that come with ranked values; null if none do. */
export function shownNote({ shown }) {
  return shown === null || shown.length === 0 ? null : `with ${formatList(shown.map(spaced))}`;
}

/**
 * Return a remark that an aggregate counts elements of its items; null if it counts items.
 *
 * @param {{kind: string, label: string}[]} shown the measures that are shown, some of which may count the items
 */
export function eachNote({ each }, shown) {
  if (each === null) return null;
  const ofItems = shown.filter(({ kind }) => kind === "count_items");
  if (ofItems.length === 0) return `counts the elements of ${each}`;
  const once = `counts each item once, however many elements of ${each} it has`;
  if (ofItems.length === shown.length) return once;
  return `counts the elements of ${each}; ${formatList(ofItems.map(({ label }) => label))} ${once}`;
}

/** Return a remark that a panel does not show all rows. */
export function limitNote(rows) {
  return `Showing only the first ${countOf(rows.length, "row")}. Narrow the range or select a longer interval.`;
}

/** Return a remark that a panel shows only a part of a range, because each bucket is a query; empty otherwise. */
export function cutNote({ isCut }, { unit }) {
  if (!isCut) return "";
  const newest = bucketCount(maxBuckets(unit).toLocaleString("en"), unit);
  return `Showing only the newest ${newest} of the range. Select a custom range to see others.`;
}

/** Return a remark about buckets that are left out; empty if there are none. */
export function leftOutNote(chartData) {
  const { leftOut } = chartData;
  if (leftOut.length === 0) return "";
  const names = leftOut.slice(0, NAMED_BUCKETS).map((second) => bucketText(chartData, second));
  const others = leftOut.length > NAMED_BUCKETS ? ["others"] : [];
  const count = countOf(leftOut.length, "bucket far from all others is", "buckets far from all others are");
  const them = leftOut.length === 1 ? "it" : "them";
  return `${count} left out: ${formatList([...names, ...others])}. The table includes ${them}.`;
}

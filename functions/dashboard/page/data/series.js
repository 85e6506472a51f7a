/** Rows as the columns of a chart: one time axis, one column for each line and part. */

import { isNumber, isSameNumber } from "../values/exact.js";
import { bucketBefore, bucketEnd, bucketLengthS, bucketStart, clockAt, clockOf } from "../values/times.js";
import { mainPart } from "./outliers.js";

/**
 * Return the columns of a chart.
 *
 * @param {{rows: object[], bucketName: string, truncated: boolean}} read the rows, their member with the label of the
 *   bucket, and whether there are more
 * @param {string[]} keys of the lines, in order
 * @param {object} view see views.js
 * @param {string} unit of the buckets, after the rollup
 * @param {{leavesOut?: boolean, until?: number}} range whether to leave out buckets far from all others, and the instant
 *   in ms to which all rows were requested
 * @returns {{xs: number[], columns: (number|null)[][], rows: Map<string, Map<number, object>>, leftOut: number[],
 *   ends: number[]}} `xs` in seconds since 1970; for each line the columns of the view's parts; `rows` by line and
 *   second; the seconds that are left out, and those of the first and the last row that is not
 */
export function columnsOf({ rows, bucketName, truncated }, aggregate, keys, view, unit, { leavesOut, until }) {
  const lines = new Map(keys.map((key) => [key, new Map()]));
  for (const row of rows) {
    const second = bucketStart(row[bucketName], aggregate.zone) / 1000;
    for (const key of keysOf(row, aggregate, keys)) lines.get(key)?.set(second, row);
  }
  const seconds = [...Float64Array.from(new Set([...lines.values()].flatMap((line) => [...line.keys()]))).sort()];
  const [start, end] = leavesOut ? mainPart(seconds) : [0, seconds.length];
  const leftOut = [...seconds.slice(0, start), ...seconds.slice(end)];
  for (const line of lines.values()) for (const second of leftOut) line.delete(second);
  const shown = seconds.slice(start, end);
  const xs = withGaps(withEnd(shown, until, unit, aggregate.zone), unit, aggregate.zone);
  const isRead = truncated ? readUpTo(rows.at(-1), bucketName, aggregate, keys) : () => true;
  const columns = keys.flatMap((key, index) => {
    const line = lines.get(key);
    const missing = (x) => (view.isZeroWhenEmpty && isRead(index, x) ? 0 : null);
    return view.parts.map((part) => xs.map((x) => (line.has(x) ? drawable(part.of(line.get(x))) : missing(x))));
  });
  return { xs, columns, rows: lines, leftOut, ends: shown.length === 0 ? [] : [shown[0], shown.at(-1)] };
}

/**
 * Return a function that says whether a line's bucket at a second was read: rows end, in key order, with the last. Where
 * clocks go back, the order of the keys is that of the clock, so that some buckets before the last row come after it.
 */
function readUpTo(last, bucketName, aggregate, keys) {
  if (last === undefined) return () => false;
  const lastSecond = bucketStart(last[bucketName], aggregate.zone) / 1000;
  const lastClock = clockOf(last[bucketName]);
  const isPassed = (second) => second < lastSecond && clockAt(second * 1000, aggregate.zone) < lastClock;
  if (aggregate.isBucketFirst) return (_, second) => second < lastSecond;
  if (!aggregate.isMultiValue) return (_, second) => isPassed(second);
  const lastIndex = Math.min(...keysOf(last, aggregate, keys).map((key) => keys.indexOf(key)));
  return (index, second) => index < lastIndex || (index === lastIndex && (second === lastSecond || isPassed(second)));
}

/** Return the keys of a row's line: also those that the user typed, if they are the same number in another notation. */
function keysOf(row, aggregate, keys) {
  if (aggregate.lineGroups.length === 0) return keys.slice(0, 1);
  const key = aggregate.lineKey(row);
  const [group, ...others] = aggregate.lineGroups;
  if (others.length > 0 || !isNumber(row[group.name])) return [key];
  return keys.filter((one) => isSameNumber(one, key));
}

/**
 * Return the index of the first bucket that is not over, or not counted to its end, as of an instant in ms. Overlapping
 * windows each end with the last of their `windows` buckets.
 */
export function firstOpen(xs, { unit, zone, windows }, asOf) {
  const endOf = (second) => {
    let end = second * 1000;
    for (let bucket = 0; bucket < windows; bucket += 1) end = bucketEnd(end, unit, zone);
    return end;
  };
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endOf(xs[middle]) > asOf) high = middle;
    else low = middle + 1;
  }
  return low;
}

function drawable(value) {
  return Number.isNaN(value) ? null : value;
}

/** Add the bucket of an instant, if it comes after the last one: without a row, it is as empty as a gap. */
function withEnd(seconds, until, unit, zone) {
  if (until === undefined || seconds.length === 0) return seconds;
  const last = bucketBefore(until + 1, unit, zone) / 1000;
  return last > seconds.at(-1) ? [...seconds, last] : seconds;
}

/**
 * Add the bucket at each end of every gap, where a line drops to zero and rises again, or ends and restarts. People
 * read their labels, so they are those that begin there: months, and days with a change of the clock, differ in length.
 */
function withGaps(seconds, unit, zone) {
  const step = bucketLengthS(unit);
  const xs = [];
  for (const x of seconds) {
    const previous = xs.at(-1);
    if (previous !== undefined && x - previous > step) {
      const [first, last] = [bucketEnd(previous * 1000, unit, zone), bucketBefore(x * 1000, unit, zone)];
      if (first < x * 1000) xs.push(first / 1000);
      if (last > first) xs.push(last / 1000);
    }
    xs.push(x);
  }
  return xs;
}

const COUNTS = new Set(["count", "count_items"]);

/** Return the lines of rows, largest first: by a count, preferably one of all items, or else by the number of rows. */
export function linesBySize(rows, aggregate) {
  const counts = aggregate.measures.filter((measure) => COUNTS.has(measure.kind));
  const count = (counts.find(({ where }) => where === undefined) ?? counts[0])?.name;
  const sizes = new Map();
  for (const row of rows) {
    const key = aggregate.lineKey(row);
    sizes.set(key, (sizes.get(key) ?? 0) + (count ? Number(row[count]) : 1));
  }
  return [...sizes].sort((one, other) => other[1] - one[1]).map(([value, items]) => ({ value, items }));
}

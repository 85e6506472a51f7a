/** Buckets of a chart in words; for overlapping windows, with their length. */

import { bucketNoun, formatBucket, severalBuckets } from "../values/times.js";

/** Return a bucket that begins at a second: `Tue, 1 Jan 2013, 05:00`, or `6 hours from Tue, 1 Jan 2013, 05:00`. */
export function bucketText({ unit, zone, windows }, second, isOpen = false) {
  const text = formatBucket(second * 1000, unit, zone, isOpen);
  return windows === 1 ? text : `${severalBuckets(windows, unit)} from ${text}`;
}

/** Return which buckets there are: `by hour`, or `in windows of 6 hours, one each hour`. */
export function periodText({ unit, windows }) {
  if (windows === 1) return `by ${unit}`;
  return `in windows of ${severalBuckets(windows, unit)}, one every ${unit}`;
}

/** Return that the last buckets are not over: several of them if windows overlap or changes are missing. */
export function openText({ xs, openFrom, unit, windows }) {
  const noun = windows === 1 ? bucketNoun(unit) : "window";
  const hasSeveral = xs.length - openFrom > 1;
  return hasSeveral ? `the last ${noun.replace(/^\w+/, "$&s")} are not over` : `the ${noun} is not over`;
}

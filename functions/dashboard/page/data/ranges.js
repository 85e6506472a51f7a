/** Which time range a panel shows, and the length of its buckets, so that the chart is neither sparse nor overloaded. */

import { bucketCount, bucketLengthS, bucketStart, isWithinDay, localTimeOf } from "../values/times.js";

const DAY_S = 86_400;
const SPANS = [
  ["10 minutes", 600],
  ["1 hour", 3600],
  ["6 hours", 21_600],
  ["24 hours", DAY_S],
  ["7 days", 7 * DAY_S],
  ["30 days", 30 * DAY_S],
  ["1 year", 365 * DAY_S],
  ["5 years", 1826 * DAY_S],
];

/** The most points of a line if the interval is automatic. */
const MAX_POINTS = 500;

/** Rows that one request reads. */
export const ROWS_PER_REQUEST = 1000;

/** The most rows that a panel reads. */
export const MAX_ROWS = 10_000;

/** The most lines in a chart: one for each color. */
export const MAX_LINES = 8;

/** The API reads times of the years 1 to 9999. */
const FIRST_INSTANT = Date.parse("0001-01-01T00:00Z");
const LAST_INSTANT = Date.parse("9999-12-31T23:59:59Z");

/** The option that leaves out nothing. */
export const EVERYTHING = "everything";

const MIN_INITIAL_LINES = 3;

/** More bands would cover each other. */
const INITIAL_BANDS = 2;

/** If the bucket comes first in the key, every bucket is a query: how many to show first, and to probe beyond the data. */
const INITIAL_BUCKETS = 100;
export const PROBED_BUCKETS = 20;

/** The most buckets that the API reads then. */
const MAX_BUCKETS = 10_000;

/** Return the range options of an aggregate for a select, and the initial one. */
export function rangeOptions({ unit, isBucketFirst }) {
  const newestBuckets = {
    value: `data:${INITIAL_BUCKETS * bucketLengthS(unit)}`,
    label: `Newest ${bucketCount(INITIAL_BUCKETS, unit)}`,
  };
  const fits = (buckets) => buckets > 1 && (!isBucketFirst || buckets + PROBED_BUCKETS < MAX_BUCKETS);
  const spans = SPANS.filter(([, seconds]) => fits(seconds / bucketLengthS(unit)));
  const options = [
    { value: "all", label: "All data" },
    // a query for each bucket up to an outlier would never end
    ...(isBucketFirst ? [] : [{ value: EVERYTHING, label: "All data, with outliers" }]),
    {
      group: "Up to the newest data",
      options: [
        ...(isBucketFirst ? [newestBuckets] : []),
        ...spans.map(([label, seconds]) => ({ value: `data:${seconds}`, label: `Newest ${label}` })),
      ],
    },
    {
      group: "Up to now",
      options: spans.map(([label, seconds]) => ({ value: `now:${seconds}`, label: `Last ${label}` })),
    },
    { value: "custom", label: "Custom range" },
  ];
  return { options, initial: isBucketFirst ? newestBuckets.value : "all" };
}

/**
 * Return the start and end of a range in ms. Null is an open end, which includes new data as they come in; `until` is
 * the instant that it reaches at least.
 *
 * @param {string} option of {@link rangeOptions}
 * @param {{oldest: number, newest: number}} extent starts of the oldest and newest bucket, in ms
 * @param {{unit: string, zone: string}} buckets
 */
export function rangeOf(option, extent, now, buckets) {
  const [kind, seconds] = option.split(":");
  if (kind === "data") return { from: startOfNewest(Number(seconds), extent.newest, buckets), to: null };
  if (kind === "now") return { from: now - Number(seconds) * 1000, to: null, until: now };
  return { from: null, to: null };
}

/** Return where the newest buckets start that last so long: days and longer ones are counted, as they differ in length. */
function startOfNewest(seconds, newest, { unit, zone }) {
  const length = bucketLengthS(unit);
  if (isWithinDay(unit)) return newest + (length - seconds) * 1000;
  const others = Math.ceil(seconds / length) - 1;
  const day = new Date(`${localTimeOf(newest, zone).slice(0, 10)}T00:00Z`);
  const months = { month: 1, quarter: 3, year: 12 }[unit];
  if (months) day.setUTCMonth(day.getUTCMonth() - others * months, 1);
  else day.setUTCDate(day.getUTCDate() - others * (unit === "week" ? 7 : 1));
  return bucketStart(new Date(withinCalendar(day.getTime())).toISOString().slice(0, 10), zone);
}

/** Return a range with its open ends set to the extent's, and its length in seconds. */
export function closeRange(range, extent) {
  const from = range.from ?? extent.oldest;
  const to = range.to ?? Math.max(extent.newest, from);
  return { from, to, seconds: Math.max((to - from) / 1000, 0) };
}

/** Return a range whose open ends reach somewhat beyond the closed range, to find data outside the known extent. */
export function widenRange(range, closed, unit) {
  const beyond = PROBED_BUCKETS * bucketLengthS(unit) * 1000;
  const end = Math.max(closed.to, range.until ?? closed.to);
  return { from: range.from ?? closed.from - beyond, to: range.to ?? end + beyond };
}

/**
 * Return how many buckets are read at once if each is a query. The API counts every month as 28 days, and intervals
 * extend beyond both ends of a range.
 */
export function maxBuckets(unit) {
  return bucketLengthS(unit) > 7 * DAY_S ? 9000 : 9700;
}

/** Return the maximum length of a range, in ms. */
export function maxRangeMs({ unit, isBucketFirst }) {
  return isBucketFirst ? maxBuckets(unit) * bucketLengthS(unit) * 1000 : Number.POSITIVE_INFINITY;
}

/** Return a range, or its newest part, marked `isCut`, if it has more buckets than are read at once. */
export function readableRange(range, extent, aggregate) {
  const whole = widenRange(range, closeRange(range, extent), aggregate.unit);
  const maxMs = maxRangeMs(aggregate);
  return whole.to - whole.from > maxMs ? { ...range, from: whole.to - maxMs, isCut: true } : range;
}

/**
 * Return the unit of the buckets to show: the selected one, or the finest with at most {@link MAX_POINTS} points.
 *
 * @param {object} aggregate its `unit` and `rollupUnits`
 * @param {boolean} isAdditive whether the measure can be rolled up to longer buckets
 */
export function unitFor(aggregate, seconds, selected, isAdditive) {
  const units = isAdditive ? [aggregate.unit, ...aggregate.rollupUnits] : [aggregate.unit];
  if (units.includes(selected)) return selected;
  // both ends are points
  return units.find((unit) => seconds / bucketLengthS(unit) + 1 <= MAX_POINTS) ?? units.at(-1);
}

/** Return how many lines to show at first, so that one request reads them all if possible. */
export function initialLineCount(unit, seconds, kind) {
  if (kind === "band") return INITIAL_BANDS;
  const points = seconds / bucketLengthS(unit) + 1;
  return Math.min(Math.max(Math.floor(ROWS_PER_REQUEST / points), MIN_INITIAL_LINES), MAX_LINES);
}

/** Return an instant, or the end of the API's calendar beyond which it is. */
function withinCalendar(instant) {
  return Math.min(Math.max(instant, FIRST_INSTANT), LAST_INSTANT);
}

/** Return the query parameters of a range. */
export function rangeParameters(range) {
  const parameters = [];
  if (range.from !== null) parameters.push(["from", new Date(withinCalendar(range.from)).toISOString()]);
  if (range.to !== null) parameters.push(["to", new Date(withinCalendar(range.to)).toISOString()]);
  return parameters;
}

/** Scale a range around its center by `factor`, and shift it by `shift` times its length: 0.5 is half of it later. */
export function transformRange(range, factor, shift) {
  const center = (range.from + range.to) / 2 + (range.to - range.from) * shift;
  const half = ((range.to - range.from) * factor) / 2;
  return { from: withinCalendar(Math.round(center - half)), to: withinCalendar(Math.round(center + half)) };
}

/** Return the local times of a range's start and end. */
export function localTimesOf(range, zone) {
  return [localTimeOf(range.from, zone), localTimeOf(range.to, zone)];
}

/**
 * Which stretch of time a panel shows, and how long the buckets in it are, so that there is neither too little nor too
 * much.
 */

import { clock, LENGTH_S } from "../values/times.js";

const DAY_S = 86_400;
const SPANS = [
  ["1 hour", 3600],
  ["6 hours", 21_600],
  ["24 hours", DAY_S],
  ["7 days", 7 * DAY_S],
  ["30 days", 30 * DAY_S],
  ["1 year", 365 * DAY_S],
];

/** How many points a line has at most where nobody chose otherwise. */
const POINTS = 500;

/** Rows of a panel that one request brings. */
export const ROWS_A_REQUEST = 1000;

/** Rows that a panel reads at most. */
export const MOST_ROWS = 10_000;

/** Lines that are drawn at once; as many as there are colours. */
export const MOST_LINES = 8;

/** Bands to begin with: more of them cover each other. */
const MOST_BANDS = 2;

/**
 * Of buckets that lie by themselves, each of which is looked into: how many to begin with, and how many to look beyond
 * known data.
 */
const BUCKETS = 100;
const BEYOND = 20;

/** Return the choices of a range for an aggregate, as the options of a select, and the one to begin with. */
export function rangeChoices({ unit, bucketFirst }) {
  const newest = { value: `data:${BUCKETS * LENGTH_S[unit]}`, label: `Newest ${BUCKETS} ${unit}s` };
  const spans = SPANS.filter(([, seconds]) => seconds > LENGTH_S[unit]);
  const options = [
    { value: "all", label: "All data" },
    {
      group: "Up to the newest data",
      options: [
        ...(bucketFirst ? [newest] : []),
        ...spans.map(([label, seconds]) => ({ value: `data:${seconds}`, label: `Newest ${label}` })),
      ],
    },
    {
      group: "Up to now",
      options: spans.map(([label, seconds]) => ({ value: `now:${seconds}`, label: `Last ${label}` })),
    },
    { value: "custom", label: "From … to …" },
  ];
  return { options, first: bucketFirst ? newest.value : "all" };
}

/**
 * Return from when to when a range is, in ms; null leaves an end open, so that newer data come in by themselves.
 *
 * @param {string} choice of {@link rangeChoices}
 * @param {{oldest: number, newest: number}} extent where the data lie, in ms
 * @param {string} unit of the buckets, the newest of which begins at the extent's end
 */
export function rangeOf(choice, extent, now, unit) {
  const [kind, seconds] = choice.split(":");
  if (kind === "data") return { from: extent.newest + (LENGTH_S[unit] - Number(seconds)) * 1000, to: null };
  if (kind === "now") return { from: now - Number(seconds) * 1000, to: null };
  return { from: null, to: null };
}

/** Return a range with both ends, and how long it is. */
export function closed(range, extent) {
  const from = range.from ?? extent.oldest;
  const to = range.to ?? Math.max(extent.newest, from);
  return { from, to, seconds: Math.max((to - from) / 1000, 0) };
}

/** Return a range with both ends, wide enough that what has come beyond the known data is found. */
export function bounded(range, whole, unit) {
  const beyond = BEYOND * LENGTH_S[unit] * 1000;
  return { from: range.from ?? whole.from - beyond, to: range.to ?? whole.to + beyond };
}

/**
 * Return the unit of the buckets to show: the one that was chosen, or the finest that makes no more points than
 * can be told apart.
 *
 * @param {object} aggregate its `unit` and `intervals`
 * @param {boolean} added whether the measure can be added up to longer buckets at all
 */
export function unitFor(aggregate, seconds, chosen, added) {
  const units = added ? [aggregate.unit, ...aggregate.intervals] : [aggregate.unit];
  if (units.includes(chosen)) return chosen;
  return units.find((unit) => seconds / LENGTH_S[unit] <= POINTS) ?? units.at(-1);
}

/** Return how many lines to begin with, so that one request brings them all where that is sensible. */
export function linesFor(unit, seconds, kind) {
  if (kind === "band") return MOST_BANDS;
  const points = seconds / LENGTH_S[unit] + 1;
  return Math.min(Math.max(Math.floor(ROWS_A_REQUEST / points), 3), MOST_LINES);
}

/** Return the parameters of a range, in the clock's own words where the bucket is a date. */
export function rangeParameters(range) {
  const found = [];
  if (range.from !== null) found.push(["from", new Date(range.from).toISOString()]);
  if (range.to !== null) found.push(["to", new Date(range.to).toISOString()]);
  return found;
}

/**
 * Return the range that is a part of another: `factor` 0.5 is its middle half, 2 twice of it; `shift` 0.5 is half of
 * it later.
 */
export function moved(range, factor, shift) {
  const middle = (range.from + range.to) / 2 + (range.to - range.from) * shift;
  const half = ((range.to - range.from) * factor) / 2;
  return { from: Math.round(middle - half), to: Math.round(middle + half) };
}

/** Return a range's ends as the fields of a form show them. */
export function fields(range, zone) {
  return [clock(range.from, zone), clock(range.to, zone)];
}

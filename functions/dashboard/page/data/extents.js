/** The time range that an aggregate's data cover. */

import { bucketLengthS, bucketStart } from "../values/times.js";
import { ofSameVersion } from "./generations.js";
import { mainPart } from "./outliers.js";
import { groupParameters, readRows, topGroups } from "./queries.js";
import { PROBED_BUCKETS, rangeParameters } from "./ranges.js";

const SEARCH_REQUESTS = 5;
const SEARCH_BUCKETS = 9000;
const INITIAL_BUCKETS = 100;
const SAMPLED_GROUPS = 5;
const ASSUMED_BUCKETS = 90;

/** How often to look for buckets that are newer than a panel reads: nothing else finds them. */
const SAMPLE_EVERY_MS = 30_000;

/** How many rows show whether the first and the last are outliers. */
const ROWS_AT_EACH_END = 50;

/** Return the starts of the oldest and the newest buckets of one group, ascending. */
async function startsOf(api, aggregate, pairs, signal) {
  const starts = new Set();
  for (const order of ["asc", "desc"]) {
    const parameters = [...groupParameters(pairs), ["order", order]];
    const { rows } = await readRows(api, aggregate, parameters, { signal, max: ROWS_AT_EACH_END });
    for (const row of rows) starts.add(bucketStart(row[aggregate.bucket.name], aggregate.zone));
  }
  return [...starts].sort((one, other) => one - other);
}

/** Return the extent of ascending starts without outliers, and as `all` with them; null if there are none. */
function extentOf(starts) {
  if (starts.length === 0) return null;
  const [start, end] = mainPart(starts);
  const all = { oldest: starts[0], newest: starts.at(-1) };
  return { oldest: starts[start], newest: starts[end - 1], all };
}

/** Return the extent of the first choice of values that has rows, or null if none has. */
async function firstExtent(api, aggregate, choices, signal) {
  for (const pairs of choices) {
    const extent = extentOf(await startsOf(api, aggregate, pairs, signal));
    if (extent !== null) return extent;
  }
  return null;
}

/** Search backward from now for the newest bucket of an aggregate that starts with its bucket; null if none is found. */
async function findNewest(api, aggregate, now) {
  const lengthMs = bucketLengthMs(aggregate);
  const parameters = [
    ...rangeParameters({ from: Math.max(0, now - SEARCH_BUCKETS * lengthMs), to: now + lengthMs }),
    ["order", "desc"],
    ["limit", "1"],
  ];
  let cursor = [];
  for (let request = 0; request < SEARCH_REQUESTS; request += 1) {
    const page = ofSameVersion(await api.get(aggregate.path("rows"), [...parameters, ...cursor]), aggregate);
    if (page.rows.length > 0) {
      const newest = bucketStart(page.rows[0][aggregate.bucket.name], aggregate.zone);
      return { oldest: newest - (INITIAL_BUCKETS - 1) * lengthMs, newest };
    }
    if (!page.cursor) break;
    cursor = [["cursor", page.cursor]];
  }
  return null;
}

/**
 * Merge the extents known for several bucket lengths into `{oldest, end}`. The shortest buckets are the most precise;
 * longer ones count only where they extend beyond: a monthly bucket does not show where in the month the rows are.
 */
function mergeExtents(extents) {
  const [[shortestMs, shortest], ...longer] = [...extents].sort(([one], [other]) => one - other);
  const merged = { ...shortest };
  for (const [lengthMs, { oldest, newest }] of longer) {
    if (oldest + lengthMs <= merged.oldest) merged.oldest = oldest;
    if (newest >= merged.newest + shortestMs) merged.newest = newest + lengthMs - shortestMs;
  }
  return { oldest: merged.oldest, end: merged.newest + shortestMs };
}

/**
 * The known extents of aggregates.
 *
 * An aggregate whose first group is its time bucket can only be queried with a range. Its extent therefore comes from
 * another aggregate with the same time key, sampled by its largest groups, and grows with what panels read.
 */
export class Extents {
  /** By time key, then by bucket length in ms: the starts of the oldest and the newest bucket. */
  #known = new Map();
  /** By time key: the request for a sample, and when it was made. */
  #samples = new Map();

  constructor(aggregates) {
    this.aggregates = aggregates;
  }

  /**
   * Return the starts of the oldest and the newest bucket in ms without outliers, `{oldest, newest}`, and with them, as
   * `all`; null if no rows are found.
   *
   * @param {[object, string][][]} choices of values of the groups before the bucket: the first that has rows is used
   * @param {boolean} isProbed whether the panel also reads some buckets beyond the newest one, if the bucket comes first
   */
  async of(api, aggregate, choices, { signal, isProbed }) {
    if (!aggregate.isBucketFirst) return firstExtent(api, aggregate, choices, signal);
    const key = aggregate.timeKey;
    const now = Date.now();
    if (this.#needsSample(aggregate, isProbed, now))
      this.#samples.set(key, { request: this.#sample(api, aggregate), at: now });
    try {
      await this.#samples.get(key).request;
    } catch (error) {
      this.#samples.delete(key);
      throw error;
    }
    if (!this.#known.has(key)) return null;
    const { oldest, end } = mergeExtents(this.#known.get(key));
    const extent = { oldest, newest: Math.max(oldest, end - bucketLengthMs(aggregate)) };
    return { ...extent, all: extent };
  }

  /** Extend what is known by the buckets of rows that were read. */
  extend(aggregate, oldest, newest) {
    const byLength = this.#known.get(aggregate.timeKey) ?? new Map();
    const lengthMs = bucketLengthMs(aggregate);
    const known = byLength.get(lengthMs) ?? { oldest, newest };
    byLength.set(lengthMs, { oldest: Math.min(known.oldest, oldest), newest: Math.max(known.newest, newest) });
    this.#known.set(aggregate.timeKey, byLength);
  }

  #needsSample(aggregate, isProbed, now) {
    const sample = this.#samples.get(aggregate.timeKey);
    if (sample === undefined || Math.abs(now - sample.at) < SAMPLE_EVERY_MS) return sample === undefined;
    const known = this.#known.get(aggregate.timeKey);
    const beyond = isProbed ? PROBED_BUCKETS * bucketLengthMs(aggregate) : 0;
    return known === undefined || mergeExtents(known).end + beyond < now;
  }

  async #sample(api, aggregate) {
    const isSibling = (other) => other.timeKey === aggregate.timeKey && other.isMultiValue && other.listsGroups;
    // the API refuses to list the values of one that is not built
    const siblings = this.aggregates.filter((other) => isSibling(other) && other.isBuilt);
    const [sibling] = siblings.sort((one, other) => bucketLengthMs(one) - bucketLengthMs(other));
    if (!sibling) {
      const found = await findNewest(api, aggregate, Date.now());
      if (found) this.extend(aggregate, found.oldest, found.newest);
      return;
    }
    const groups = await topGroups(api, sibling, { max: SAMPLED_GROUPS });
    const starts = await Promise.all(
      groups.map(({ value }) => startsOf(api, sibling, [[sibling.lineGroups[0], value]])),
    );
    const extent = extentOf([...new Set(starts.flat())].sort((one, other) => one - other));
    if (extent !== null) this.extend(sibling, extent.oldest, extent.newest);
  }
}

/**
 * Return an extent with the rows that were read: `ends` are the seconds of the first and the last, and `leftOut` those of
 * outliers. A range that leaves out nothing tells nothing about the others.
 */
export function extendedBy(extent, { ends, leftOut }, leavesOut) {
  const [first, last] = ends.map((second) => second * 1000);
  const everything = [first, last, ...leftOut.map((second) => second * 1000)];
  const all = {
    oldest: Math.min(extent.all.oldest, ...everything),
    newest: Math.max(extent.all.newest, ...everything),
  };
  if (!leavesOut) return { ...extent, all };
  return { oldest: Math.min(extent.oldest, first), newest: Math.max(extent.newest, last), all };
}

/** Return an extent for an aggregate about which nothing is known: some buckets until now. */
export function assumedExtent(aggregate, now) {
  const extent = { oldest: now - ASSUMED_BUCKETS * bucketLengthMs(aggregate), newest: now };
  return { ...extent, all: extent };
}

function bucketLengthMs(aggregate) {
  return bucketLengthS(aggregate.unit) * 1000;
}

/** Rows, groups and the range of the data, in a bounded number of requests. */

import { begin, LENGTH_S } from "../values/times.js";
import { parameter } from "./aggregate.js";
import { MOST_ROWS, ROWS_A_REQUEST, rangeParameters } from "./ranges.js";

/** How many of the busiest groups are listed. */
export const LISTED = 100;

const SEARCHED_REQUESTS = 5;
const MOST_BUCKETS = 9000;
const ASKED_GROUPS = 5;

/** Return the parameters that choose values of groups; null leaves a group out. */
export function chosen(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([group, value]) => [parameter(group), value]);
}

/**
 * Read the rows of a query, page by page, `most` at most.
 *
 * @returns {{rows: object[], freshness: object, cut: boolean, requests: number}} `cut` tells that there are more
 */
export async function readRows(api, aggregate, parameters, { signal, most = MOST_ROWS } = {}) {
  const rows = [];
  let cursor = null;
  for (let requests = 1; ; requests += 1) {
    const limit = Math.min(ROWS_A_REQUEST, most - rows.length);
    const more = cursor === null ? [] : [["cursor", cursor]];
    const page = await api.get(aggregate.path("rows"), [...parameters, ["limit", String(limit)], ...more], { signal });
    rows.push(...page.rows);
    cursor = page.cursor ?? null;
    // pages may be short, even empty: not only the rows are bounded, the requests are, too
    if (cursor === null || rows.length >= most || requests * ROWS_A_REQUEST >= 2 * most) {
      return { rows, freshness: page.freshness, cut: cursor !== null, requests };
    }
  }
}

/**
 * Return the values of the first group, those with most items first; where there are too many to be ranked, the first
 * ones by their order, and none where the aggregate keeps no list of them.
 */
export async function busiest(api, aggregate, { signal, most = LISTED } = {}) {
  if (!aggregate.listed) return [];
  try {
    const { groups } = await api.get(aggregate.path("groups"), [["n", String(most)]], { signal });
    return groups.map(({ value, items }) => ({ value: String(value), items: Number(items) }));
  } catch (error) {
    if (error.type !== "too-much") throw error;
    return (await groupsByKey(api, aggregate, null)).groups.slice(0, most);
  }
}

/** Return a page of the values of the first group by their order, from a cursor on, and the cursor behind it. */
export async function groupsByKey(api, aggregate, cursor) {
  const more = cursor === null ? [] : [["cursor", cursor]];
  const page = await api.get(aggregate.path("groups"), [["order", "key"], ["n", String(LISTED)], ...more]);
  return {
    groups: page.groups.map(({ value, items }) => ({ value: String(value), items: Number(items) })),
    cursor: page.cursor ?? null,
  };
}

/**
 * Return the values of a group below others that are chosen, from the rows there; `cut` tells that there may be more.
 */
export async function valuesBelow(api, aggregate, given, group, { signal } = {}) {
  const coarsest = aggregate.intervals.at(-1);
  const parameters = [...chosen(given), ...(coarsest ? [["interval", coarsest]] : [])];
  const { rows, cut } = await readRows(api, aggregate, parameters, { signal, most: ROWS_A_REQUEST });
  const found = new Map();
  for (const row of rows) {
    const value = String(row[group.name]);
    found.set(value, (found.get(value) ?? 0) + 1);
  }
  return { values: [...found].sort((one, other) => other[1] - one[1]).map(([value]) => value), cut };
}

/** Return when the oldest and the newest bucket of one group begin, or null where it has none. */
async function ends(api, aggregate, given, signal) {
  const labels = [];
  for (const order of ["asc", "desc"]) {
    const { rows } = await readRows(api, aggregate, [...chosen(given), ["order", order]], { signal, most: 1 });
    if (rows.length === 0) return null;
    labels.push(begin(rows[0][aggregate.bucket.name], aggregate.zone));
  }
  return { oldest: labels[0], newest: labels[1] };
}

/** Look for the newest bucket of an aggregate whose first group it is: from now back, for a few requests. */
async function searched(api, aggregate, now) {
  const span = length(aggregate);
  const parameters = [
    ...rangeParameters({ from: Math.max(0, now - MOST_BUCKETS * span), to: now + span }),
    ["order", "desc"],
    ["limit", "1"],
  ];
  let cursor = [];
  for (let request = 0; request < SEARCHED_REQUESTS; request += 1) {
    const page = await api.get(aggregate.path("rows"), [...parameters, ...cursor]);
    if (page.rows.length > 0) {
      const newest = begin(page.rows[0][aggregate.bucket.name], aggregate.zone);
      return { oldest: newest - 99 * span, newest };
    }
    if (!page.cursor) break;
    cursor = [["cursor", page.cursor]];
  }
  return null;
}

/**
 * Return from where to where rows lie, from what is known by buckets of several units: by the shortest, unless
 * longer ones tell of rows
 * beyond. A bucket of a month says little of where in it the rows are.
 */
function together(known) {
  const [shortest, ...longer] = [...known].sort(([one], [other]) => one - other);
  const found = { ...shortest[1] };
  for (const [span, { oldest, newest }] of longer) {
    if (oldest + span <= found.oldest) found.oldest = oldest;
    if (newest >= found.newest + shortest[0]) found.newest = newest + span - shortest[0];
  }
  return { oldest: found.oldest, end: found.newest + shortest[0] };
}

/**
 * Where the data of aggregates lie in time.
 *
 * An aggregate whose first group is a time bucket can only be asked from when to when, so another one of the same
 * collection and
 * field has to tell, by its busiest groups; what any panel reads then extends it.
 */
export class Extents {
  /** By collection and field, and by the length of the buckets, when the oldest and the newest of them begin, in ms. */
  #known = new Map();
  #asked = new Map();

  constructor(aggregates) {
    this.aggregates = aggregates;
  }

  /**
   * Return when the oldest and the newest bucket begin, `{oldest, newest}` in ms; null where there are none, or
   * none that can be found.
   *
   * @param {[object, string][]} given the values of the groups before the bucket, or of the busiest first group
   */
  async of(api, aggregate, given, signal) {
    if (!aggregate.bucketFirst) return ends(api, aggregate, given, signal);
    const key = aggregate.clockwork;
    if (!this.#asked.has(key)) this.#asked.set(key, this.#ask(api, aggregate));
    try {
      await this.#asked.get(key);
    } catch (error) {
      this.#asked.delete(key);
      throw error;
    }
    if (!this.#known.has(key)) return null;
    const { oldest, end } = together(this.#known.get(key));
    return { oldest, newest: Math.max(oldest, end - length(aggregate)) };
  }

  /** Take in what has been read: when the oldest and the newest bucket begin. */
  seen(aggregate, oldest, newest) {
    const known = this.#known.get(aggregate.clockwork) ?? new Map();
    const before = known.get(length(aggregate)) ?? { oldest, newest };
    known.set(length(aggregate), { oldest: Math.min(before.oldest, oldest), newest: Math.max(before.newest, newest) });
    this.#known.set(aggregate.clockwork, known);
  }

  async #ask(api, aggregate) {
    const siblings = this.aggregates.filter(
      (one) => one.clockwork === aggregate.clockwork && one.repeated && one.listed,
    );
    const [sibling] = siblings.sort((one, other) => length(one) - length(other));
    if (!sibling) {
      const found = await searched(api, aggregate, Date.now());
      if (found) this.seen(aggregate, found.oldest, found.newest);
      return;
    }
    const groups = await busiest(api, sibling, { most: ASKED_GROUPS });
    const found = await Promise.all(groups.map(({ value }) => ends(api, sibling, [[sibling.lines[0], value]])));
    for (const one of found) if (one !== null) this.seen(sibling, one.oldest, one.newest);
  }
}

/** How long a bucket of an aggregate is, in ms. */
function length(aggregate) {
  return LENGTH_S[aggregate.unit] * 1000;
}

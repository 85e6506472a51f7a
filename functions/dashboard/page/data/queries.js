/** Reading rows and groups in a bounded number of requests. */

import { parameterName } from "./aggregate.js";
import { leastFresh } from "./freshness.js";
import { ofSameVersion } from "./generations.js";
import { MAX_ROWS, ROWS_PER_REQUEST } from "./ranges.js";

/** How many groups are listed at once. */
export const GROUPS_PER_REQUEST = 100;

/** How many values of the first group one query may have. */
export const VALUES_PER_REQUEST = 25;

/** The gateway takes 10,240 bytes of address and headers together. A cursor and a token need more than half of them. */
const MAX_ENCODED_VALUES = 4000;

/** How many empty pages are skipped before giving up. */
const MAX_EMPTY_PAGES = 20;

/** Return the query parameters for `[group, value]` pairs; pairs without a value are left out. */
export function groupParameters(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([group, value]) => [parameterName(group), value]);
}

/** Return `[group, value]` pairs of the first group, in order, in parts that one query each can have. */
export function partsOf(pairs) {
  const parts = [];
  let room = 0;
  for (const pair of pairs) {
    const length = new URLSearchParams(groupParameters([pair])).toString().length + 1;
    if (length > room || parts.at(-1)?.length === VALUES_PER_REQUEST) {
      parts.push([]);
      room = MAX_ENCODED_VALUES;
    }
    parts.at(-1).push(pair);
    room -= length;
  }
  return parts;
}

/** Read the rows of several queries, one after the other, as {@link readRows} does those of one. */
export async function readAllRows(api, aggregate, queries, { signal, max = MAX_ROWS } = {}) {
  const all = { rows: [], freshness: null, truncated: false, requests: 0 };
  for (const query of queries) {
    all.truncated ||= all.rows.length >= max;
    if (all.truncated) break;
    const read = await readRows(api, aggregate, query, { signal, max: max - all.rows.length });
    const freshness = leastFresh(all.freshness, read.freshness);
    Object.assign(all, read, { rows: [...all.rows, ...read.rows], requests: all.requests + read.requests, freshness });
  }
  return all;
}

/** Return a row such that it has only its own members: a measure that it lacks may be named `constructor`. */
export function withoutInherited(row) {
  return Object.setPrototypeOf(row, null);
}

/**
 * Read the rows of a query, page by page, at most `max`.
 *
 * @returns {{rows: object[], bucketName: string, freshness: object, truncated: boolean, requests: number}}
 */
export async function readRows(api, aggregate, parameters, { signal, max = MAX_ROWS } = {}) {
  const rows = [];
  let [cursor, freshness] = [null, null];
  for (let requests = 1; ; requests += 1) {
    const limit = Math.min(ROWS_PER_REQUEST, max - rows.length);
    const next = cursor === null ? [] : [["cursor", cursor]];
    const query = [...parameters, ["limit", String(limit)], ...next];
    const page = ofSameVersion(await api.get(aggregate.path("rows"), query, { signal }), aggregate);
    rows.push(...page.rows.map(withoutInherited));
    freshness = leastFresh(freshness, page.freshness);
    cursor = page.cursor ?? null;
    // pages can be short or even empty, so the number of requests is bounded too
    if (cursor === null || rows.length >= max || requests >= Math.max(MAX_EMPTY_PAGES, (2 * max) / ROWS_PER_REQUEST)) {
      const bucketName = page.bucket ?? aggregate.bucket?.name;
      return { rows, bucketName, freshness, truncated: cursor !== null, requests };
    }
  }
}

/**
 * Return the values of the first group, those with the most items first. If there are too many to rank, return the
 * first ones in key order; if the aggregate does not list its groups, return none. `onList` gets the freshness of the list,
 * and whether it is ranked.
 */
export async function topGroups(api, aggregate, { signal, max = GROUPS_PER_REQUEST, onList } = {}) {
  if (!aggregate.listsGroups) return [];
  try {
    const page = await api.get(aggregate.path("groups"), [["n", String(max)]], { signal });
    const { groups, freshness } = ofSameVersion(page, aggregate);
    onList?.({ freshness: freshness ?? null, isRanked: true });
    return groups.map(groupEntry);
  } catch (error) {
    if (error.type !== "too-much") throw error;
    const { groups, freshness } = await firstGroups(api, aggregate, signal);
    onList?.({ freshness, isRanked: false });
    return groups.slice(0, max);
  }
}

/** Return the first page of the values in key order that has any. A page is empty if very many values in a row have no items. */
async function firstGroups(api, aggregate, signal) {
  let page = await groupsByKey(api, aggregate, null, { signal });
  for (let more = 0; page.groups.length === 0 && page.cursor !== null && more < MAX_EMPTY_PAGES; more += 1)
    page = await groupsByKey(api, aggregate, page.cursor, { signal });
  return page;
}

/** Return one page of the values of the first group in key order, the cursor of the next page, or null, and the freshness. */
export async function groupsByKey(api, aggregate, cursor, { signal } = {}) {
  const next = cursor === null ? [] : [["cursor", cursor]];
  const parameters = [["order", "key"], ["n", String(GROUPS_PER_REQUEST)], ...next];
  const page = ofSameVersion(await api.get(aggregate.path("groups"), parameters, { signal }), aggregate);
  return { groups: page.groups.map(groupEntry), cursor: page.cursor ?? null, freshness: page.freshness ?? null };
}

function groupEntry({ value, items }) {
  return { value: String(value), items: Number(items) };
}

/**
 * Return the `values` of a group within given values of the groups before it, the most frequent in the rows first, and
 * whether there may be others, because there are more rows than were read (`truncated`).
 */
export async function valuesWithin(api, aggregate, pairs, group, { signal } = {}) {
  const coarsest = aggregate.rollupUnits.at(-1);
  const parameters = [...groupParameters(pairs), ...(coarsest ? [["interval", coarsest]] : [])];
  const { rows, truncated } = await readRows(api, aggregate, parameters, { signal, max: ROWS_PER_REQUEST });
  const counts = new Map();
  for (const row of rows) {
    const value = String(row[group.name]);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return { values: [...counts].sort((one, other) => other[1] - one[1]).map(([value]) => value), truncated };
}

/** An aggregate as `GET /aggregates` describes it, and how a panel queries it. */

import { formatGroupValue, isolated, spaced } from "../values/format.js";
import { supportedZone, unitOf } from "../values/times.js";
import { isBuilt } from "./generations.js";

const RESERVED_PARAMETERS = new Set(["from", "to", "limit", "cursor", "order", "interval", "window", "by", "n"]);

/** Return the name of the query parameter for a group's value, which no other group has. */
export function parameterName(group) {
  return RESERVED_PARAMETERS.has(group.name.replace(/^(group\.)+/, "")) ? `group.${group.name}` : group.name;
}

/**
 * An aggregate.
 *
 * The order of its groups is the table's key, which determines what one query can read. A panel shows one value of
 * each of the `fixedGroups`, and compares the values of the `lineGroups`, as lines of a chart or as bars. If
 * `isMultiValue`, one query can read several values of the first group.
 */
export class Aggregate {
  constructor(description) {
    this.name = description.name;
    this.version = description.version;
    this.collection = description.collection;
    this.description = description.description;
    this.groups = description.groups;
    this.measures = description.measures;
    /** The longer units that its rows can be rolled up to. */
    this.rollupUnits = description.intervals ?? [];
    /** The path of the list whose elements are counted; null if items are. */
    this.each = description.each ?? null;
    this.isBuilt = isBuilt(description);
    this.listsGroups = description.listed !== false;
    this.bucket = this.groups.find((group) => group.name === description.bucket) ?? null;
    const bucketIndex = this.bucket === null ? this.groups.length : this.groups.indexOf(this.bucket);
    const [before, after] = [this.groups.slice(0, bucketIndex), this.groups.slice(bucketIndex + 1)];
    this.isBucketFirst = bucketIndex === 0;
    this.isMultiValue = before.length === 1 && after.length === 0;
    if (this.isMultiValue) [this.fixedGroups, this.lineGroups] = [[], before];
    else if (this.bucket === null) [this.fixedGroups, this.lineGroups] = [before.slice(0, 1), before.slice(1)];
    else [this.fixedGroups, this.lineGroups] = [before, after];
  }

  /** Return the path of one of its resources (`rows`, `groups`, `top`), without a leading slash. */
  path(resource) {
    return `aggregates/${encodeURIComponent(this.name)}/${resource}`;
  }

  /** The unit of its time bucket; null if it has none. */
  get unit() {
    return this.bucket === null ? null : unitOf(this.bucket);
  }

  /** How many buckets each row covers: several if its windows overlap. */
  get windows() {
    return this.bucket?.windows ?? 1;
  }

  get zone() {
    return this.bucket === null ? "UTC" : supportedZone(this.bucket.time_zone);
  }

  /** Equal for aggregates whose data cover the same time range: the same collection, bucketed by the same field. */
  get timeKey() {
    return this.bucket === null ? null : `${this.collection} ${this.bucket.field}`;
  }

  /** Return the key of the line or bar that a row belongs to. */
  lineKey(row) {
    return this.lineGroups.length === 1
      ? String(row[this.lineGroups[0].name])
      : JSON.stringify(this.lineGroups.map((group) => String(row[group.name])));
  }

  /** Return the label of a line or bar. */
  lineLabel(key) {
    if (this.lineGroups.length === 0) return "All";
    if (this.lineGroups.length > 1) return JSON.parse(key).map(formatGroupValue).map(isolated).join(" · ");
    return formatGroupValue(key);
  }

  /** The names of the groups whose values are compared. */
  get lineGroupNames() {
    return this.lineGroups.map((group) => spaced(group.name)).join(" · ");
  }
}

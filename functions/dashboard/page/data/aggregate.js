/** What a panel is made of, from what the API tells of an aggregate (`GET /aggregates`). */

import { intervals, known } from "../values/times.js";

const PARAMETERS = new Set(["from", "to", "limit", "cursor", "order", "interval", "by", "n"]);

/** Return the name of the parameter that gives a group's value. */
export function parameter(group) {
  return PARAMETERS.has(group.name) ? `group.${group.name}` : group.name;
}

/**
 * An aggregate, and how it can be read.
 *
 * The key of the table says what lies together. `fixed` are the groups of which one value is chosen for the whole
 * panel, `lines`
 * those whose values are compared in it: lines of a chart, or bars. `repeated` tells that several values of the
 * first group can
 * be asked for at once.
 */
export class Aggregate {
  constructor(told) {
    this.name = told.name;
    this.version = told.version;
    this.collection = told.collection;
    this.description = told.description;
    this.groups = told.groups;
    this.measures = told.measures;
    this.listed = told.listed !== false;
    this.bucket = told.groups.find((group) => group.name === told.bucket) ?? null;
    const place = this.bucket === null ? told.groups.length : told.groups.indexOf(this.bucket);
    const [before, after] = [told.groups.slice(0, place), told.groups.slice(place + 1)];
    this.bucketFirst = place === 0;
    this.repeated = before.length === 1 && after.length === 0;
    if (this.repeated) [this.fixed, this.lines] = [[], before];
    else if (this.bucket === null) [this.fixed, this.lines] = [before.slice(0, 1), before.slice(1)];
    else [this.fixed, this.lines] = [before, after];
  }

  /** The address of its rows, without a slash at the beginning. */
  path(what) {
    return `aggregates/${encodeURIComponent(this.name)}/${what}`;
  }

  /** The unit of its time bucket, null if it has none. */
  get unit() {
    return this.bucket?.kind ?? null;
  }

  get zone() {
    return this.bucket === null ? "UTC" : known(this.bucket.time_zone);
  }

  /** The longer stretches of time that its rows can be added up to. */
  get intervals() {
    return this.bucket === null ? [] : intervals(this.unit, this.bucketFirst);
  }

  /** What aggregates have in common whose data lie in the same range of time. */
  get clockwork() {
    return this.bucket === null ? null : `${this.collection} ${this.bucket.field}`;
  }

  /** Return which line or bar a row belongs to, as a key that no other values share. */
  lineOf(row) {
    return this.lines.length === 1
      ? String(row[this.lines[0].name])
      : JSON.stringify(this.lines.map((group) => String(row[group.name])));
  }

  /** Return a line's key in words. */
  labelOf(line) {
    if (this.lines.length === 0) return "All";
    if (this.lines.length > 1) return JSON.parse(line).map(shown).join(" · ");
    return shown(line);
  }

  /** Return what its lines are values of, in words. */
  get linesName() {
    return this.lines.map((group) => group.name.replaceAll("_", " ")).join(" · ");
  }
}

function shown(text) {
  return text === "" ? "(empty)" : text;
}

/** Which values of groups a panel shows: those with most items, until somebody chooses others. */

import { busiest, groupsByKey, LISTED, valuesBelow } from "../data/queries.js";
import { MOST_LINES } from "../data/ranges.js";
import { choose } from "../elements/chooser.js";

const LOOKED_AGAIN_MS = 10_000;

/** The values of a panel's groups. */
export class Groups {
  #slots = new Map();
  #lookedAt = 0;

  /** Values of the fixed groups, by name; null until one is known. */
  fixed = new Map();
  /** What somebody chose to see, null for the busiest. */
  picked = null;
  /** What there is to choose among, the busiest first, as `{value, items}`. */
  listed = [];

  constructor(api, aggregate) {
    this.api = api;
    this.aggregate = aggregate;
  }

  /** The fixed groups with their values, as far as they are known. */
  get given() {
    return this.aggregate.fixed.map((group) => [group, this.fixed.get(group.name) ?? null]);
  }

  /** What to say where there is nothing to show. */
  get none() {
    const [first] = this.aggregate.groups;
    return this.aggregate.listed
      ? "There are no rows yet. They appear here as soon as something is counted."
      : `Values of ${first.name} are not listed: choose one by typing it.`;
  }

  /** Look which values there are; false where there are none. */
  async look(signal) {
    const { aggregate, api } = this;
    if (aggregate.repeated) {
      if (this.listed.length === 0 || Date.now() - this.#lookedAt > LOOKED_AGAIN_MS) {
        this.listed = await busiest(api, aggregate, { signal });
        this.#lookedAt = Date.now();
      }
      return this.listed.length > 0 || this.picked !== null;
    }
    for (const [place, group] of aggregate.fixed.entries()) {
      if (this.fixed.has(group.name)) continue;
      const [value] = await this.#values(place, signal);
      if (value === undefined) return false;
      this.fixed.set(group.name, value.value);
    }
    return true;
  }

  async #values(place, signal) {
    if (place === 0) return busiest(this.api, this.aggregate, { signal });
    const above = this.given.slice(0, place);
    const { values } = await valuesBelow(this.api, this.aggregate, above, this.aggregate.fixed[place], { signal });
    return values.map((value) => ({ value, items: null }));
  }

  /** Return the lines to show, `most` where nobody has chosen, with a colour for each that stays the line's own. */
  lines(most) {
    const keys = this.picked ?? this.listed.slice(0, most).map(({ value }) => value);
    for (const key of [...this.#slots.keys()]) if (!keys.includes(key)) this.#slots.delete(key);
    for (const key of keys) {
      if (this.#slots.has(key)) continue;
      const taken = new Set(this.#slots.values());
      this.#slots.set(key, Array.from({ length: MOST_LINES }, (_, slot) => slot).find((slot) => !taken.has(slot)) ?? 0);
    }
    return keys.map((key) => ({ key, label: this.aggregate.labelOf(key), slot: this.#slots.get(key) }));
  }

  /** Let somebody choose lines; true if others are to be shown now. */
  async chooseLines(shown) {
    const entries = (found) =>
      found.map(({ value, items }) => ({ value, label: this.aggregate.labelOf(value), items }));
    const chosen = await choose({
      heading: `Choose by ${this.aggregate.linesName}`,
      listed: entries(this.listed),
      chosen: shown,
      most: MOST_LINES,
      typed: this.aggregate.lines.length === 1,
      more: this.aggregate.repeated && this.listed.length >= LISTED ? this.#byKey(entries) : null,
    });
    if (chosen !== null) this.picked = chosen.length === 0 ? null : chosen;
    return chosen !== null;
  }

  /** Let somebody choose the value of a fixed group; true if another is to be shown now. */
  async chooseFixed(group) {
    const place = this.aggregate.fixed.indexOf(group);
    const values = await this.#values(place);
    const entries = (found) => found.map(({ value, items }) => ({ value, label: value, items }));
    const chosen = await choose({
      heading: `Choose a ${group.name.replaceAll("_", " ")}`,
      listed: entries(values),
      chosen: [this.fixed.get(group.name)],
      most: 1,
      typed: true,
      more: place === 0 && values.length >= LISTED ? this.#byKey(entries) : null,
    });
    if (chosen === null || chosen.length === 0 || chosen[0] === this.fixed.get(group.name)) return false;
    this.fixed.set(group.name, chosen[0]);
    for (const below of this.aggregate.fixed.slice(place + 1)) this.fixed.delete(below.name);
    this.picked = null;
    return true;
  }

  #byKey(entries) {
    let cursor = null;
    return async () => {
      const page = await groupsByKey(this.api, this.aggregate, cursor);
      cursor = page.cursor;
      return { listed: entries(page.groups), more: cursor !== null };
    };
  }
}

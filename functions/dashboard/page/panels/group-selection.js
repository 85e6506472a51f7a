/** Which values of its groups a panel shows: those with the most items, until the user selects others. */

import { Problem } from "../client/api.js";
import { GROUPS_PER_REQUEST, groupsByKey, topGroups, valuesWithin } from "../data/queries.js";
import { MAX_LINES } from "../data/ranges.js";
import { choose } from "../elements/chooser.js";
import { formatGroupValue, humanize, NO_VALUE, spaced } from "../values/format.js";

const RELOAD_AFTER_MS = 10_000;

export class GroupSelection {
  #slots = new Map();
  #loadedAt = 0;
  #isChoosing = false;

  /** Values of the fixed groups, by name. */
  fixed = new Map();
  /** Keys of the lines that the user selected; null shows the largest. */
  selected = null;
  /** The values to select from, the largest first, as `{value, items}`. */
  candidates = [];
  /** The freshness of the list of values, which shows how an empty one is meant. */
  freshness = null;
  /** Whether the values are those with the most items; if there are too many to rank, they are the first by key. */
  isRanked = true;

  constructor(api, aggregate) {
    this.api = api;
    this.aggregate = aggregate;
  }

  /** The fixed groups with their values, as `[group, value]`; the value is null until it is known. */
  get fixedPairs() {
    return this.aggregate.fixedGroups.map((group) => [group, this.fixed.get(group.name) ?? null]);
  }

  /** Choices of values, as `[group, value]`: the first that has rows determines the time range of the panel's data. */
  get choices() {
    if (!this.aggregate.isMultiValue) return [this.fixedPairs];
    // rows expire, the list of values does not: the value with the most items may no longer have any
    const values = this.selected ?? this.candidates.slice(0, MAX_LINES).map(({ value }) => value);
    return values.map((value) => [[this.aggregate.lineGroups[0], value]]);
  }

  /** Return the text of a fixed group's button: its name and its value. */
  fixedText({ name }) {
    const value = this.fixed.get(name);
    return `${humanize(name)}: ${value === undefined ? NO_VALUE : formatGroupValue(value)}`;
  }

  /** A remark if the lines are not those with the most items, though nobody selected them; null otherwise. */
  get orderNote() {
    if (this.isRanked || this.selected !== null || !this.aggregate.isMultiValue) return null;
    return "the first values by key (there are too many to find those with the most items)";
  }

  /** The text to show instead of data if no value is known. */
  get emptyText() {
    const [first] = this.aggregate.groups;
    return this.aggregate.listsGroups
      ? "No rows yet. They appear here as soon as the first item is counted."
      : `This aggregate does not list the values of ${spaced(first.name)}. Enter a value to see its rows.`;
  }

  /** Load the values to show; return false if there are none. */
  async load(signal) {
    const { aggregate } = this;
    if (aggregate.isMultiValue) {
      if (this.candidates.length === 0 || performance.now() - this.#loadedAt > RELOAD_AFTER_MS) {
        this.candidates = await this.#topGroups(signal);
        this.#loadedAt = performance.now();
      }
      return this.candidates.length > 0 || this.selected !== null;
    }
    for (const [index, group] of aggregate.fixedGroups.entries()) {
      if (this.fixed.has(group.name)) continue;
      const [first] = (await this.#fixedCandidates(index, signal)).candidates;
      if (first === undefined) return false;
      this.fixed.set(group.name, first.value);
    }
    return true;
  }

  #topGroups(signal) {
    const onList = ({ freshness, isRanked }) => Object.assign(this, { freshness, isRanked });
    return topGroups(this.api, this.aggregate, { signal, onList });
  }

  async #fixedCandidates(index, signal) {
    const { aggregate, api } = this;
    if (index === 0) return { candidates: await this.#topGroups(signal), problem: null };
    const before = this.fixedPairs.slice(0, index);
    const { values, truncated } = await valuesWithin(api, aggregate, before, aggregate.fixedGroups[index], { signal });
    const problem = truncated ? "There are too many rows to list all values" : null;
    return { candidates: values.map((value) => ({ value, items: null })), problem };
  }

  /** Return the lines to show, at most `max` unless the user selected them. A line keeps its color while it is shown. */
  lines(max) {
    const keys = this.selected ?? this.candidates.slice(0, max).map(({ value }) => value);
    for (const key of [...this.#slots.keys()]) if (!keys.includes(key)) this.#slots.delete(key);
    for (const key of keys) if (!this.#slots.has(key)) this.#slots.set(key, this.#freeSlot());
    return keys.map((key) => ({ key, label: this.aggregate.lineLabel(key), slot: this.#slots.get(key) }));
  }

  #freeSlot() {
    const taken = new Set(this.#slots.values());
    return Array.from({ length: MAX_LINES }, (_, slot) => slot).find((slot) => !taken.has(slot)) ?? 0;
  }

  /** Let the user select lines; return whether to show others. */
  async chooseLines(shown) {
    const { aggregate } = this;
    const toEntries = (found) => found.map(({ value, items }) => ({ value, label: aggregate.lineLabel(value), items }));
    const hasMore = aggregate.isMultiValue && this.candidates.length >= GROUPS_PER_REQUEST;
    const chosen = await choose({
      heading: `Filter by ${aggregate.lineGroupNames}`,
      entries: toEntries(this.candidates),
      selected: shown,
      max: MAX_LINES,
      allowsTyping: aggregate.lineGroups.length === 1,
      loadMore: hasMore ? this.#pagesByKey(toEntries) : null,
    });
    if (chosen !== null) this.selected = chosen.length === 0 ? null : chosen;
    return chosen !== null;
  }

  /** Let the user select the value of a fixed group; return whether it changed. */
  async chooseFixed(group) {
    // the button may be clicked again before the dialog opens
    if (this.#isChoosing) return false;
    this.#isChoosing = true;
    try {
      return await this.#chooseFixed(group);
    } finally {
      this.#isChoosing = false;
    }
  }

  async #chooseFixed(group) {
    const { fixedGroups } = this.aggregate;
    const index = fixedGroups.indexOf(group);
    const { candidates, problem } = await this.#offered(index);
    const toEntries = (found) => found.map(({ value, items }) => ({ value, label: formatGroupValue(value), items }));
    const chosen = await choose({
      heading: `Select ${spaced(group.name)}`,
      entries: toEntries(candidates),
      selected: this.fixed.has(group.name) ? [this.fixed.get(group.name)] : [],
      max: 1,
      allowsTyping: true,
      loadMore: index === 0 && candidates.length >= GROUPS_PER_REQUEST ? this.#pagesByKey(toEntries) : null,
      problem,
    });
    if (chosen === null || chosen.length === 0 || chosen[0] === this.fixed.get(group.name)) return false;
    this.fixed.set(group.name, chosen[0]);
    for (const later of fixedGroups.slice(index + 1)) this.fixed.delete(later.name);
    this.selected = null;
    return true;
  }

  /** Return the values of a fixed group, and why some or all are missing, if they are: one can be typed. */
  async #offered(index) {
    try {
      return await this.#fixedCandidates(index);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { candidates: [], problem: error.message };
    }
  }

  #pagesByKey(toEntries) {
    let cursor = null;
    return async () => {
      const page = await groupsByKey(this.api, this.aggregate, cursor);
      cursor = page.cursor;
      return { entries: toEntries(page.groups), more: cursor !== null };
    };
  }
}

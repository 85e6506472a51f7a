/** The panel of an aggregate without a time bucket: its groups side by side, ranked by a measure. */

import { eachNote, shownNote } from "../charts/presentation.js";
import { ranking } from "../charts/ranking.js";
import { ofSameVersion } from "../data/generations.js";
import {
  GROUPS_PER_REQUEST,
  groupParameters,
  partsOf,
  readAllRows,
  readRows,
  VALUES_PER_REQUEST,
  withoutInherited,
} from "../data/queries.js";
import { initialView, viewOptions, viewsOf } from "../data/views.js";
import {
  button,
  el,
  labeledField,
  labeledSelect,
  passFocus,
  searchField,
  setAttribute,
  setText,
} from "../elements/dom.js";
import { formatGroupValue, humanize, spaced } from "../values/format.js";
import { GroupSelection } from "./group-selection.js";
import { Panel } from "./panel.js";

const MAX_BARS = 100;
const ORDERS = [
  { value: "desc", label: "Highest first" },
  { value: "asc", label: "Lowest first" },
];

export class RankedPanel extends Panel {
  #limit = VALUES_PER_REQUEST;
  #searched = null;

  constructor(api, aggregate, config) {
    super(api, aggregate, config);
    this.groups = new GroupSelection(api, aggregate);
    this.views = viewsOf(aggregate.measures);
    this.view = initialView(this.views);
    const measure = labeledSelect("Measure", (key) => {
      this.view = this.views.find((view) => view.key === key);
      this.reload();
    });
    measure.setOptions(viewOptions(this.views), this.view.key);
    this.fixedButtons = aggregate.fixedGroups.map((group) =>
      button(humanize(group.name), () => this.#chooseFixed(group), { class: "chosen" }),
    );
    this.order = labeledSelect("Order", () => this.reload());
    this.order.setOptions(ORDERS, "desc");
    this.search = searchField({ change: () => this.#onSearch() });
    const find = labeledField(`Find ${spaced(aggregate.lineGroups[0].name)}`, this.search);
    this.controls.append(measure.element, ...this.fixedButtons, this.order.element, find);
    this.list = el("ol", { class: "ranking wide" });
    this.empty = el("p", { class: "empty", hidden: true });
    this.moreButton = button("Show more", () => this.#showMore(), { hidden: true });
    this.stage.classList.add("of-bars");
    this.stage.append(this.list, this.empty, this.moreButton);
  }

  /** Read the rows and draw them. */
  async load(signal) {
    const { aggregate, groups } = this;
    const hasValues = await groups.load(signal);
    if (this.#searched !== null && (hasValues || aggregate.isMultiValue))
      return this.#draw(await this.#readOne(this.#searched, signal), 1);
    this.queries = [];
    if (!hasValues) return this.#draw({ freshness: groups.freshness, rows: [], requests: 1 }, 0);
    if (!aggregate.isMultiValue) return this.#draw(await this.#readTop(signal), MAX_BARS);
    return this.#draw(await this.#readCandidates(signal), groups.candidates.length);
  }

  async #readCandidates(signal) {
    const { api, aggregate, groups } = this;
    const pairs = groups.candidates.slice(0, this.#limit).map(({ value }) => [aggregate.lineGroups[0], value]);
    this.queries = partsOf(pairs).map(groupParameters);
    return readAllRows(api, aggregate, this.queries, { signal });
  }

  async #readTop(signal, pairs = this.groups.fixedPairs, limit = this.#limit) {
    const { api, aggregate } = this;
    const query = groupParameters(pairs);
    this.queries = [query];
    const rankedBy = this.#rankedBy?.rankedBy;
    if (!rankedBy) return readRows(api, aggregate, query, { signal, max: MAX_BARS });
    const parameters = [
      ...query,
      ["by", rankedBy],
      ["n", String(Math.min(limit, MAX_BARS))],
      ["order", this.order.select.value],
    ];
    const page = await api.get(aggregate.path("top"), parameters, { signal });
    const { rows, freshness } = ofSameVersion(page, aggregate);
    return { rows: rows.map(withoutInherited), freshness, requests: 1 };
  }

  async #readOne(value, signal) {
    const { lineGroups } = this.aggregate;
    const pairs = [...this.groups.fixedPairs, [lineGroups[0], value]];
    // one value of several groups may have any number of rows
    if (lineGroups.length > 1) return this.#readTop(signal, pairs, MAX_BARS);
    const query = groupParameters(pairs);
    this.queries = [query];
    return readRows(this.api, this.aggregate, query, { signal, max: MAX_BARS });
  }

  #draw(read, available) {
    const { aggregate, view } = this;
    const unit = view.unit ? ` (${view.unit})` : "";
    const rows = this.#sorted(read.rows);
    const pairs = rows.map((row) => [aggregate.lineLabel(aggregate.lineKey(row)), row]);
    this.list.replaceChildren(...ranking(pairs, view));
    setAttribute(this.list, "aria-label", `${view.label}${unit} by ${aggregate.lineGroupNames}`);
    this.empty.hidden = rows.length > 0;
    setText(this.empty, rows.length > 0 ? "" : this.#emptyText(available));
    // a listed value may have no row any more
    const isAll = !aggregate.isMultiValue && rows.length < this.#limit;
    const hadFocus = document.activeElement === this.moreButton;
    this.moreButton.hidden = this.#searched !== null || this.#limit >= Math.min(MAX_BARS, available) || isAll;
    if (hadFocus && this.moreButton.hidden) passFocus(this.tableButton);
    for (const [index, group] of aggregate.fixedGroups.entries())
      setText(this.fixedButtons[index], this.groups.fixedText(group));
    const ranked = `${this.#selectionText(rows)}${this.#rankedText(rows, unit)}`;
    const caption = [ranked, shownNote(view), view.description, eachNote(aggregate, [view])];
    setText(this.caption, caption.filter(Boolean).join(" · "));
    return read;
  }

  /** Return what to show instead of rows. The API ranks only rows with a value, so there may be others. */
  #emptyText(available) {
    const { aggregate } = this;
    const ranked = this.#rankedBy;
    const isOne = this.#searched !== null && aggregate.lineGroups.length === 1;
    const isRanked = available > 0 && !aggregate.isMultiValue && !isOne && ranked && !ranked.isZeroWhenEmpty;
    const of = isRanked ? ` has a value of ${ranked.label.toLowerCase()}` : "";
    if (this.#searched !== null) return `No row for ${formatGroupValue(this.#searched)}${of}.`;
    return isRanked ? `No row${of}.` : this.groups.emptyText;
  }

  /** The view by which the API ranks rows; undefined if none has an order. */
  get #rankedBy() {
    return this.view.rankedBy === null ? this.views.find((other) => other.rankedBy !== null) : this.view;
  }

  /** Return which rows are shown if there may be others. */
  #selectionText(rows) {
    const { aggregate, groups } = this;
    if (this.#searched !== null && aggregate.lineGroups.length === 1) return "";
    if (!aggregate.isMultiValue) return this.#topText(rows);
    if (groups.candidates.length < Math.min(this.#limit + 1, GROUPS_PER_REQUEST)) return "";
    return groups.isRanked
      ? `the ${this.#limit} with the most items, `
      : `the first ${this.#limit} by key (there are too many to find those with the most items), `;
  }

  /** Return which rows are shown if the API may have more. It ranks first and last numbers by another measure. */
  #topText(rows) {
    const ranked = this.#rankedBy;
    const isByAnother = ranked !== undefined && ranked !== this.view && !this.#hasTexts(rows);
    if (rows.length < (this.#searched === null && isByAnother ? this.#limit : MAX_BARS)) return "";
    if (!isByAnother) return `the first ${MAX_BARS}, `;
    const extreme = this.order.select.value === "desc" ? "highest" : "lowest";
    return `the ${rows.length} with the ${extreme} ${ranked.label.toLowerCase()}, `;
  }

  /** Return what the rows are ranked by: lists have no order, and only the API can order texts. */
  #rankedText(rows, unit) {
    const { aggregate, view } = this;
    if (!this.#hasTexts(rows) || (view.rankedBy !== null && !aggregate.isMultiValue))
      return `ranked by ${view.label.toLowerCase()}${unit}`;
    const first = this.#rankedBy;
    if (aggregate.isMultiValue || !first) return `${view.label.toLowerCase()}${unit} in the order of the groups`;
    return `${view.label.toLowerCase()}${unit}, ranked by ${first.label.toLowerCase()}`;
  }

  #hasTexts(rows) {
    return rows.some((row) => Number.isNaN(this.#mainPart.of(row)));
  }

  get #mainPart() {
    return this.view.parts.find((part) => part.role === "middle") ?? this.view.parts.at(-1);
  }

  #sorted(rows) {
    const sign = this.order.select.value === "desc" ? -1 : 1;
    const middle = this.#mainPart;
    if (this.#hasTexts(rows)) return rows;
    return [...rows].sort((one, other) => {
      const [a, b] = [middle.of(one), middle.of(other)];
      return a === null || b === null ? (a === null) - (b === null) : sign * (a - b);
    });
  }

  #showMore() {
    this.#limit = Math.min(this.#limit + VALUES_PER_REQUEST, MAX_BARS);
    this.reload();
  }

  #onSearch() {
    this.#searched = this.search.value === "" ? null : this.#valueOf(this.search.value);
    this.reload();
  }

  /** Return the value that an entered text stands for: "(empty)" is the empty text, unless there is such a value. */
  #valueOf(text) {
    const [{ name }] = this.aggregate.lineGroups;
    const isValue = [...this.groups.candidates, ...this.rows.map((row) => ({ value: String(row[name]) }))];
    return text === formatGroupValue("") && !isValue.some(({ value }) => value === text) ? "" : text;
  }

  async #chooseFixed(group) {
    if (await this.groups.chooseFixed(group)) this.reload();
  }
}

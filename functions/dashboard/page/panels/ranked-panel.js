/** A panel whose aggregate has no time bucket: its groups side by side, the greatest first. */

import { ranking } from "../charts/ranking.js";
import { chosen, readRows } from "../data/queries.js";
import { firstView, measureOptions, viewsOf } from "../data/views.js";
import { button, choice, el, labelled, mark, say } from "../elements/dom.js";
import { title } from "../values/format.js";
import { Groups } from "./group-selection.js";
import { Panel } from "./panel.js";

/** How many values of the first group one request takes. */
const STEP = 25;
const MOST = 100;

export class RankedPanel extends Panel {
  #shown = STEP;
  #found = null;
  #query = [];

  constructor(api, aggregate, config) {
    super(api, aggregate, config);
    this.groups = new Groups(api, aggregate);
    this.views = viewsOf(aggregate.measures);
    this.view = firstView(this.views);
    this.measure = choice("Measure", (key) => {
      this.view = this.views.find((view) => view.key === key);
      this.change();
    });
    this.measure.fill(measureOptions(this.views), this.view.key);
    this.fixedButtons = aggregate.fixed.map((group) =>
      button(title(group.name), () => this.#chooseFixed(group), { class: "chosen" }),
    );
    this.order = choice("Order", () => this.change());
    this.order.fill(
      [
        { value: "desc", label: "Greatest first" },
        { value: "asc", label: "Smallest first" },
      ],
      "desc",
    );
    this.search = el("input", {
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      on: { change: () => this.#look() },
    });
    const find = labelled(`Find one ${aggregate.lines[0].name.replaceAll("_", " ")}`, this.search);
    this.controls.append(this.measure.whole, ...this.fixedButtons, this.order.whole, find);
    this.list = el("ol", { class: "ranking wide" });
    this.empty = el("p", { class: "empty", hidden: true });
    this.more = button("Show more", () => this.#more(), { hidden: true });
    this.stage.classList.add("of-bars");
    this.stage.append(this.list, this.empty, this.more);
  }

  /** Read what is to be shown, and draw it. */
  async load(signal) {
    const { aggregate, groups } = this;
    const there = await groups.look(signal);
    if (this.#found !== null && (there || aggregate.repeated))
      return this.#draw(await this.#one(this.#found, signal), 1);
    if (!there) return this.#draw({ freshness: null, rows: [], requests: 1 }, 0);
    if (!aggregate.repeated) return this.#draw(await this.#top(signal), MOST);
    const values = groups.listed.slice(0, this.#shown).map(({ value }) => [aggregate.lines[0], value]);
    this.#query = chosen(values.slice(0, STEP));
    let all = { rows: [], freshness: null, requests: 0 };
    for (let first = 0; first < values.length; first += STEP) {
      const read = await readRows(this.api, aggregate, chosen(values.slice(first, first + STEP)), { signal });
      all = { rows: [...all.rows, ...read.rows], freshness: read.freshness, requests: all.requests + read.requests };
    }
    return this.#draw(all, groups.listed.length);
  }

  async #top(signal) {
    const { api, aggregate, groups, view } = this;
    this.#query = chosen(groups.given);
    const by = view.ranks
      ? view.order
      : aggregate.measures.find(({ kind }) => !["top", "first", "last"].includes(kind))?.name;
    if (!by) return readRows(api, aggregate, this.#query, { signal, most: MOST });
    const parameters = [
      ...this.#query,
      ["by", by],
      ["n", String(Math.min(this.#shown, MOST))],
      ["order", this.order.select.value],
    ];
    const { rows, freshness } = await api.get(aggregate.path("top"), parameters, { signal });
    return { rows, freshness, requests: 1 };
  }

  async #one(value, signal) {
    const pairs = [...this.groups.given, [this.aggregate.lines[0], value]];
    this.#query = chosen(pairs);
    return readRows(this.api, this.aggregate, this.#query, { signal, most: MOST });
  }

  /** The query of the rows that are shown. */
  parameters() {
    return this.#query;
  }

  #draw(read, possible) {
    const { aggregate, view } = this;
    const unit = view.unit ? ` (${view.unit})` : "";
    const rows = this.#ordered(read.rows);
    this.list.replaceChildren(
      ...ranking(
        rows.map((row) => [aggregate.labelOf(aggregate.lineOf(row)), row]),
        view,
      ),
    );
    mark(this.list, "aria-label", `${view.label}${unit} by ${aggregate.linesName}`);
    this.empty.hidden = rows.length > 0;
    say(
      this.empty,
      rows.length > 0 ? "" : this.#found === null ? this.groups.none : `There is no row for ${this.#found}.`,
    );
    this.more.hidden = this.#found !== null || this.#shown >= Math.min(MOST, possible) || rows.length < this.#shown;
    for (const [place, group] of aggregate.fixed.entries()) {
      say(this.fixedButtons[place], `${title(group.name)}: ${this.groups.fixed.get(group.name) ?? "–"}`);
    }
    const among = aggregate.repeated && possible > this.#shown ? `the ${this.#shown} with most items, ` : "";
    say(this.foot, [`${among}by ${view.label.toLowerCase()}${unit}`, view.description].filter(Boolean).join(" · "));
    return read;
  }

  #ordered(rows) {
    const sign = this.order.select.value === "desc" ? -1 : 1;
    const middle = this.view.parts.find((part) => part.role === "middle") ?? this.view.parts.at(-1);
    if (rows.some((row) => Number.isNaN(middle.of(row)))) return rows;
    return [...rows].sort((one, other) => {
      const [a, b] = [middle.of(one), middle.of(other)];
      return a === null || b === null ? (a === null) - (b === null) : sign * (a - b);
    });
  }

  #more() {
    this.#shown = Math.min(this.#shown + STEP, MOST);
    this.change();
  }

  #look() {
    this.#found = this.search.value === "" ? null : this.search.value;
    this.change();
  }

  async #chooseFixed(group) {
    if (await this.groups.chooseFixed(group)) this.change();
  }

  /** Draw again, in other colours: these are the stylesheet's. */
  recolour() {}
}

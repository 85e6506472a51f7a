/**
 * A panel whose aggregate has a time bucket: a line or a band for each group, or lists where a measure is no number.
 */

import { Chart } from "../charts/chart.js";
import { HELP, keys } from "../charts/keyboard.js";
import { Legend } from "../charts/legend.js";
import { lists } from "../charts/lists.js";
import { formOf, intervalOptions, windowOf } from "../charts/presentation.js";
import { ranking } from "../charts/ranking.js";
import { Readout, valueAt } from "../charts/readout.js";
import { summary } from "../charts/summary.js";
import { chosen, readRows } from "../data/queries.js";
import { bounded, closed, linesFor, rangeParameters, unitFor } from "../data/ranges.js";
import { columnsOf, linesByWeight } from "../data/series.js";
import { firstView, measureOptions, viewsOf } from "../data/views.js";
import { button, choice, el, mark, say, unique } from "../elements/dom.js";
import { many, title } from "../values/format.js";
import { LENGTH_S, words } from "../values/times.js";
import { Groups } from "./group-selection.js";
import { Panel } from "./panel.js";
import { SpanControls } from "./range-controls.js";

const SOON_MS = 180;
const ALL = "all";

export class TimePanel extends Panel {
  #hidden = new Set();
  #interval = "auto";
  #soon = null;
  #picture = null;
  #query = [];

  constructor(api, aggregate, config, extents) {
    super(api, aggregate, config);
    this.extents = extents;
    this.groups = new Groups(api, aggregate);
    this.views = viewsOf(aggregate.measures);
    this.view = firstView(this.views);
    this.span = new SpanControls(aggregate, () => this.#moved());
    this.#control();
    this.#chart();
  }

  #control() {
    const { aggregate } = this;
    this.measure = choice("Measure", (key) => this.#look(key));
    this.measure.fill(measureOptions(this.views), this.view.key);
    this.interval = choice("Every", (unit) => {
      this.#interval = unit;
      this.change();
    });
    this.interval.fill([{ value: "auto", label: "Auto" }], "auto");
    this.interval.whole.hidden = aggregate.intervals.length === 0;
    this.fixedButtons = aggregate.fixed.map((group) =>
      button(title(group.name), () => this.#chooseFixed(group), { class: "chosen" }),
    );
    this.linesButton = button(`Choose by ${aggregate.linesName} …`, () => this.#chooseLines(), { class: "chosen" });
    this.linesButton.hidden = aggregate.lines.length === 0;
    this.controls.append(
      this.measure.whole,
      ...this.fixedButtons,
      ...this.span.parts,
      this.interval.whole,
      this.linesButton,
    );
  }

  #chart() {
    const described = el("p", { class: "unseen", id: unique("summary") });
    this.summary = described;
    this.plot = el("div", {
      class: "plot",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "chart",
      "aria-describedby": described.id,
    });
    this.readout = new Readout(this.plot);
    this.chart = new Chart(this.plot, {
      onSelect: (from, to) => this.span.into(from * 1000, to * 1000),
      onCursor: (index) => this.readout.show(this.#picture, index, this.chart),
    });
    this.legend = new Legend({ onToggle: (key) => this.#toggle(key), onPoint: (place) => this.chart.emphasise(place) });
    keys(this.plot, {
      picture: () => this.#picture,
      move: (index, line) => this.#point(index, line),
      zoom: (factor) => this.span.zoom(factor),
      reset: () => this.span.reset(),
    });
    this.plot.append(this.readout.box);
    this.empty = el("p", { class: "empty", hidden: true });
    this.list = el("div", { class: "lists", hidden: true });
    this.bars = el("ol", { class: "ranking wide", hidden: true });
    this.legendBar = el("div", { class: "legend-bar" }, this.legend.element, this.span.buttons);
    this.stage.append(this.legendBar, this.plot, this.empty, this.list, this.bars, described, this.readout.spoken);
  }

  /** Read what is to be shown, and draw it. */
  async load(signal) {
    const { aggregate, api, groups } = this;
    const now = Date.now();
    if (!(await groups.look(signal))) return this.#nothing(groups.none);
    const given = groups.given;
    const at = aggregate.repeated ? [[aggregate.lines[0], groups.picked?.[0] ?? groups.listed[0].value]] : given;
    // of one that begins with its bucket, other panels may have come to know more meanwhile
    if (aggregate.bucketFirst || !this.span.extent)
      this.span.extent = await this.extents.of(api, aggregate, at, signal);
    if (this.span.extent === null && aggregate.bucketFirst)
      this.span.extent = { oldest: now - 90 * LENGTH_S[aggregate.unit] * 1000, newest: now };
    if (this.span.extent === null) return this.#nothing("There are no rows in this group.");
    const range = this.span.current(now);
    const whole = closed(range, this.span.extent);
    const unit = unitFor(aggregate, whole.seconds, this.#interval, this.view.added);
    const most = linesFor(unit, whole.seconds, this.view.kind);
    const lines = aggregate.repeated ? groups.lines(most) : null;
    const values = aggregate.repeated ? lines.map(({ key }) => [aggregate.lines[0], key]) : given;
    this.#query = [
      ...chosen(values),
      ...rangeParameters(aggregate.bucketFirst ? bounded(range, whole, aggregate.unit) : range),
      ...(unit === aggregate.unit ? [] : [["interval", unit]]),
    ];
    const read = await readRows(api, aggregate, this.#query, { signal });
    if (!aggregate.repeated && aggregate.lines.length > 0) groups.listed = linesByWeight(read.rows, aggregate);
    this.#show(read, lines ?? this.#linesOf(most), unit, range, whole);
    return read;
  }

  /** The query of the rows that are shown. */
  parameters() {
    return this.#query;
  }

  /** What is drawn. */
  get picture() {
    return this.#picture;
  }

  #linesOf(most) {
    if (this.aggregate.lines.length === 0) return [{ key: ALL, label: title(this.aggregate.name), slot: 0 }];
    return this.groups.lines(most);
  }

  #show({ rows, cut }, lines, unit, range, whole) {
    const shown = lines.map((line) => ({ ...line, hidden: this.#hidden.has(line.key) }));
    const picture = {
      ...columnsOf(
        rows,
        this.aggregate,
        shown.map(({ key }) => key),
        this.view,
        unit,
      ),
      lines: shown,
      view: this.view,
      unit,
      zone: this.aggregate.zone,
    };
    this.#picture = picture;
    this.#extend(picture);
    picture.window = windowOf(picture.xs, range, unit);
    this.span.shown({ from: picture.window[0] * 1000, to: picture.window[1] * 1000 });
    this.interval.fill(
      intervalOptions(this.aggregate, this.view, unit, this.#interval),
      this.view.added ? this.#interval : "auto",
    );
    this.#label(picture, whole);
    const more = `Only the first ${many(rows.length, "row")} are shown: there are more.`;
    this.note(cut ? `${more} Narrow the range, or take longer buckets.` : null);
    this.#draw(picture);
  }

  /** Take in what is newer than all that was known. */
  #extend({ xs, unit }) {
    if (xs.length === 0) return;
    const [first, last] = [xs[0] * 1000, xs.at(-1) * 1000];
    if (unit === this.aggregate.unit) this.extents.seen(this.aggregate, first, last);
    const { oldest, newest } = this.span.extent;
    this.span.extent = { oldest: Math.min(oldest, first), newest: Math.max(newest, last) };
  }

  #draw(picture) {
    const form = formOf(picture);
    this.form = form;
    this.stage.classList.toggle("of-bars", form === "bars");
    for (const [name, element] of [
      ["chart", this.plot],
      ["lists", this.list],
      ["bars", this.bars],
      ["nothing", this.empty],
    ])
      element.hidden = form !== name;
    this.legendBar.hidden = false;
    this.legend.element.hidden = form === "lists" || form === "bars";
    say(this.empty, form === "nothing" ? "No rows in this range." : "");
    if (form === "lists") this.list.replaceChildren(...lists(picture));
    if (form === "bars") this.#drawBars(picture);
    if (form === "chart") this.chart.draw(picture);
    this.legend.show(
      picture.lines,
      picture.lines.map((_, place) => this.#newest(picture, place)),
    );
  }

  /** Draw a single bucket: there is no line through one point. */
  #drawBars(picture) {
    const [second] = picture.xs;
    const found = picture.lines
      .map((line) => [line.label, picture.rows.get(line.key).get(second)])
      .filter(([, row]) => row !== undefined);
    this.bars.replaceChildren(...ranking(found, picture.view));
    mark(this.bars, "aria-label", `${picture.view.label}, ${words(second * 1000, picture.unit, picture.zone)}`);
  }

  #newest(picture, place) {
    const seconds = [...(picture.rows.get(picture.lines[place].key)?.keys() ?? [])];
    return seconds.length === 0 ? "–" : (valueAt(picture, place, Math.max(...seconds), { briefly: true }) ?? "–");
  }

  #label(picture, whole) {
    const { aggregate, view, groups } = this;
    const unit = view.unit ? ` (${view.unit})` : "";
    mark(this.plot, "aria-label", `${view.label}${unit} by ${picture.unit}, ${title(aggregate.name)}. ${HELP}`);
    say(this.summary, summary(picture, whole));
    for (const [place, group] of aggregate.fixed.entries()) {
      say(this.fixedButtons[place], `${title(group.name)}: ${groups.fixed.get(group.name)}`);
    }
    const when =
      picture.xs.length === 1 ? words(picture.xs[0] * 1000, picture.unit, picture.zone) : `by ${picture.unit}`;
    const parts = [`${view.label}${unit} ${when}`, view.description, `times in ${aggregate.zone}`];
    say(this.foot, parts.filter(Boolean).join(" · "));
  }

  #nothing(text) {
    for (const element of [this.plot, this.list, this.bars, this.legendBar]) element.hidden = true;
    this.empty.hidden = false;
    say(this.empty, text);
    return { freshness: null, rows: [], requests: 1 };
  }

  #point(index, line) {
    this.chart.point(index);
    this.chart.emphasise(line);
    this.readout.show(this.#picture, index, this.chart);
    if (index !== null) this.readout.speak(this.#picture, index, line);
  }

  #look(key) {
    this.view = this.views.find((view) => view.key === key);
    this.change();
  }

  #toggle(key) {
    if (!this.#hidden.delete(key)) this.#hidden.add(key);
    for (const line of this.#picture.lines) line.hidden = this.#hidden.has(line.key);
    this.#draw(this.#picture);
  }

  #moved() {
    const range = this.span.current(Date.now());
    if (range.from !== null && range.to !== null) this.chart.look(range.from / 1000, range.to / 1000);
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.change(), SOON_MS);
  }

  async #chooseLines() {
    if (await this.groups.chooseLines(this.#picture?.lines.map(({ key }) => key) ?? [])) {
      this.#hidden.clear();
      this.change();
    }
  }

  async #chooseFixed(group) {
    if (!(await this.groups.chooseFixed(group))) return;
    this.span.extent = null;
    this.change();
  }

  /** Draw again, in other colours. */
  recolour() {
    if (this.#picture && this.form === "chart") this.chart.draw(this.#picture);
  }
}

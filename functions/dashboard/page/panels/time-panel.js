/** The panel of an aggregate with a time bucket: a line or band for each group, or lists for measures without numbers. */

import { bucketText, periodText } from "../charts/bucket-text.js";
import { Chart } from "../charts/chart.js";
import { handleKeys, KEYBOARD_HELP } from "../charts/keyboard.js";
import { Legend } from "../charts/legend.js";
import { lists } from "../charts/lists.js";
import {
  captionOf,
  cutNote,
  formOf,
  intervalOptions,
  leftOutNote,
  limitNote,
  windowOf,
} from "../charts/presentation.js";
import { ranking } from "../charts/ranking.js";
import { latestValue, Readout } from "../charts/readout.js";
import { summary } from "../charts/summary.js";
import { assumedExtent, extendedBy } from "../data/extents.js";
import { groupParameters, partsOf, readAllRows } from "../data/queries.js";
import { closeRange, initialLineCount, rangeParameters, readableRange, unitFor, widenRange } from "../data/ranges.js";
import { columnsOf, firstOpen, linesBySize } from "../data/series.js";
import { initialView, viewOptions, viewsOf } from "../data/views.js";
import { button, el, labeledSelect, setAttribute, setText, uniqueId } from "../elements/dom.js";
import { humanize } from "../values/format.js";
import { GroupSelection } from "./group-selection.js";
import { Panel } from "./panel.js";
import { RangeControls } from "./range-controls.js";
import { WindowControl } from "./window-control.js";

const ZOOM_DELAY_MS = 180;
const SINGLE_LINE = "all";

export class TimePanel extends Panel {
  #hidden = new Set();
  #interval = "auto";
  #zoomTimer = null;
  #chartData = null;

  constructor(api, aggregate, config, extents) {
    super(api, aggregate, config);
    this.extents = extents;
    this.groups = new GroupSelection(api, aggregate);
    this.views = viewsOf(aggregate.measures);
    this.view = initialView(this.views);
    this.range = new RangeControls(aggregate, () => this.#onRangeChange());
    this.#createControls();
    this.#createChart();
  }

  #createControls() {
    const { aggregate } = this;
    const measure = labeledSelect("Measure", (key) => {
      this.view = this.views.find((view) => view.key === key);
      this.reload();
    });
    measure.setOptions(viewOptions(this.views), this.view.key);
    this.interval = labeledSelect("Interval", (unit) => {
      this.#interval = unit;
      this.reload();
    });
    this.interval.setOptions([{ value: "auto", label: "Auto" }], "auto");
    this.interval.element.hidden = aggregate.rollupUnits.length === 0;
    this.fixedButtons = aggregate.fixedGroups.map((group) =>
      button(humanize(group.name), () => this.#chooseFixed(group), { class: "chosen" }),
    );
    const linesButton = button(`Filter by ${aggregate.lineGroupNames} …`, () => this.#chooseLines(), {
      class: "chosen",
      hidden: aggregate.lineGroups.length === 0,
    });
    this.movingWindow = new WindowControl(aggregate, () => this.reload());
    this.movingWindow.show(aggregate.unit, this.view);
    const others = [...this.range.fields, this.interval.element, this.movingWindow.element, linesButton];
    this.controls.append(measure.element, ...this.fixedButtons, ...others);
  }

  #createChart() {
    this.summary = el("p", { class: "visually-hidden", id: uniqueId("summary") });
    this.plot = el("div", {
      class: "plot",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "chart",
      "aria-describedby": this.summary.id,
    });
    this.readout = new Readout(this.plot);
    this.chart = new Chart(this.plot, {
      onSelect: (from, to) => this.range.zoomTo(from * 1000, to * 1000),
      onCursor: (index) => this.readout.show(this.#chartData, index, this.chart),
    });
    this.legend = new Legend({
      onToggle: (key) => this.#toggleLine(key),
      onHighlight: (lineIndex) => this.chart.highlight(lineIndex),
    });
    this.keyboardIndex = handleKeys(this.plot, {
      chartData: () => this.#chartData,
      move: (index, lineIndex) => this.#movePoint(index, lineIndex),
      zoom: (factor) => this.range.zoom(factor),
      reset: () => this.range.reset(),
    });
    this.plot.append(this.readout.box);
    this.empty = el("p", { class: "empty", hidden: true });
    this.list = el("div", { class: "lists", hidden: true });
    this.bars = el("ol", { class: "ranking wide", hidden: true });
    this.legendBar = el("div", { class: "legend-bar" }, this.legend.element, this.range.zoomButtons);
    this.successors = [this.range.zoomOutButton];
    const hiddenTexts = [this.summary, this.readout.liveRegion];
    this.stage.append(this.legendBar, this.plot, this.empty, this.list, this.bars, ...hiddenTexts);
  }

  /** Read the rows and draw them. */
  async load(signal) {
    const { aggregate, api, groups } = this;
    const now = Date.now();
    if (!(await groups.load(signal))) return this.#showNothing(groups.emptyText, groups.freshness);
    const extent = await this.#loadExtent(now, signal);
    if (extent === null) return this.#showNothing("No rows in this group.");
    const range = readableRange(this.range.current(now), this.range.reach, aggregate);
    const closed = closeRange(range, this.range.reach);
    const unit = unitFor(aggregate, closed.seconds, this.#interval, this.view.isAdditive);
    const lineCount = initialLineCount(unit, closed.seconds, this.view.kind);
    const lines = aggregate.isMultiValue ? groups.lines(lineCount) : null;
    const pairs = lines?.map(({ key }) => [aggregate.lineGroups[0], key]);
    const movingWindow = this.movingWindow.of(unit, this.view);
    const open = aggregate.isBucketFirst ? widenRange(range, closed, aggregate.unit) : range;
    const options = [
      // beyond the newest bucket, windows would run empty
      ...rangeParameters(movingWindow === null ? open : closed),
      ...(unit === aggregate.unit ? [] : [["interval", unit]]),
      ...(movingWindow === null ? [] : [["window", movingWindow.value]]),
    ];
    const parts = pairs ? partsOf(pairs) : [groups.fixedPairs];
    this.queries = parts.map((part) => [...groupParameters(part), ...options]);
    // what happens while the API responds is not in the rows
    const read = { asOf: Date.now(), ...(await readAllRows(api, aggregate, this.queries, { signal })) };
    if (!aggregate.isMultiValue && aggregate.lineGroups.length > 0)
      groups.candidates = linesBySize(read.rows, aggregate);
    this.#show(read, lines ?? this.#linesOfRows(lineCount), unit, range, closed);
    return read;
  }

  async #loadExtent(now, signal) {
    const { aggregate, groups } = this;
    // other panels extend what is known about an aggregate whose bucket comes first, so it is looked up every time
    // and a window is read up to the newest bucket only, so that does not show whether there is a newer one
    if (this.range.extent && !aggregate.isBucketFirst && !this.movingWindow.isSelected) return this.range.extent;
    const isProbed = !this.movingWindow.isSelected;
    this.range.extent = await this.extents.of(this.api, aggregate, groups.choices, { signal, isProbed });
    if (this.range.extent === null && aggregate.isBucketFirst) this.range.extent = assumedExtent(aggregate, now);
    return this.range.extent;
  }

  get chartData() {
    return this.#chartData;
  }

  #linesOfRows(lineCount) {
    if (this.aggregate.lineGroups.length > 0) return this.groups.lines(lineCount);
    // nothing to compare: the line is the measure
    return [{ key: SINGLE_LINE, label: this.view.label, slot: 0, isMeasure: true }];
  }

  #show(read, lines, unit, range, closed) {
    const { rows, truncated, freshness, asOf } = read;
    const { aggregate, view } = this;
    const keys = lines.map(({ key }) => key);
    // a moving sum is not zero as soon as there are no rows
    const until = this.movingWindow.of(unit, view) === null ? range.until : undefined;
    const chartData = {
      ...columnsOf(read, aggregate, keys, view, unit, { leavesOut: this.range.leavesOut, until }),
      lines: lines.map((line) => ({ ...line, hidden: this.#hidden.has(line.key) })),
      view,
      unit,
      zone: aggregate.zone,
      windows: aggregate.windows,
      each: aggregate.each,
    };
    this.#chartData = chartData;
    chartData.openFrom = firstOpen(chartData.xs, chartData, asOf - (freshness?.behind_s ?? 0) * 1000);
    this.#extend(chartData);
    chartData.window = windowOf(chartData.xs, range, closed, unit);
    this.range.setShown({ from: chartData.window[0] * 1000, to: chartData.window[1] * 1000 });
    const intervals = intervalOptions(aggregate, view, unit, this.#interval);
    this.interval.setOptions(intervals, view.isAdditive ? this.#interval : "auto");
    this.movingWindow.show(unit, view);
    this.#describe(chartData, closed);
    const limit = truncated ? limitNote(rows) : "";
    this.note([cutNote(range, aggregate), limit, leftOutNote(chartData)].filter(Boolean).join(" "));
    this.#draw(chartData);
  }

  /** Extend the known extent by the rows that were read. */
  #extend({ ends, unit, leftOut }) {
    if (ends.length === 0) return;
    if (unit === this.aggregate.unit) this.extents.extend(this.aggregate, ...ends.map((second) => second * 1000));
    this.range.extent = extendedBy(this.range.extent, { ends, leftOut }, this.range.leavesOut);
  }

  #draw(chartData) {
    const form = formOf(chartData);
    this.form = form;
    this.stage.classList.toggle("of-bars", form === "bars");
    this.plot.hidden = form !== "chart";
    this.list.hidden = form !== "lists";
    this.bars.hidden = form !== "bars";
    this.empty.hidden = form !== "nothing";
    this.legend.element.hidden = form === "lists" || form === "bars";
    this.legendBar.hidden = false;
    setText(this.empty, form === "nothing" ? "No rows in this range." : "");
    if (form === "lists") this.list.replaceChildren(...lists(chartData));
    if (form === "bars") this.#drawBars(chartData);
    if (form === "chart") this.#drawChart(chartData);
    const latest = chartData.lines.map((_, lineIndex) => latestValue(chartData, lineIndex));
    this.legend.show(chartData.lines, latest);
  }

  #drawChart(chartData) {
    this.chart.draw(chartData);
    const index = this.keyboardIndex(chartData);
    if (index !== null) this.chart.setCursor(index);
  }

  /** Draw a single bucket as bars: one point makes no line. */
  #drawBars(chartData) {
    const { xs, lines, rows, view, zone, openFrom } = chartData;
    const [second] = xs;
    const pairs = lines.map((line) => [line.label, rows.get(line.key).get(second)]).filter(([, row]) => row);
    this.bars.replaceChildren(...ranking(pairs, view, zone));
    setAttribute(this.bars, "aria-label", `${view.label}, ${bucketText(chartData, second, openFrom === 0)}`);
  }

  #describe(chartData, closed) {
    const { unit, view } = chartData;
    const measure = view.unit ? `${view.label} (${view.unit})` : view.label;
    const label = `${measure} ${periodText(chartData)}, ${humanize(this.aggregate.name)}. ${KEYBOARD_HELP}`;
    setAttribute(this.plot, "aria-label", label);
    setText(this.summary, summary(chartData, closed));
    this.#nameFixed();
    const caption = captionOf(chartData, this.movingWindow.of(unit, view));
    setText(this.caption, [caption, this.groups.orderNote].filter(Boolean).join(" · "));
  }

  #nameFixed() {
    for (const [index, group] of this.aggregate.fixedGroups.entries())
      setText(this.fixedButtons[index], this.groups.fixedText(group));
  }

  #showNothing(text, freshness = null) {
    this.#nameFixed();
    this.queries = [];
    for (const element of [this.plot, this.list, this.bars, this.legendBar]) element.hidden = true;
    this.note("");
    setText(this.caption, "");
    this.empty.hidden = false;
    setText(this.empty, text);
    return { freshness, rows: [], requests: 1 };
  }

  #movePoint(index, lineIndex) {
    this.chart.setCursor(index);
    this.chart.highlight(lineIndex);
    this.readout.show(this.#chartData, index, this.chart);
    if (index !== null) this.readout.announce(this.#chartData, index, lineIndex);
  }

  #toggleLine(key) {
    if (!this.#hidden.delete(key)) this.#hidden.add(key);
    for (const line of this.#chartData.lines) line.hidden = this.#hidden.has(line.key);
    this.#draw(this.#chartData);
  }

  /** Show the part that is already drawn at once, and read the rest after the last of several steps. */
  #onRangeChange() {
    const range = this.range.current(Date.now());
    if (range.from !== null && range.to !== null) this.chart.showRange(range.from / 1000, range.to / 1000);
    this.hold(); // rows of the range before would be drawn over this one
    clearTimeout(this.#zoomTimer);
    this.#zoomTimer = setTimeout(() => this.reload(), ZOOM_DELAY_MS);
  }

  async #chooseLines() {
    if (await this.groups.chooseLines(this.#chartData?.lines.map(({ key }) => key) ?? [])) {
      this.#hidden.clear();
      this.reload();
    }
  }

  async #chooseFixed(group) {
    if (!(await this.groups.chooseFixed(group))) return;
    this.range.extent = null;
    this.reload();
  }

  /** Redraw the chart in the new colors, as wide as its element or paper. */
  onAppearanceChange(isPrinted = false) {
    if (this.#chartData && this.form === "chart") this.chart.draw(this.#chartData, isPrinted);
  }
}

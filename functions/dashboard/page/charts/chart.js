/** A chart of lines and bands over time, drawn by uPlot. */

import { tickLabels } from "../values/format.js";
import { bucketLengthS, formatTimeTick } from "../values/times.js";
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { closedPaths, drawOpenBuckets } from "./open-buckets.js";
import { lineColors, themeColor, withOpacity } from "./palette.js";
import { timeSteps, timeTicks } from "./time-ticks.js";
import { INTEGER_STEPS, powerOf, timesPower, valueRange, valueTicks } from "./value-axis.js";

const MIN_WIDTH = 240;
const MIN_SELECTION_PX = 6;
/** The width of A4 and Letter without their margins; the stylesheet scales charts to that of the panel. */
const PAPER_WIDTH = 680;

/**
 * The data of a chart.
 *
 * @typedef {object} ChartData
 * @property {number[]} xs seconds since 1970
 * @property {(number|null)[][]} columns for each line, the parts of the view
 * @property {Map<string, Map<number, object>>} rows by line and second
 * @property {{key: string, label: string, slot: number, hidden: boolean}[]} lines `slot` is the color
 * @property {object} view see views.js
 * @property {string} unit of the buckets
 * @property {string} zone time zone
 * @property {number} windows how many buckets each row covers: several if its windows overlap
 * @property {string|null} each the path of the list whose elements are counted
 * @property {[number, number]} window the seconds to show
 * @property {number} openFrom the index of the first bucket that is not over
 */

/** A chart in an element, which determines its size. */
export class Chart {
  #plot = null;
  #structure = "";
  #data = null;
  /** The power of ten that a drawn value of 1 stands for. */
  #power = 0;
  #maxWidth = Number.POSITIVE_INFINITY;

  /** `onSelect(from, to)` receives a range selected by dragging, `onCursor` the index of the point under it, or null. */
  constructor(host, { onSelect, onCursor }) {
    this.host = host;
    this.onSelect = onSelect;
    this.onCursor = onCursor;
    new ResizeObserver(() => this.#resize()).observe(host);
  }

  /** The plotting area inside the axes; null if nothing is drawn. */
  get area() {
    return this.#plot?.over ?? null;
  }

  /** Draw chart data, as wide as the element or paper. The plot is rebuilt only if more than the numbers has changed. */
  draw(data, isPrinted = false) {
    this.#data = data;
    this.#maxWidth = isPrinted ? PAPER_WIDTH : Number.POSITIVE_INFINITY;
    this.#resize();
    const { lines, view, unit, zone } = data;
    // a hidden line does not determine the scale
    const isShown = (index) => !lines[Math.floor(index / view.parts.length)].hidden;
    this.#power = powerOf(data.columns.filter((_, index) => isShown(index)));
    const slots = lines.map(({ key, slot }) => [key, slot]);
    const structure = JSON.stringify([slots, view.key, unit, zone, themeColor("surface")]);
    if (structure !== this.#structure || this.#plot === null) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(), this.#columns(), this.host);
      // draws now: printing does not wait for a microtask
      this.#plot.batch(() => {});
      this.#structure = structure;
      this.#plot.root.setAttribute("aria-hidden", "true");
    } else {
      this.#plot.batch(() => {
        this.#plot.setData(this.#columns(), false);
        this.#plot.setScale("x", { min: data.window[0], max: data.window[1] });
      });
    }
    this.#updateVisibility();
  }

  /** Show a range of what is drawn, until its rows are read. */
  showRange(from, to) {
    this.#plot?.setScale("x", { min: from, max: to });
  }

  /** Put the cursor on a point; null removes it. */
  setCursor(index) {
    if (this.#plot === null) return;
    const second = index === null ? undefined : this.#data.xs[index];
    const left = second === undefined ? -10 : this.#plot.valToPos(second, "x");
    this.#plot.setCursor({ left, top: second === undefined ? -10 : this.#plot.over.clientHeight / 3 });
  }

  /** Return the position of a second, in pixels from the left of the area. */
  left(second) {
    return this.#plot?.valToPos(second, "x") ?? 0;
  }

  /** Return the value drawn for a column at a point. */
  drawnValue(column, index) {
    const drawn = this.#plot.data[column + 1][index];
    return drawn === null ? null : timesPower(drawn, this.#power);
  }

  /** Highlight one line by its index; null highlights none. */
  highlight(lineIndex) {
    const parts = this.#data?.view.parts.length ?? 1;
    this.#plot?.setSeries(lineIndex === null ? null : lineIndex * parts + 1, { focus: lineIndex !== null });
  }

  #columns() {
    const { xs, columns } = this.#data;
    if (this.#power === 0) return [xs, ...columns];
    const unit = 10 ** this.#power;
    return [xs, ...columns.map((column) => column.map((value) => (value === null ? null : value / unit)))];
  }

  #updateVisibility() {
    const { lines, view } = this.#data;
    lines.forEach((line, lineIndex) => {
      view.parts.forEach((_, part) => {
        const index = lineIndex * view.parts.length + part + 1;
        if (this.#plot.series[index].show === line.hidden) this.#plot.setSeries(index, { show: !line.hidden });
      });
    });
  }

  get #size() {
    const { clientWidth, clientHeight } = this.host;
    return { width: Math.max(Math.min(clientWidth, this.#maxWidth), MIN_WIDTH), height: clientHeight };
  }

  #resize() {
    const { width, height } = this.#size;
    if (this.#plot && this.host.clientWidth > 0 && (width !== this.#plot.width || height !== this.#plot.height))
      this.#plot.batch(() => this.#plot.setSize({ width, height }));
  }

  #options() {
    const { lines, view, zone, unit } = this.#data;
    return {
      ...this.#size,
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: MIN_SELECTION_PX },
        points: { size: 8, width: 2 },
        focus: { prox: 28 },
      },
      focus: { alpha: 0.3 },
      scales: {
        x: { range: () => this.#data.window },
        y: { range: (_, min, max) => valueRange(min, max, view.isZeroWhenEmpty) },
      },
      axes: [timeAxis(zone, unit), valueAxis(view, () => this.#power)],
      series: [{}, ...this.#series()],
      bands: bandsOf(lines, view),
      hooks: {
        setSelect: [(plot) => this.#onSelect(plot)],
        setCursor: [(plot) => this.onCursor(plot.cursor.idx ?? null)],
        drawSeries: [(plot, series) => drawOpenBuckets(plot, series, this.#data.openFrom)],
      },
    };
  }

  #series() {
    const { lines, view } = this.#data;
    const colors = lineColors();
    const isFilled = view.isZeroWhenEmpty && lines.length === 1;
    return lines.flatMap(({ label, slot, hidden }) =>
      view.parts.map((part) => ({
        label: `${label} ${part.label}`,
        show: !hidden,
        stroke: part.role === "middle" ? colors[slot] : withOpacity(colors[slot], 0.35),
        width: part.role === "middle" ? 1.75 : 1,
        paths: closedPaths(() => this.#data.openFrom),
        fill: isFilled ? withOpacity(colors[slot], 0.13) : undefined,
        points: { size: 5, filter: isolatedPoints, ...(part.role === "middle" ? {} : { show: false }) },
      })),
    );
  }

  #onSelect(plot) {
    const { left, width } = plot.select;
    if (width < MIN_SELECTION_PX) return;
    this.onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}

/** Return the points to mark: all if there is room, otherwise those without a neighbor to draw a line to. */
function isolatedPoints(plot, series, hasRoom) {
  if (hasRoom) return null;
  const [column, isolated] = [plot.data[series], []];
  const [first, last] = plot.series[series].idxs;
  for (let at = first; at <= last; at += 1) {
    if (column[at] !== null && (column[at - 1] ?? null) === null && (column[at + 1] ?? null) === null)
      isolated.push(at);
  }
  return isolated;
}

function bandsOf(lines, view) {
  if (view.kind !== "band") return [];
  const [parts, colors] = [view.parts.length, lineColors()];
  return lines.map(({ slot }, lineIndex) => ({
    series: [(lineIndex + 1) * parts, lineIndex * parts + 1],
    fill: withOpacity(colors[slot], 0.16),
  }));
}

function commonAxis() {
  const fontSize = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8;
  const grid = { stroke: themeColor("line-soft"), width: 1 };
  const font = `${fontSize}px system-ui, sans-serif`;
  return { fontSize, axis: { stroke: themeColor("ink-soft"), font, grid, ticks: { ...grid, size: 4 } } };
}

function timeAxis(zone, unit) {
  const { fontSize, axis } = commonAxis();
  return {
    ...axis,
    grid: { show: false },
    size: fontSize * 3.4,
    space: fontSize * 6,
    incrs: timeSteps(bucketLengthS(unit)),
    splits: (_, __, from, to, step) => timeTicks(from, to, step, zone),
    values: (_, ticks, __, ___, step) =>
      ticks.map((second, index) =>
        formatTimeTick(second * 1000, step, zone, index === 0 ? null : ticks[index - 1] * 1000),
      ),
  };
}

function valueAxis(view, power) {
  const { fontSize, axis } = commonAxis();
  return {
    ...axis,
    ticks: { show: false },
    gap: 6,
    space: fontSize * 3,
    ...(["count", "count_items", "distinct"].includes(view.kind) ? { incrs: INTEGER_STEPS } : {}),
    splits: (_, __, from, to, step) => valueTicks(from, to, step),
    size: (_, labels) => 14 + Math.max(3, ...(labels ?? []).map((label) => label.length)) * fontSize * 0.6,
    values: (_, ticks, __, ___, step) =>
      tickLabels(
        ticks.map((tick) => timesPower(tick, power())),
        timesPower(step, power()),
      ),
  };
}

/** A chart of lines and bands over time, drawn by uPlot: sizes, scales, colours, and where the cursor is. */

import { short } from "../values/format.js";
import { LENGTH_S, tick } from "../values/times.js";
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { colour, lineColours, veil } from "./palette.js";

const LEAST_WIDTH = 240;

const DAY_S = 86_400;
const MONTH_S = 30 * DAY_S;

/** Distances of ticks: of minutes, hours, days, and of months and years, which uPlot takes for 30 and 365 days. */
const STEPS_S = [
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60),
  ...[1, 2, 3, 4, 6, 8, 12].map((hours) => hours * 3600),
  ...[1, 2, 3, 4, 7, 14].map((days) => days * DAY_S),
  ...[1, 2, 3, 4, 6].map((months) => months * MONTH_S),
  ...[1, 2, 5, 10, 25, 50, 100].map((years) => years * 365 * DAY_S),
];

/** Distances of ticks for what is counted: there are no halves. */
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/**
 * What there is to draw.
 *
 * @typedef {object} Drawing
 * @property {number[]} xs seconds since 1970
 * @property {(number|null)[][]} columns for each line, the parts of the view
 * @property {{key: string, label: string, slot: number, hidden: boolean}[]} lines
 * @property {object} view of views.js
 * @property {string} unit of the buckets
 * @property {string} zone of the clock
 * @property {[number, number]} window the seconds to show
 */

/** A chart in an element, which says how large it is. */
export class Chart {
  #plot = null;
  #made = "";
  #drawing = null;

  /**
   * `onSelect` hears of a stretch that was drawn over with the pointer, `onCursor` of the point that it is over, or
   * null.
   */
  constructor(host, { onSelect, onCursor }) {
    this.host = host;
    this.onSelect = onSelect;
    this.onCursor = onCursor;
    new ResizeObserver(() => this.#resize()).observe(host);
  }

  /** The part of the chart in which the lines are; null where nothing is drawn. */
  get area() {
    return this.#plot?.over ?? null;
  }

  /** Draw; from anew only where more than numbers has changed. */
  draw(drawing) {
    this.#drawing = drawing;
    const { lines, view, unit, zone } = drawing;
    const made = JSON.stringify([lines.map(({ key, slot }) => [key, slot]), view.key, unit, zone, colour("surface")]);
    if (made !== this.#made || this.#plot === null) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(), this.#data(), this.host);
      this.#made = made;
      this.#plot.root.setAttribute("aria-hidden", "true");
    } else {
      this.#plot.batch(() => {
        this.#plot.setData(this.#data(), false);
        this.#plot.setScale("x", { min: drawing.window[0], max: drawing.window[1] });
      });
    }
    this.#hide();
  }

  /** Show a stretch of what is drawn, before there is more to show of it. */
  look(from, to) {
    this.#plot?.setScale("x", { min: from, max: to });
  }

  /** Put the cursor on a point, or on none. */
  point(index) {
    if (this.#plot === null) return;
    const at = index === null ? undefined : this.#drawing.xs[index];
    const left = at === undefined ? -10 : this.#plot.valToPos(at, "x");
    this.#plot.setCursor({ left, top: at === undefined ? -10 : this.#plot.over.clientHeight / 3 });
  }

  /** Where a second is, in pixels from the left of the area. */
  left(second) {
    return this.#plot?.valToPos(second, "x") ?? 0;
  }

  /** Return what is drawn of a column at a point. */
  drawn(column, index) {
    return this.#plot.data[column + 1][index];
  }

  /** Let one line stand out, or none. */
  emphasise(place) {
    const parts = this.#drawing?.view.parts.length ?? 1;
    this.#plot?.setSeries(place === null ? null : place * parts + 1, { focus: place !== null });
  }

  clear() {
    this.#plot?.destroy();
    this.#plot = null;
  }

  #data() {
    return [this.#drawing.xs, ...this.#drawing.columns];
  }

  #hide() {
    const { lines, view } = this.#drawing;
    lines.forEach((line, place) => {
      view.parts.forEach((_, part) => {
        const index = place * view.parts.length + part + 1;
        if (this.#plot.series[index].show === line.hidden) this.#plot.setSeries(index, { show: !line.hidden });
      });
    });
  }

  #resize() {
    const { clientWidth, clientHeight } = this.host;
    if (this.#plot && clientWidth > 0 && (clientWidth !== this.#plot.width || clientHeight !== this.#plot.height)) {
      this.#plot.setSize({ width: Math.max(clientWidth, LEAST_WIDTH), height: clientHeight });
    }
  }

  #options() {
    const { lines, view, zone, unit } = this.#drawing;
    return {
      width: Math.max(this.host.clientWidth, LEAST_WIDTH),
      height: this.host.clientHeight,
      tzDate: (second) => uPlot.tzDate(new Date(second * 1000), zone),
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: 6 },
        points: { size: 8, width: 2 },
        focus: { prox: 28 },
      },
      focus: { alpha: 0.3 },
      scales: { x: { range: () => this.#drawing.window }, y: { range: verticalRange(view) } },
      axes: axes(zone, unit, view),
      series: [{}, ...this.#series()],
      bands: bandsOf(lines, view),
      hooks: {
        setSelect: [(plot) => this.#selected(plot)],
        setCursor: [(plot) => this.onCursor(plot.cursor.idx ?? null)],
      },
    };
  }

  #series() {
    const { lines, view } = this.#drawing;
    const colours = lineColours();
    const filled = view.zero && lines.length === 1;
    return lines.flatMap(({ label, slot, hidden }) =>
      view.parts.map((part) => ({
        label: `${label} ${part.label}`,
        show: !hidden,
        stroke: part.role === "middle" ? colours[slot] : veil(colours[slot], 0.35),
        width: part.role === "middle" ? 1.75 : 1,
        fill: filled ? veil(colours[slot], 0.13) : undefined,
        points: { size: 5, filter: alone, ...(part.role === "middle" ? {} : { show: false }) },
      })),
    );
  }

  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 6) return;
    this.onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}

/** Return the points to draw as points: all where there is room, else those that no line leads to. */
function alone(plot, index, all, gaps) {
  if (all || !gaps || gaps.length === 0) return null;
  const [column, found] = [plot.data[index], []];
  const [first, last] = plot.series[index].idxs;
  for (let at = first; at <= last; at += 1) {
    if (column[at] !== null && (column[at - 1] ?? null) === null && (column[at + 1] ?? null) === null) found.push(at);
  }
  return found;
}

/** Distances of ticks that are no shorter than the buckets: there is nothing to read between those. */
function ticksFor(unit) {
  return STEPS_S.filter((step) => step >= Math.min(LENGTH_S[unit], MONTH_S));
}

function bandsOf(lines, view) {
  if (view.kind !== "band") return [];
  const [parts, colours] = [view.parts.length, lineColours()];
  return lines.map(({ slot }, place) => ({
    series: [(place + 1) * parts, place * parts + 1],
    fill: veil(colours[slot], 0.16),
  }));
}

function verticalRange(view) {
  const end = { pad: 0.06, soft: 0, mode: view.zero ? 1 : 3 };
  return (_, least, most) => (least === null ? [0, 1] : uPlot.rangeNum(least, most, { min: end, max: end }));
}

/** Return the axes' font, which grows with the page's. */
function font() {
  const size = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  return { size: size * 0.8, text: `${size * 0.8}px system-ui, sans-serif` };
}

function axes(zone, unit, view) {
  const { size, text } = font();
  const [ink, grid] = [colour("ink-soft"), { stroke: colour("line-soft"), width: 1 }];
  const common = { stroke: ink, font: text, grid, ticks: { ...grid, size: 4 } };
  return [
    {
      ...common,
      grid: { show: false },
      size: size * 3.4,
      space: size * 6,
      incrs: ticksFor(unit),
      values: (_, splits, __, ___, step) =>
        splits.map((at, place) => tick(at * 1000, step, zone, place === 0 ? null : splits[place - 1] * 1000)),
    },
    {
      ...common,
      ticks: { show: false },
      gap: 6,
      space: size * 3,
      ...(view.kind === "count" || view.kind === "distinct" ? { incrs: WHOLE } : {}),
      size: (_, values) => 14 + Math.max(3, ...(values ?? []).map((label) => label.length)) * size * 0.6,
      values: (_, splits) => splits.map((value) => (value === null ? "" : short(value))),
    },
  ];
}

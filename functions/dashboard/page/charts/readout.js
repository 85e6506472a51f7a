/** The values at a point of a chart: in a box next to the pointer, and as a sentence for screen readers. */

import { el, setText } from "../elements/dom.js";
import { isNumber } from "../values/exact.js";
import { exactText, formatNumber, NO_VALUE, withoutTime } from "../values/format.js";
import { bucketText } from "./bucket-text.js";

/** Return the value of a line at a second as text; null if it has none. `brief` leaves out a band's ends. */
export function valueAt(chartData, lineIndex, second, { brief = false } = {}) {
  const { view, columns, lines, xs } = chartData;
  const row = chartData.rows.get(lines[lineIndex].key)?.get(second);
  const index = xs.indexOf(second);
  // a bucket without a row is zero, or unknown
  if (!row) return columns[lineIndex * view.parts.length][index] === 0 ? "0" : null;
  const parts = view.parts.map((part, partIndex) => {
    const value = columns[lineIndex * view.parts.length + partIndex][index];
    const given = withoutTime(row[part.name]);
    // a first or last value may be a number in one bucket and a text in another
    if (value === null || value === undefined) return isNumber(given) ? null : exactText(given) || null;
    return formatNumber(part.role === "middle" ? given : value);
  });
  if (parts.every((part) => part === null)) return null;
  if (view.kind !== "band") return parts[0];
  if (brief && parts.length > 2) return parts[1];
  const middle = parts.length > 2 ? `${parts[1]} ` : "";
  return `${middle}(${parts[0]} to ${parts.at(-1)})`;
}

/** Return the latest value of a line as text, for its legend. */
export function latestValue(chartData, lineIndex) {
  const { xs, openFrom } = chartData;
  const value = (second) => valueAt(chartData, lineIndex, second, { brief: true });
  const latest = xs.findLastIndex((second) => value(second) !== null);
  if (latest < 0) return NO_VALUE;
  return latest >= openFrom ? `${value(xs[latest])} so far` : value(xs[latest]);
}

/** A box next to the pointer, and a live region that announces the point when the keyboard moves it. */
export class Readout {
  constructor(host) {
    this.host = host;
    this.box = el("div", { class: "readout", "aria-hidden": "true", hidden: true });
    this.liveRegion = el("p", { class: "visually-hidden", "aria-live": "polite" });
  }

  /** Show the values at a point; null hides the box. */
  show(chartData, index, chart) {
    if (index === null || !chartData || index >= chartData.xs.length) {
      this.box.hidden = true;
      return;
    }
    const second = chartData.xs[index];
    const { view, lines, openFrom } = chartData;
    const measure = view.unit ? `${view.label} (${view.unit})` : view.label;
    const when = bucketText(chartData, second, index >= openFrom);
    this.box.replaceChildren(
      el("p", { class: "when", text: lines[0]?.isMeasure ? when : `${measure} · ${when}` }),
      el("ul", {}, ...this.#lines(chartData, index, second)),
    );
    this.box.hidden = false;
    this.#position(chart, second);
  }

  #lines(chartData, index, second) {
    const { lines, columns, view } = chartData;
    const middle = Math.max(
      view.parts.findIndex((part) => part.role === "middle"),
      0,
    );
    const height = (lineIndex) => columns[lineIndex * view.parts.length + middle][index] ?? Number.NEGATIVE_INFINITY;
    return lines
      .map((line, lineIndex) => ({
        line,
        height: height(lineIndex),
        value: line.hidden ? null : valueAt(chartData, lineIndex, second),
      }))
      .filter(({ value }) => value !== null)
      .sort((one, other) => other.height - one.height)
      .map(({ line, value }) =>
        el(
          "li",
          {},
          el("span", { class: `swatch line-${line.slot + 1}` }),
          el("span", { class: "name", text: line.label }),
          el("b", { text: value }),
        ),
      );
  }

  #position(chart, second) {
    const area = chart.area;
    if (area === null) return;
    const left = area.offsetLeft + chart.left(second);
    const overflows = left + this.box.offsetWidth + 24 > this.host.clientWidth;
    this.box.style.left = `${Math.max(4, overflows ? left - this.box.offsetWidth - 14 : left + 14)}px`;
    this.box.style.top = `${area.offsetTop + 8}px`;
  }

  /** Announce the values at a point, of one line or, if `lineIndex` is null, of all visible lines. */
  announce(chartData, index, lineIndex) {
    const { xs, lines, view, openFrom } = chartData;
    const second = xs[index];
    const textAt = (lineIndex) => {
      const value = valueAt(chartData, lineIndex, second);
      if (value === null) return "no value";
      return view.unit ? `${value} ${view.unit}` : value;
    };
    const texts = lines
      .map((line, position) => ({ line, position }))
      .filter(({ line, position }) => !line.hidden && (lineIndex === null || lineIndex === position))
      .map(({ line, position }) => `${line.label} ${textAt(position)}`);
    setText(this.liveRegion, `${bucketText(chartData, second, index >= openFrom)}: ${texts.join("; ")}`);
  }
}

/** What is at the point of a chart: beside the pointer for those who see it, as a sentence for those who listen. */

import { el, say } from "../elements/dom.js";
import { rounded } from "../values/format.js";
import { words } from "../values/times.js";

/** Return the value of a line at a second, in words; null where it has none. */
export function valueAt(picture, place, second, { briefly = false } = {}) {
  const { view, columns, lines } = picture;
  const row = picture.rows.get(lines[place].key)?.get(second);
  if (!row) return view.zero && picture.xs.includes(second) ? "0" : null;
  const index = picture.xs.indexOf(second);
  const parts = view.parts.map((part, one) => {
    const value = columns[place * view.parts.length + one][index];
    return value === null || value === undefined
      ? null
      : rounded(part.role === "middle" ? plain(row[part.name]) : value);
  });
  if (parts.every((part) => part === null)) return null;
  if (view.kind !== "band") return parts[0];
  if (briefly && parts.length > 2) return parts[1];
  const [low, high] = [parts[0], parts.at(-1)];
  const middle = parts.length > 2 ? `${parts[1]} ` : "";
  return `${middle}(${low} to ${high})`;
}

function plain(value) {
  return value !== null && typeof value === "object" && "at" in value ? value.value : value;
}

/**
 * The readout of a chart: a box beside the pointer, and a region that is read aloud when the keyboard moves the point.
 */
export class Readout {
  constructor(host) {
    this.host = host;
    this.box = el("div", { class: "readout", "aria-hidden": "true", hidden: true });
    this.spoken = el("p", { class: "unseen", "aria-live": "polite" });
  }

  /** Show what is at a point; null shows nothing. */
  show(picture, index, chart) {
    if (index === null || !picture || index >= picture.xs.length) {
      this.box.hidden = true;
      return;
    }
    const second = picture.xs[index];
    this.box.replaceChildren(
      el("p", { class: "when", text: words(second * 1000, picture.unit, picture.zone) }),
      el("ul", {}, ...this.#lines(picture, index, second)),
    );
    this.box.hidden = false;
    this.#place(chart, second);
  }

  #lines(picture, index, second) {
    const parts = picture.view.parts.length;
    const middle = Math.max(
      picture.view.parts.findIndex((part) => part.role === "middle"),
      0,
    );
    const height = (place) => picture.columns[place * parts + middle][index] ?? Number.NEGATIVE_INFINITY;
    return picture.lines
      .map((line, place) => ({ line, place, value: line.hidden ? null : valueAt(picture, place, second) }))
      .filter(({ value }) => value !== null)
      .sort((one, other) => height(other.place) - height(one.place))
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

  #place(chart, second) {
    const area = chart.area;
    if (area === null) return;
    const left = area.offsetLeft + chart.left(second);
    const right = left + this.box.offsetWidth + 24 > this.host.clientWidth;
    this.box.style.left = `${Math.max(4, right ? left - this.box.offsetWidth - 14 : left + 14)}px`;
    this.box.style.top = `${area.offsetTop + 8}px`;
  }

  /** Say what is at a point; of one line only, where one is chosen. */
  speak(picture, index, only) {
    const second = picture.xs[index];
    const unit = picture.view.unit ? ` ${picture.view.unit}` : "";
    const told = picture.lines
      .map((line, place) => ({ line, place }))
      .filter(({ line, place }) => !line.hidden && (only === null || only === place))
      .map(({ line, place }) => `${line.label} ${valueAt(picture, place, second) ?? "no value"}${unit}`);
    say(this.spoken, `${words(second * 1000, picture.unit, picture.zone)}: ${told.join("; ")}`);
  }
}

/** The time range of a panel: presets, a custom range, and buttons to zoom and shift. */

import { EVERYTHING, localTimesOf, maxRangeMs, rangeOf, rangeOptions, transformRange } from "../data/ranges.js";
import {
  button,
  el,
  labeledField,
  labeledSelect,
  setAttribute,
  setDisabled,
  setText,
  uniqueId,
} from "../elements/dom.js";
import { bucketLengthS, instantOf, isWithinDay } from "../values/times.js";

const MIN_BUCKETS = 5;
const MAX_MIN_RANGE_MS = 60_000;
const MINUTE_S = 60;

/** Whoever types 2024 has typed the years 2, 20 and 202 before, and may type a fifth digit. */
const WHOLE_YEAR = /^[1-9]\d{3}-/;

/** The selected range, and the part of it that is zoomed into. */
export class RangeControls {
  #option;
  #zoomed = null;
  #custom = null;
  #shown = null;

  /** `onChange` is called when another range is to be shown. */
  constructor(aggregate, onChange) {
    this.aggregate = aggregate;
    this.onChange = onChange;
    this.extent = null;
    const range = labeledSelect("Range", (option) => this.#selectOption(option));
    const { options, initial } = rangeOptions(aggregate);
    this.#option = initial;
    range.setOptions(options, initial);
    const type = isWithinDay(aggregate.unit) ? "datetime-local" : "date";
    [this.from, this.to] = ["From", "To"].map((label) => {
      const input = el("input", { type, on: { change: () => this.#onInput(input) } });
      const element = labeledField(label, input);
      element.hidden = true;
      return { input, element };
    });
    this.order = el("p", { class: "range-error", id: uniqueId("order"), role: "status", hidden: true });
    setAttribute(this.to.input, "aria-describedby", this.order.id);
    this.resetButton = button("Reset zoom", () => this.reset(), { disabled: true, icon: "⤢" });
    this.zoomOutButton = button("Zoom out", () => this.zoom(2), { icon: "−" });
    const buttons = [
      button("Earlier", () => this.#transform(1, -0.5), { icon: "‹" }),
      button("Zoom in", () => this.zoom(0.5), { icon: "+" }),
      this.zoomOutButton,
      button("Later", () => this.#transform(1, 0.5), { icon: "›" }),
      this.resetButton,
    ];
    this.zoomButtons = el("div", { class: "zoom", role: "group", "aria-label": "Zoom" }, ...buttons);
    this.fields = [range.element, this.from.element, this.to.element, this.order];
  }

  /** Return the range to read, in ms; null is an open end. */
  current(now) {
    if (this.#zoomed) return this.#zoomed;
    if (this.#option === "custom" && this.#custom) return this.#custom;
    return rangeOf(this.#option, this.extent ?? { oldest: now, newest: now }, now, this.aggregate);
  }

  /** Whether buckets far from all others are left out: whoever selects a custom range wants all of it. */
  get leavesOut() {
    return this.#zoomed === null && this.#option !== EVERYTHING && !(this.#option === "custom" && this.#custom);
  }

  /** The extent that the open ends of a range reach to. */
  get reach() {
    return this.#option === EVERYTHING ? this.extent.all : this.extent;
  }

  /** Record the range that is shown, from which zooming starts. */
  setShown(range) {
    this.#shown = range;
  }

  /** Zoom to a range, in ms. */
  zoomTo(from, to) {
    this.#zoomed = { from: Math.round(from), to: Math.round(to) };
    this.resetButton.disabled = false;
    this.onChange();
  }

  zoom(factor) {
    this.#transform(factor, 0);
  }

  reset() {
    if (this.#zoomed === null) return;
    this.#zoomed = null;
    setDisabled(this.resetButton, true, this.resetButton.previousElementSibling);
    this.onChange();
  }

  #transform(factor, shift) {
    if (!this.#shown) return;
    // both ends are rounded
    const room = (maxRangeMs(this.aggregate) - 1) / (this.#shown.to - this.#shown.from);
    if (factor > 1 && room <= 1) return;
    const range = transformRange(this.#shown, Math.min(factor, room), shift);
    if (range.to - range.from < Math.min(MIN_BUCKETS * bucketLengthS(this.aggregate.unit) * 1000, MAX_MIN_RANGE_MS))
      return;
    this.#shown = range;
    this.zoomTo(range.from, range.to);
  }

  #selectOption(option) {
    this.#option = option;
    this.#zoomed = null;
    this.resetButton.disabled = true;
    this.#noteOrder(false);
    const isCustom = option === "custom";
    this.from.element.hidden = !isCustom;
    this.to.element.hidden = !isCustom;
    if (isCustom && this.#shown) {
      const width = this.#hasDates ? 10 : 16;
      const texts = localTimesOf(this.#shown, this.aggregate.zone).map((text) => text.slice(0, width));
      [this.from.input.value, this.to.input.value] = texts;
      this.#readCustom();
    } else this.onChange();
  }

  /** Say that the end precedes the start. The focus stays: the user may still be typing. */
  #noteOrder(isReversed) {
    this.order.hidden = !isReversed;
    setText(this.order, isReversed ? "The end must not be before the start. Showing the previous range." : "");
    setAttribute(this.to.input, "aria-invalid", isReversed ? "true" : null);
  }

  get #hasDates() {
    return this.from.input.type === "date";
  }

  #onInput(input) {
    if (WHOLE_YEAR.test(input.value)) this.#readCustom();
  }

  #readCustom() {
    const [from, to] = [this.from.input.value, this.to.input.value];
    if (from === "" || to === "") return;
    const [first, last] = this.#hasDates ? [`${from}T00:00`, `${to}T23:59`] : [from, to];
    const { zone } = this.aggregate;
    // as in the API, the end includes all of what it names: a minute is several buckets then
    const rest = bucketLengthS(this.aggregate.unit) < MINUTE_S ? MINUTE_S * 1000 - 1 : 0;
    const range = { from: instantOf(first, zone), to: instantOf(last, zone, { isLast: true }) + rest };
    this.#noteOrder(range.from > range.to);
    if (range.from > range.to) return;
    this.#custom = range;
    this.#zoomed = null;
    this.resetButton.disabled = true;
    this.onChange();
  }
}

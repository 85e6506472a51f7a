/** The range of a panel: presets, two fields, and zooming in, out, aside and back. */

import { fields, moved, rangeChoices, rangeOf } from "../data/ranges.js";
import { button, choice, el, labelled } from "../elements/dom.js";
import { instantOf } from "../values/times.js";

/** A chosen range, and within it what is zoomed into. */
export class SpanControls {
  #choice;
  #zoomed = null;
  #custom = null;

  /** `onChange` hears that another range is to be shown, at once or, where it is moved step by step, soon. */
  constructor(aggregate, onChange) {
    this.aggregate = aggregate;
    this.onChange = onChange;
    this.extent = null;
    this.range = choice("Range", (value) => this.#choose(value));
    const { options, first } = rangeChoices(aggregate);
    this.#choice = first;
    this.range.fill(options, first);
    const type = ["minute", "hour"].includes(aggregate.unit) ? "datetime-local" : "date";
    [this.from, this.to] = ["From", "To"].map((label) => {
      const input = el("input", { type, on: { change: () => this.#typed() } });
      const whole = labelled(label, input);
      whole.hidden = true;
      return { input, whole };
    });
    this.back = button("Whole range", () => this.reset(), { disabled: true, sign: "⤢" });
    const signs = [
      button("Earlier", () => this.#move(1, -0.5), { sign: "‹" }),
      button("Zoom in", () => this.zoom(0.5), { sign: "+" }),
      button("Zoom out", () => this.zoom(2), { sign: "−" }),
      button("Later", () => this.#move(1, 0.5), { sign: "›" }),
    ];
    this.buttons = el("div", { class: "zoom", role: "group", "aria-label": "Zoom" }, ...signs, this.back);
    this.parts = [this.range.whole, this.from.whole, this.to.whole];
  }

  /** From when to when to read, in ms; null is an open end. */
  current(now) {
    if (this.#zoomed) return this.#zoomed;
    if (this.#choice === "custom" && this.#custom) return this.#custom;
    return rangeOf(this.#choice, this.extent ?? { oldest: now, newest: now }, now, this.aggregate.unit);
  }

  /** Tell what is being shown, so that zooming begins there. */
  shown(range) {
    this.shownRange = range;
  }

  /** Show a stretch, in ms. */
  into(from, to) {
    this.#zoomed = { from: Math.round(from), to: Math.round(to) };
    this.back.disabled = false;
    this.onChange();
  }

  zoom(factor) {
    this.#move(factor, 0);
  }

  reset() {
    if (this.#zoomed === null) return;
    this.#zoomed = null;
    const focused = document.activeElement === this.back;
    this.back.disabled = true;
    // a button that is switched off loses the focus, which would go to the top of the page
    if (focused) this.back.previousElementSibling.focus();
    this.onChange();
  }

  #move(factor, shift) {
    if (!this.shownRange) return;
    const range = moved(this.shownRange, factor, shift);
    if (range.to - range.from < 60_000) return;
    this.shownRange = range;
    this.into(range.from, range.to);
  }

  #choose(value) {
    this.#choice = value;
    this.#zoomed = null;
    this.back.disabled = true;
    const custom = value === "custom";
    this.from.whole.hidden = !custom;
    this.to.whole.hidden = !custom;
    if (custom && this.shownRange) {
      const width = this.from.input.type === "date" ? 10 : 16;
      [this.from.input.value, this.to.input.value] = fields(this.shownRange, this.aggregate.zone).map((text) =>
        text.slice(0, width),
      );
      this.#typed();
    } else this.onChange();
  }

  #typed() {
    const [from, to] = [this.from.input.value, this.to.input.value];
    if (from === "" || to === "") return;
    const whole = this.from.input.type === "date";
    const [begins, ends] = whole ? [`${from}T00:00`, `${to}T23:59`] : [from, to];
    const zone = this.aggregate.zone;
    const range = { from: instantOf(begins, zone), to: instantOf(ends, zone) };
    this.to.input.setCustomValidity(range.from > range.to ? "The end is before the beginning." : "");
    if (!this.to.input.reportValidity()) return;
    this.#custom = range;
    this.#zoomed = null;
    this.onChange();
  }
}

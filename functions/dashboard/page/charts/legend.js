/** The legend of a chart. Each entry hides or shows its line, and highlights it while pointed at or focused. */

import { el, passFocus, setAttribute, setText } from "../elements/dom.js";

export class Legend {
  /** `onToggle` receives the line's key, `onHighlight` the index of the line to highlight, or null. */
  constructor({ onToggle, onHighlight }) {
    this.onToggle = onToggle;
    this.onHighlight = onHighlight;
    this.element = el("ul", { class: "legend", "aria-label": "Lines with their latest values" });
    this.entries = new Map();
    this.shown = "";
  }

  /** Show lines with their latest values. */
  show(lines, values) {
    const shown = JSON.stringify(lines.map(({ key, label }) => [key, label]));
    if (shown !== this.shown) this.#rebuild(lines);
    this.shown = shown;
    lines.forEach((line, index) => {
      const { button, swatch, value } = this.entries.get(line.key);
      swatch.className = `swatch line-${line.slot + 1}`;
      setAttribute(button, "aria-pressed", String(!line.hidden));
      setText(value, values[index] ?? "");
    });
  }

  #rebuild(lines) {
    const focused = [...this.entries].find(([, { button }]) => button === document.activeElement);
    this.entries.clear();
    this.element.replaceChildren(...lines.map((line, index) => this.#entry(line, index)));
    // lines change places as their values grow
    const successor = focused && (this.entries.get(focused[0]) ?? [...this.entries.values()][0]);
    if (successor) passFocus(successor.button);
  }

  #entry(line, index) {
    const [swatch, value] = [el("span", { class: "swatch" }), el("span", { class: "value" })];
    const highlight = () => this.onHighlight(index);
    const reset = () => this.onHighlight(null);
    const listeners = {
      click: () => this.onToggle(line.key),
      pointerenter: highlight,
      pointerleave: reset,
      focus: highlight,
      blur: reset,
    };
    const name = el("span", { class: "name", text: line.label, title: line.label });
    const button = el("button", { type: "button", on: listeners }, swatch, name, value);
    this.entries.set(line.key, { button, swatch, value });
    return el("li", {}, button);
  }
}

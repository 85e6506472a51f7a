/** The lines of a chart by name and colour: each can be hidden, and stands out while it is pointed at. */

import { el, mark, say } from "../elements/dom.js";

export class Legend {
  /** `onToggle` hears of a line's key, `onPoint` of the place of the line that is pointed at, or null. */
  constructor({ onToggle, onPoint }) {
    this.onToggle = onToggle;
    this.onPoint = onPoint;
    this.element = el("ul", { class: "legend", "aria-label": "Lines, with their newest values" });
    this.buttons = new Map();
  }

  /** Show lines with their newest values. */
  show(lines, values) {
    const keys = lines.map(({ key }) => key);
    if (JSON.stringify([...this.buttons.keys()]) !== JSON.stringify(keys)) this.#make(lines);
    lines.forEach((line, place) => {
      const { button, swatch, value } = this.buttons.get(line.key);
      swatch.className = `swatch line-${line.slot + 1}`;
      mark(button, "aria-pressed", String(!line.hidden));
      say(value, values[place] ?? "");
    });
  }

  #make(lines) {
    this.buttons.clear();
    this.element.replaceChildren(...lines.map((line, place) => this.#entry(line, place)));
  }

  #entry(line, place) {
    const [swatch, value] = [el("span", { class: "swatch" }), el("span", { class: "value" })];
    const over = () => this.onPoint(place);
    const out = () => this.onPoint(null);
    const listeners = {
      click: () => this.onToggle(line.key),
      pointerenter: over,
      pointerleave: out,
      focus: over,
      blur: out,
    };
    const button = el(
      "button",
      { type: "button", on: listeners },
      swatch,
      el("span", { class: "name", text: line.label }),
      value,
    );
    this.buttons.set(line.key, { button, swatch, value });
    return el("li", {}, button);
  }
}

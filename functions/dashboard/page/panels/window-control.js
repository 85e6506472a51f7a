/** The control for moving sums: the window that each bucket of a chart looks back on. */

import { labeledSelect } from "../elements/dom.js";
import { bucketLengthS, isWithinDay } from "../values/times.js";

const NONE = { value: "", label: "None" };
const WITHIN_DAY = [
  ["10min", "10 minutes", 600],
  ["1h", "1 hour", 3600],
  ["6h", "6 hours", 21_600],
  ["24h", "24 hours", 86_400],
  ["7d", "7 days", 604_800],
];
const LONGER = {
  day: [
    ["7d", "7 days"],
    ["28d", "28 days"],
    ["365d", "365 days"],
  ],
  week: [
    ["4w", "4 weeks"],
    ["52w", "52 weeks"],
  ],
  month: [
    ["3mo", "3 months"],
    ["12mo", "12 months"],
  ],
  quarter: [["4q", "4 quarters"]],
  year: [["5y", "5 years"]],
};

/** Return the windows that buckets of a unit can have, as the options of a select. */
export function windowOptions(unit) {
  const length = bucketLengthS(unit);
  const fitting = WITHIN_DAY.filter(([, , seconds]) => seconds > length && seconds % length === 0);
  const windows = isWithinDay(unit) ? fitting : LONGER[unit];
  return [NONE, ...windows.map(([value, label]) => ({ value, label }))];
}

export class WindowControl {
  #selected = "";

  /** `onChange` is called when another window is selected. */
  constructor(onChange) {
    this.control = labeledSelect("Moving window", (value) => {
      this.#selected = value;
      onChange();
    });
    this.control.setOptions([NONE], "");
    this.element = this.control.element;
  }

  /** Whether a window is selected, which a view or unit may not have. */
  get isSelected() {
    return this.#selected !== "";
  }

  /** Return the option that is selected for buckets of a unit; null without a window, which not every view has. */
  of(unit, view) {
    if (!view.hasWindow || !this.isSelected) return null;
    return windowOptions(unit).find(({ value }) => value === this.#selected) ?? null;
  }

  /** Offer the windows of a unit. */
  show(unit, view) {
    this.element.hidden = !view.hasWindow;
    this.control.setOptions(windowOptions(unit), this.of(unit, view)?.value ?? "");
  }
}

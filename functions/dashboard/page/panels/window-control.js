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
    ["7d", "7 days", 7],
    ["28d", "28 days", 28],
    ["365d", "365 days", 365],
  ],
  week: [
    ["4w", "4 weeks", 4],
    ["52w", "52 weeks", 52],
  ],
  month: [
    ["3mo", "3 months", 3],
    ["12mo", "12 months", 12],
  ],
  quarter: [["4q", "4 quarters", 4]],
  year: [["5y", "5 years", 5]],
};

/** The most buckets that the API adds up to a window. */
const MAX_BUCKETS = 10_000;
/** If the time bucket comes first in the key, each stored bucket is a read, and this many is the most of a request. */
const MAX_READS = 100;
/** A month, quarter or year may be longer than on average, and so may a day. */
const LONGEST = 1.04;

/** Return the windows that an aggregate's buckets of a unit can have, as the options of a select. */
export function windowOptions(aggregate, unit) {
  const length = bucketLengthS(unit);
  const fitting = WITHIN_DAY.filter(([, , seconds]) => seconds > length && seconds % length === 0);
  const windows = isWithinDay(unit)
    ? fitting
    : LONGER[unit].map(([value, label, size]) => [value, label, size * length]);
  return [NONE, ...windows.filter(([, , seconds]) => canRead(aggregate, unit, seconds)).map(toOption)];
}

function toOption([value, label]) {
  return { value, label };
}

/** Return whether the API reads a window of buckets of a unit, which an interval may have made longer than the stored ones. */
function canRead({ isBucketFirst, unit: stored }, unit, seconds) {
  if (seconds / bucketLengthS(unit) > MAX_BUCKETS) return false;
  if (!isBucketFirst) return true;
  const reads = seconds / bucketLengthS(stored);
  return (isWithinDay(unit) ? reads : reads * LONGEST) <= MAX_READS;
}

export class WindowControl {
  #selected = "";

  /** `onChange` is called when another window is selected. */
  constructor(aggregate, onChange) {
    this.aggregate = aggregate;
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
    return windowOptions(this.aggregate, unit).find(({ value }) => value === this.#selected) ?? null;
  }

  /** Offer the windows of a unit. */
  show(unit, view) {
    this.element.hidden = !view.hasWindow;
    this.control.setOptions(windowOptions(this.aggregate, unit), this.of(unit, view)?.value ?? "");
  }
}

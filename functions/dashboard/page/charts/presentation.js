/** How a picture of lines is shown: in which form, from when to when, with which choices of buckets. */

import { title } from "../values/format.js";
import { LENGTH_S } from "../values/times.js";

/**
 * Return how a picture is best shown: as a chart, as bars where there is one bucket, as lists where there are no
 * numbers.
 */
export function formOf({ xs, columns, view }) {
  if (xs.length === 0) return "nothing";
  if (view.list || !columns.some((column) => column.some((value) => value !== null))) return "lists";
  return xs.length === 1 ? "bars" : "chart";
}

/** Return the seconds to show: the range where it has both ends, else from the first row to the last. */
export function windowOf(xs, range, unit) {
  const half = LENGTH_S[unit] / 2;
  const [first, last] = [xs[0] ?? 0, xs.at(-1) ?? 1];
  const from = range.from !== null && range.to !== null ? Math.min(range.from / 1000, first) : first;
  const to = range.to === null ? last : range.to / 1000;
  return to - from < half ? [from - half, to + half] : [from, to];
}

export function intervalOptions(aggregate, view, unit, picked) {
  const units = view.added ? [aggregate.unit, ...aggregate.intervals] : [];
  const auto = picked === "auto" || !view.added ? `Auto (${unit})` : "Auto";
  return [{ value: "auto", label: auto }, ...units.map((one) => ({ value: one, label: title(one) }))];
}

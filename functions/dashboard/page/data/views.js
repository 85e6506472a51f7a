/**
 * The views of a panel: one for each measure, and bands of measures of one field that cover the same items.
 *
 * A view's parts are drawn as one line each: `low`, `middle` and `high` of a band, otherwise only `middle`.
 * `isAdditive`: rows can be rolled up to longer buckets. `hasWindow`: there are moving sums of it. `isZeroWhenEmpty`:
 * a bucket without a row counts as zero, not as unknown. `shown`: the names of the fields that come with ranked values;
 * null if the values are not ranked.
 */

import { humanize, shownFields, spaced, toFloat, withoutTime } from "../values/format.js";

const ZERO_WHEN_EMPTY = new Set(["count", "count_items", "total", "distinct"]);
const LISTS = new Set(["top", "largest", "smallest"]);
const SUMS = new Set(["count", "count_items", "total", "mean", "variance"]);
const NON_ADDITIVE = new Set(["distinct", "quantile", "top"]);

/** Return the views of an aggregate's measures. */
export function viewsOf(measures) {
  return [...measures.map((measure) => measureView(measure, measures)), ...bandViews(measures)];
}

/** Return the initial view: the first that is a number. */
export function initialView(views) {
  return views.find((view) => !view.isList) ?? views[0];
}

/** Return views as the options of a select. */
export function viewOptions(views) {
  const [bands, single] = [views.filter((view) => view.kind === "band"), views.filter((view) => view.kind !== "band")];
  const options = (some) =>
    some.map(({ key, label, unit }) => ({ value: key, label: unit ? `${label} (${unit})` : label }));
  return bands.length === 0 ? options(single) : [...options(single), { group: "Bands", options: options(bands) }];
}

function measureView(measure, measures) {
  const isTimed = measure.kind === "first" || measure.kind === "last";
  const isList = LISTS.has(measure.kind);
  return {
    key: measure.name,
    label: humanize(measure.name),
    unit: measure.unit,
    kind: measure.kind,
    description: measure.description,
    parts: [{ role: "middle", name: measure.name, label: "", of: (row) => toFloat(withoutTime(row[measure.name])) }],
    isAdditive: isAdditive(measure, measures),
    hasWindow: hasWindow(partsOf(measure, measures)),
    isZeroWhenEmpty: ZERO_WHEN_EMPTY.has(measure.kind),
    isList,
    shown: shownFields(measure),
    rankedBy: isTimed || isList ? null : measure.name,
  };
}

/** Return whether a measure of several rows can be derived from them; for a ratio, whether both its parts can. */
function isAdditive(measure, measures) {
  return partsOf(measure, measures).every((part) => part.additive !== false && !NON_ADDITIVE.has(part.kind));
}

/** Return whether there are moving sums of stored measures, which those of overlapping windows do not have. */
function hasWindow(stored) {
  return stored.every((part) => part.additive !== false && SUMS.has(part.kind));
}

/** Return the stored measures that a measure is made from: itself, or the two of a ratio. */
function partsOf(measure, measures) {
  if (measure.kind !== "ratio") return [measure];
  return measures.filter(({ name }) => name === measure.numerator || name === measure.denominator);
}

/** Return the bands of measures of one field that cover the same items. */
function bandViews(measures) {
  const alike = new Map();
  for (const measure of measures.filter((one) => one.field)) {
    const key = JSON.stringify([measure.field, measure.where]);
    alike.set(key, [...(alike.get(key) ?? []), measure]);
  }
  return [...alike.values()]
    .flatMap((same) => [quantileBand(same), extremesBand(same), deviationBand(same)])
    .filter((view) => view !== null);
}

function quantileBand(measures) {
  const quantiles = measures
    .filter((measure) => measure.kind === "quantile")
    .sort((one, other) => one.fraction - other.fraction);
  if (quantiles.length < 2) return null;
  const middle = quantiles.length > 2 ? quantiles[Math.floor((quantiles.length - 1) / 2)] : null;
  return band(quantiles[0], middle, quantiles.at(-1), false);
}

function extremesBand(measures) {
  const [minimum, mean, maximum] = ["minimum", "mean", "maximum"].map((kind) => ofKind(measures, kind));
  return minimum && maximum ? band(minimum, mean, maximum, true) : null;
}

function deviationBand(measures) {
  const [mean, variance] = ["mean", "variance"].map((kind) => ofKind(measures, kind));
  if (!mean || !variance) return null;
  const meanPlus = (row, factor) => {
    const [center, square] = [toFloat(row[mean.name]), toFloat(row[variance.name])];
    return center === null || square === null ? null : center + factor * Math.sqrt(Math.max(square, 0));
  };
  const label = `${humanize(mean.name)} ± standard deviation`;
  return {
    ...band(mean, mean, mean, true),
    key: `band:${label}`,
    label,
    hasWindow: hasWindow([mean, variance]),
    parts: [
      { role: "low", name: mean.name, label: "mean − deviation", of: (row) => meanPlus(row, -1) },
      { role: "middle", name: mean.name, label: "", of: (row) => toFloat(row[mean.name]) },
      { role: "high", name: mean.name, label: "mean + deviation", of: (row) => meanPlus(row, 1) },
    ],
  };
}

function ofKind(measures, kind) {
  return measures.find((measure) => measure.kind === kind) ?? null;
}

function band(low, middle, high, isAdditive) {
  const part = (role, measure) => ({
    role,
    name: measure.name,
    label: spaced(measure.name),
    of: (row) => toFloat(row[measure.name]),
  });
  const label = `${humanize(low.name)} to ${spaced(high.name)}`;
  return {
    key: `band:${label}`,
    label,
    unit: high.unit,
    kind: "band",
    description: null,
    parts: [part("low", low), ...(middle === null ? [] : [part("middle", middle)]), part("high", high)],
    isAdditive,
    hasWindow: false,
    isZeroWhenEmpty: false,
    isList: false,
    shown: null,
    rankedBy: (middle ?? high).name,
  };
}

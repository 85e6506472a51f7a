/**
 * What can be looked at in a panel: each measure by itself, and measures of one field that make a band together.
 *
 * A view has parts, which are drawn as one line each: `low`, `middle` and `high` of a band, or only `middle`.
 * `added` tells that rows
 * can be added up to longer stretches of time; `zero` that a bucket without a row stands for nothing rather than
 * for not known.
 */

import { float, title } from "../values/format.js";

const NOTHING = new Set(["count", "total", "distinct"]);
const NOT_ADDED = new Set(["distinct", "quantile", "top"]);
const LISTS = new Set(["top"]);

/** Return the views of an aggregate's measures: bands first where a field has one, then each measure. */
export function viewsOf(measures) {
  return [...measures.map(single), ...bands(measures)];
}

/** Return the view to begin with: the first that is a number. */
export function firstView(views) {
  return views.find((view) => !view.list) ?? views[0];
}

/** Return views as the options of a select. */
export function measureOptions(views) {
  const [bands, single] = [views.filter((view) => view.kind === "band"), views.filter((view) => view.kind !== "band")];
  const options = (some) =>
    some.map(({ key, label, unit }) => ({ value: key, label: unit ? `${label} (${unit})` : label }));
  return bands.length === 0 ? options(single) : [...options(single), { group: "Bands", options: options(bands) }];
}

function single(measure) {
  const timed = measure.kind === "first" || measure.kind === "last";
  return {
    key: measure.name,
    label: title(measure.name),
    unit: measure.unit,
    kind: measure.kind,
    description: measure.description,
    parts: [
      {
        role: "middle",
        name: measure.name,
        label: "",
        of: (row) => float(timed ? row[measure.name]?.value : row[measure.name]),
      },
    ],
    added: !NOT_ADDED.has(measure.kind),
    zero: NOTHING.has(measure.kind),
    list: LISTS.has(measure.kind),
    order: measure.name,
    ranks: !timed && !LISTS.has(measure.kind),
  };
}

function bands(measures) {
  const fields = new Map();
  for (const measure of measures.filter((one) => one.field)) {
    fields.set(measure.field, [...(fields.get(measure.field) ?? []), measure]);
  }
  return [...fields.values()]
    .flatMap((same) => [quantiles(same), extremes(same), deviation(same)])
    .filter((view) => view !== null);
}

function quantiles(measures) {
  const found = measures.filter((one) => one.kind === "quantile").sort((one, other) => one.fraction - other.fraction);
  if (found.length < 2) return null;
  const middle = found.length > 2 ? found[Math.floor((found.length - 1) / 2)] : null;
  return band(
    found[0],
    middle,
    found.at(-1),
    `${title(found[0].name)} to ${found.at(-1).name.replaceAll("_", " ")}`,
    false,
  );
}

function extremes(measures) {
  const [least, most] = ["minimum", "maximum"].map((kind) => measures.find((one) => one.kind === kind));
  if (!least || !most) return null;
  return band(
    least,
    measures.find((one) => one.kind === "mean") ?? null,
    most,
    `${title(least.name)} to ${most.name.replaceAll("_", " ")}`,
    true,
  );
}

function deviation(measures) {
  const [mean, variance] = ["mean", "variance"].map((kind) => measures.find((one) => one.kind === kind));
  if (!mean || !variance) return null;
  const off = (row, sign) => {
    const [middle, square] = [float(row[mean.name]), float(row[variance.name])];
    return middle === null || square === null ? null : middle + sign * Math.sqrt(Math.max(square, 0));
  };
  return {
    ...band(mean, mean, mean, `${title(mean.name)} ± deviation`, true),
    parts: [
      { role: "low", name: mean.name, label: "mean − deviation", of: (row) => off(row, -1) },
      { role: "middle", name: mean.name, label: "", of: (row) => float(row[mean.name]) },
      { role: "high", name: mean.name, label: "mean + deviation", of: (row) => off(row, 1) },
    ],
  };
}

function band(low, middle, high, label, added) {
  const part = (role, measure) => ({
    role,
    name: measure.name,
    label: measure.name.replaceAll("_", " "),
    of: (row) => float(row[measure.name]),
  });
  const parts = [part("low", low), ...(middle === null ? [] : [part("middle", middle)]), part("high", high)];
  const order = (middle ?? high).name;
  return {
    key: `band:${label}`,
    label,
    unit: high.unit,
    kind: "band",
    description: null,
    parts,
    added,
    zero: false,
    list: false,
    order,
    ranks: true,
  };
}

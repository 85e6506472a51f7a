/** Rows as the columns of a chart: one axis of time, one column for each line and part. */

import { begin, LENGTH_S } from "../values/times.js";

/**
 * Return what a chart draws.
 *
 * @param {object[]} rows as the API sends them
 * @param {string[]} keys the lines, in their order
 * @param {string} unit of the buckets, after adding up
 * @returns {{xs: number[], columns: (number|null)[][], rows: Map<string, Map<number, object>>}} seconds since
 *   1970, and for each line its
 *   view's parts one after the other; `rows` by line and second
 */
export function columnsOf(rows, aggregate, keys, view, unit) {
  const lines = new Map(keys.map((key) => [key, new Map()]));
  for (const row of rows) {
    const at = begin(row[aggregate.bucket.name], aggregate.zone) / 1000;
    lines.get(aggregate.lines.length === 0 ? keys[0] : aggregate.lineOf(row))?.set(at, row);
  }
  const times = new Set([...lines.values()].flatMap((line) => [...line.keys()]));
  const found = Float64Array.from(times).sort();
  const xs = withGaps(found, unit);
  const missing = view.zero ? 0 : null;
  const columns = keys.flatMap((key) => {
    const line = lines.get(key);
    return view.parts.map((part) => xs.map((x) => (line.has(x) ? drawable(part.of(line.get(x))) : missing)));
  });
  return { xs, columns, rows: lines };
}

function drawable(value) {
  return Number.isNaN(value) ? null : value;
}

/**
 * Return the times with one more on each side of a gap, where a line has to come down to nothing and rise again, or to
 * end and begin.
 */
function withGaps(times, unit) {
  const [step, slack] = [LENGTH_S[unit], unit === "month" ? 1.2 : 1.5];
  const xs = [];
  for (const x of times) {
    const before = xs.at(-1);
    if (before !== undefined && x - before > step * slack) {
      xs.push(before + step);
      if (x - step > before + step) xs.push(x - step);
    }
    xs.push(x);
  }
  return xs;
}

/** Return the lines of rows with most in them: by the sum of a count where there is one, else by the number of rows. */
export function linesByWeight(rows, aggregate) {
  const count = aggregate.measures.find((measure) => measure.kind === "count")?.name;
  const weights = new Map();
  for (const row of rows) {
    const key = aggregate.lineOf(row);
    weights.set(key, (weights.get(key) ?? 0) + (count ? Number(row[count]) : 1));
  }
  return [...weights].sort((one, other) => other[1] - one[1]).map(([value, items]) => ({ value, items }));
}

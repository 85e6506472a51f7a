/** Single buckets far from all others, such as that of a device with a wrong clock. */

/** The gap is this many times as long as all others together, which would be squeezed into a tenth of the chart. */
const MIN_GAP = 9;
const MIN_OTHERS = 4;
const MAX_SHARE = 0.1;
const MAX_OUTLIERS = 20;

/**
 * Return the part of ascending times without the outliers at its ends, as `[start, end]` indexes like those of `slice`.
 *
 * Outliers are few on each side, and the gap to the others is far longer than the time that these cover.
 */
export function mainPart(times) {
  const length = times.length;
  const max = Math.min(Math.max(1, Math.floor(length * MAX_SHARE)), MAX_OUTLIERS);
  let best = { start: 0, end: length, covered: Number.POSITIVE_INFINITY };
  for (let before = 0; before <= Math.min(max, length - MIN_OTHERS); before += 1) {
    for (let after = 0; after <= Math.min(max, length - MIN_OTHERS - before); after += 1) {
      const [start, end] = [before, length - after];
      const covered = times[end - 1] - times[start];
      const isApart = (gap) => gap > MIN_GAP * covered;
      const isMain =
        (before === 0 || isApart(times[start] - times[start - 1])) &&
        (after === 0 || isApart(times[end] - times[end - 1]));
      if (isMain && covered < best.covered) best = { start, end, covered };
    }
  }
  return [best.start, best.end];
}

/**
 * The value axis: its scale and its ticks, and the power of ten by which huge and tiny numbers are divided. uPlot's own
 * functions treat 0.9999995 as 1, so that a scale could have no length.
 */

/** Distances between ticks of a count, which has no fractions. */
export const INTEGER_STEPS = Array.from({ length: 16 }, (_, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();

/** The padding above and below the values, as a share of their range. */
const PADDING = 0.06;
/** Closer numbers count as equal: floats lose their difference. */
const MIN_DIFFERENCE = 1e-10;

/**
 * Return the scale for values between a minimum and a maximum, which are null without values. It includes zero if the
 * values are near it, or always.
 */
export function valueRange(min, max, includesZero) {
  if (min === null) return [0, 1];
  const largest = Math.max(Math.abs(min), Math.abs(max));
  if (largest === 0) return [0, 100];
  const isFlat = max - min < MIN_DIFFERENCE * largest;
  const [span, padding] = isFlat ? [largest, largest] : [max - min, (max - min) * PADDING];
  const power = Math.floor(Math.log10(span)) - 1;
  const low = timesPower(Math.floor(timesPower(min - padding, -power)), power);
  const high = timesPower(Math.ceil(timesPower(max + padding, -power)), power);
  const isFromZero = min >= 0 && (includesZero || low <= 0);
  const isToZero = max <= 0 && (includesZero || high >= 0);
  return [isFromZero ? 0 : low, isToZero ? 0 : high];
}

/** Return the multiples of a step in a scale, ascending. */
export function valueTicks(from, to, step) {
  // 2.5e-7 is 25e-8: a multiple of a whole number is rounded once, while 3 * 0.1 is more than 0.3
  const [, digit, fraction = "", exponent] = /^(\d)(?:\.(\d+))?e(.+)$/.exec(step.toExponential());
  const [whole, power] = [Number(digit + fraction), Number(exponent) - fraction.length];
  const [first, last] = [Math.ceil(from / step), Math.floor(to / step)];
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) =>
    timesPower((first + index) * whole, power),
  );
}

/** Between these, uPlot finds ticks; it treats smaller numbers as 0. */
const [SMALLEST, LARGEST] = [1e-12, 1e24];

/** Return the power of ten by which values are divided to draw them: 0 unless all are tiny, or one is huge. */
export function powerOf(columns) {
  const largest = columns.flat().reduce((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
  return largest === 0 || (largest >= SMALLEST && largest <= LARGEST) ? 0 : Math.floor(Math.log10(largest));
}

/** Return a number times a power of ten, rounded once. */
export function timesPower(value, power) {
  if (power === 0 || value === 0) return value;
  const [digits, exponent] = value.toExponential().split("e");
  return Number(`${digits}e${Number(exponent) + power}`);
}

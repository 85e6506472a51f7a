/** Numbers and names as people read them. */

import { Exact, isNumber } from "./exact.js";

const LANGUAGE = "en";
const plain = new Intl.NumberFormat(LANGUAGE, { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(LANGUAGE, { notation: "compact", maximumSignificantDigits: 3 });

/** Return the float nearest to a number, null for none, NaN for what is no number. */
export function float(value) {
  if (value === null || value === undefined) return null;
  return isNumber(value) ? Number(value) : Number.NaN;
}

/**
 * Return a number rounded for reading: whole ones whole, others to four digits, marked where it says less than the
 * number.
 */
export function rounded(value) {
  const near = Number(value);
  if (Number.isInteger(near) && Math.abs(near) < 1e15 && !(value instanceof Exact && value.text.includes(".")))
    return whole.format(near);
  if (Math.abs(near) >= 1e15 || (near !== 0 && Math.abs(near) < 1e-4)) return near.toExponential(3);
  return Math.abs(near) >= 10_000 ? whole.format(near) : plain.format(near);
}

/** Return a number for an axis. */
export function short(value) {
  return Math.abs(value) < 10_000 ? plain.format(value) : compact.format(value);
}

/** Return a value as its row has it, digit for digit. */
export function exactly(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object" && !(value instanceof Exact)) {
    if (Array.isArray(value)) return value.map((one) => `${exactly(one.value)} × ${exactly(one.count)}`).join(", ");
    if ("at" in value) return `${exactly(value.value)} (${value.at})`;
    return JSON.stringify(value);
  }
  return String(value);
}

/** Return a name of the definition in words: `carrier_hours` as `Carrier hours`. */
export function title(name) {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return a stretch of time: `45 s`, `12 min`, `3 h`, `5 d`. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${whole.format(Math.round(seconds / 86_400))} d`;
}

/** Return how many there are of something: `1 flight`, `1,200 flights`. */
export function many(number, one, more = `${one}s`) {
  return `${whole.format(number)} ${number === 1 ? one : more}`;
}

/** Return some texts as a list: `a, b and c`. */
export function listed(texts) {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

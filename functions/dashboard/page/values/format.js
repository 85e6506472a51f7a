/** Numbers, names and durations as text. */

import { Exact, isNumber, isSameNumber } from "./exact.js";

const LANGUAGE = "en";
/** The most digits that a float is written with. */
const MAX_DIGITS = 17;
/** The most digits that a rounded number is shown with. */
const SHOWN_DIGITS = 12;

/** Return a format for numbers in which zero has no sign. */
function numberFormat(options) {
  return new Intl.NumberFormat(LANGUAGE, { signDisplay: "negative", ...options });
}

const fourDigits = numberFormat({ maximumSignificantDigits: 4 });
const integer = numberFormat({ maximumFractionDigits: 0 });
const compact = numberFormat({ notation: "compact", maximumSignificantDigits: 3 });

/** Shown where there is no value. */
export const NO_VALUE = "–";

/** Return the nearest float; null for a missing value, NaN for anything that is not a number. */
export function toFloat(value) {
  if (value === null || value === undefined) return null;
  return isNumber(value) ? Number(value) : Number.NaN;
}

/** Return a number rounded for display: integers in full, others to four significant digits. */
export function formatNumber(value) {
  const near = Number(value);
  if (Number.isInteger(near) && Math.abs(near) < 1e15 && !(value instanceof Exact && isRounded(value, near)))
    return integer.format(near);
  if (Math.abs(near) >= 1e15 || (near !== 0 && Math.abs(near) < 1e-4)) return near.toExponential(3);
  if (Math.abs(near) >= 10_000) return integer.format(near);
  return Math.abs(near) < 1000 ? fractionText(near) : fourDigits.format(near);
}

function isRounded({ text }, near) {
  return !isSameNumber(text, String(near));
}

/** Return a number that is no integer with as many digits as it takes not to look like one: 0.9999992, 1.000 at last. */
function fractionText(near) {
  if (!Number.isInteger(Number(near.toPrecision(4)))) return fourDigits.format(near);
  for (let digits = 5; digits < SHOWN_DIGITS; digits += 1)
    if (!Number.isInteger(Number(near.toPrecision(digits))))
      return numberFormat({ maximumSignificantDigits: digits + 1 }).format(near);
  return numberFormat({ minimumSignificantDigits: 4, maximumSignificantDigits: 4 }).format(near);
}

/** Return the labels of the ticks on the value axis, which are a step apart: short ones, unless these would round. */
export function tickLabels(ticks, step) {
  const largest = Math.max(0, ...ticks.map(Math.abs));
  // for 2.5, the exponent is 0 and the fraction has one digit
  const [, fraction = "", exponent] = /^\d(?:\.(\d+))?e(.+)$/.exec(step.toExponential());
  const digits = Math.floor(Math.log10(largest)) - Number(exponent) + fraction.length + 1;
  if (largest >= LONG || (largest !== 0 && largest < SHORT)) return ticks.map((tick) => powerTick(tick, digits));
  if (largest < 10_000 ? digits <= 4 : digits <= 3) return ticks.map(shortTick);
  const exact = numberFormat({ maximumSignificantDigits: Math.min(digits, MAX_DIGITS) });
  return ticks.map((tick) => exact.format(tick));
}

/** Written out, these would take more room than the chart has. */
const [SHORT, LONG] = [1e-7, 1e15];

function powerTick(value, digits) {
  const rounded = Number(value.toPrecision(Math.min(Math.max(digits, 1), MAX_DIGITS)));
  return rounded === 0 ? "0" : rounded.toExponential();
}

function shortTick(value) {
  return Math.abs(value) < 10_000 ? fourDigits.format(value) : compact.format(value);
}

/**
 * Return a value of a row with all its digits. `shown` names the fields that come with the values of a ranked list; it
 * is null for a list of frequent values, which come with their counts.
 */
export function exactText(value, shown = null) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object" && !(value instanceof Exact)) {
    if (Array.isArray(value)) return value.map((entry) => entryText(entry, shown)).join(", ");
    if ("at" in value) return `${isolated(exactText(value.value))} (${value.at})`;
    if ("by" in value) return `${isolated(exactText(value.value))} (${isolated(exactText(value.by))})`;
    return JSON.stringify(value);
  }
  return String(value);
}

/** Return an entry of a list as text: a frequent value with its count, or a ranked one with the fields it shows. */
function entryText(entry, shown) {
  const value = isolated(exactText(entry.value));
  if (shown === null) return `${value} × ${exactText(entry.count)}`;
  const told = shownText(entry, shown);
  return told ? `${value} (${told})` : value;
}

/** Return the fields that a ranked value shows, as text. */
export function shownText(entry, shown) {
  return shown.map((name) => isolated(exactText(entry[name])) || NO_VALUE).join(", ");
}

/** Return the names of the fields that come with a measure's ranked values; null if they are not ranked. */
export function shownFields({ kind, show = [] }) {
  return kind === "largest" || kind === "smallest" ? show.map(lastStep) : null;
}

/** Return a first or last measure without what orders it, and any other value as it is. */
export function withoutTime(value) {
  // every array has a method `at`
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return "at" in value || "by" in value ? value.value : value;
}

/** Return a name of the definition with spaces: `carrier_hours` as `carrier hours`. */
export function spaced(name) {
  return name.replaceAll("_", " ");
}

/** Return the last step of a field's path, as rows name it: `id` of `customer.id`, `a.b` of `a\\.b`. */
export function lastStep(path) {
  return path.match(/(?:\\.|[^.\\])*$/)[0].replace(/\\(.)/g, "$1");
}

/** Return a name of the definition as a heading: `carrier_hours` as `Carrier hours`. */
export function humanize(name) {
  const text = spaced(name).trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What is written from right to left, or says so; in texts of other directions, it would move what is next to it. */
const RIGHT_TO_LEFT =
  /[\p{Bidi_Control}\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const ISOLATES = new Set(["\u2066", "\u2067", "\u2068"]);
const [FIRST_STRONG_ISOLATE, END_OF_ISOLATE] = ["\u2068", "\u2069"];

/** Return a text such that it does not change the direction of what is next to it: `<value> × 12` stays 12. */
export function isolated(text) {
  if (!RIGHT_TO_LEFT.test(text)) return text;
  let open = 0;
  // an end without a beginning would end ours
  const own = [...text].filter((character) => {
    if (ISOLATES.has(character)) open += 1;
    else if (character === END_OF_ISOLATE) return open > 0 && open-- > 0;
    return true;
  });
  return FIRST_STRONG_ISOLATE + own.join("") + END_OF_ISOLATE.repeat(open + 1);
}

/** Return a group's value as text; the empty text is spelled out. */
export function formatGroupValue(value) {
  return value === "" ? "(empty)" : value;
}

/** Return a duration: `45 s`, `12 min`, `3 h`, `5 d`. */
export function formatDuration(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${integer.format(Math.round(seconds / 86_400))} d`;
}

/** Return a number with its noun: `1 flight`, `1,200 flights`. */
export function countOf(number, singular, plural = `${singular}s`) {
  return `${integer.format(number)} ${number === 1 ? singular : plural}`;
}

/** Return texts as a list: `a, b and c`. */
export function formatList(texts) {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

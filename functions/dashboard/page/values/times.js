/**
 * Time buckets: their labels as instants, and instants as text, in the aggregate's time zone. Instants are in ms.
 */

const LANGUAGE = "en-GB";

const LENGTH_S = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 2_629_800,
  quarter: 7_889_400,
  year: 31_557_600,
};
const SEVERAL = /^(\d+) (second|minute|hour)s$/;

/** Return the unit of a time bucket as the API describes it: `hour`, or for several `15 minutes`. */
export function unitOf({ kind, size }) {
  return size === undefined ? kind : `${size} ${kind}s`;
}

/** Return the unit that a bucket has one or several of: `minute` for `15 minutes`. */
function baseUnit(unit) {
  return SEVERAL.exec(unit)?.[2] ?? unit;
}

/** Return the length of a bucket in seconds; for a month, quarter or year, the average. */
export function bucketLengthS(unit) {
  const [, size, base] = SEVERAL.exec(unit) ?? [null, 1, unit];
  return size * LENGTH_S[base];
}

/** Return whether buckets are shorter than a day. */
export function isWithinDay(unit) {
  return bucketLengthS(unit) < LENGTH_S.day;
}

/** Return one bucket in words: `hour`, `bucket of 15 minutes`. */
export function bucketNoun(unit) {
  return SEVERAL.test(unit) ? `bucket of ${unit}` : unit;
}

/** Return several buckets in words: `100 hours`, `100 buckets of 15 minutes`. */
export function bucketCount(number, unit) {
  return SEVERAL.test(unit) ? `${number} buckets of ${unit}` : `${number} ${unit}s`;
}

/** Return several consecutive buckets as one time: `6 hours`, `45 minutes` for three of 15 minutes, `3 days`. */
export function severalBuckets(number, unit) {
  const [, size, base] = SEVERAL.exec(unit) ?? [null, 1, unit];
  return `${number * size} ${base}s`;
}

const formatters = new Map();

function formatter(zone, options) {
  const key = `${zone} ${JSON.stringify(options)}`;
  if (!formatters.has(key))
    formatters.set(key, new Intl.DateTimeFormat(LANGUAGE, { timeZone: zone, hourCycle: "h23", ...options }));
  return formatters.get(key);
}

/** Return the time zone, or UTC if this browser does not support it. */
export function supportedZone(zone) {
  try {
    formatter(zone, {});
    return zone;
  } catch {
    return "UTC";
  }
}

/** More than the buckets of a panel, which are read again with each refresh. */
const MAX_REMEMBERED = 50_000;
const offsets = new Map();

/** No zone's clock changed before; `Date.UTC` takes years up to 99 for others, and the formatter has no year 0. */
const EARLIEST_CHANGE = Date.UTC(1000, 0);

/** Return a zone's offset from UTC at an instant. */
function offset(givenInstant, zone) {
  const instant = Math.max(givenInstant, EARLIEST_CHANGE);
  if (!(offsets.get(zone)?.size < MAX_REMEMBERED)) offsets.set(zone, new Map());
  const known = offsets.get(zone);
  if (!known.has(instant)) known.set(instant, computedOffset(instant, zone));
  return known.get(instant);
}

function computedOffset(instant, zone) {
  const part = Object.fromEntries(
    formatter(zone, {
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    })
      .formatToParts(instant)
      .map(({ type, value }) => [type, Number(value)]),
  );
  return (
    Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) -
    Math.floor(instant / 1000) * 1000
  );
}

const DAY_MS = 86_400_000;
/** Longer than any bucket within a day. */
const HALF_DAY_MS = DAY_MS / 2;

/**
 * Return a local time read with the offsets before and after a change of the clock nearby, and those of these instants
 * at which the zone's clock does show it: both if it occurs twice, none if it is skipped.
 */
export function readings(localTime, zone) {
  const asUtc = Date.parse(`${localTime}Z`);
  const [before, after] = [asUtc - offset(asUtc - DAY_MS, zone), asUtc - offset(asUtc + DAY_MS, zone)];
  return { before, after, shown: [before, after].filter((instant) => localTimeOf(instant, zone) === localTime) };
}

/** Return the instant at which the clock changes between two instants with different offsets. */
function clockChange(before, after, zone) {
  const old = offset(before, zone);
  let [low, high] = [before, after];
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (offset(middle, zone) === old) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Return the instant of a local time of a zone, given as `2013-01-01T05:00`. A time that the clocks skip is read with
 * the offset before the gap; for one that occurs twice, `isLast` selects the second.
 */
export function instantOf(localTime, zone, { isLast = false } = {}) {
  const { before, shown } = readings(localTime, zone);
  return shown.at(isLast ? -1 : 0) ?? before;
}

/** Return the instant at which a bucket starts, from its label; NaN if the label is invalid. */
export function bucketStart(label, zone) {
  const text = String(label);
  if (text.length > 10) return timeStart(text, zone);
  const { before, after, shown } = readings(`${firstDay(text)}T00:00`, zone);
  return shown[0] ?? clockChange(after, before, zone);
}

/** Return the first day of a year, quarter, month, week or day, from its label. */
function firstDay(label) {
  const quarter = /^(\d{4})-Q([1-4])$/.exec(label);
  if (quarter !== null) return `${quarter[1]}-${String(quarter[2] * 3 - 2).padStart(2, "0")}-01`;
  return label + "-01-01".slice(label.length - 4);
}

/** Return the start of a bucket within a day: the clock change, if the zone reaches the label's offset only then. */
function timeStart(label, zone) {
  const found = /^(.{16}(?::\d\d)?)([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(label);
  if (found === null) return Number.NaN;
  const [, local, sign, hours, minutes, seconds] = found;
  const labelOffset = Number(`${sign}1000`) * (hours * 3600 + minutes * 60 + Number(seconds ?? 0));
  const start = Date.parse(`${local}Z`) - labelOffset;
  if (offset(start, zone) === labelOffset || offset(start + HALF_DAY_MS, zone) !== labelOffset) return start;
  return clockChange(start, start + HALF_DAY_MS, zone);
}

/** Return what a zone's clock shows at an instant, in ms as if it were UTC. */
export function clockAt(instant, zone) {
  return instant + offset(instant, zone);
}

/** Return what the clock shows at the beginning of a bucket by its label, in ms as if it were UTC. */
export function clockOf(label) {
  const text = String(label);
  const local = text.length > 10 ? /^.{16}(?::\d\d)?/.exec(text)[0] : `${firstDay(text)}T00:00`;
  return Date.parse(`${local}Z`);
}

/** Return the instant at which a bucket that starts at an instant ends. */
export function bucketEnd(start, unit, zone) {
  if (isWithinDay(unit)) return timeEnd(start, bucketLengthS(unit) * 1000, zone);
  const day = new Date(`${localTimeOf(start, zone).slice(0, 10)}T00:00Z`);
  const months = { month: 1, quarter: 3, year: 12 }[unit];
  if (months) day.setUTCMonth(day.getUTCMonth() + months);
  else day.setUTCDate(day.getUTCDate() + (unit === "week" ? 7 : 1));
  return endBefore(day.toISOString().slice(0, 10), zone);
}

/** Return the instant at which the bucket that ends at an instant starts. */
export function bucketBefore(end, unit, zone) {
  if (isWithinDay(unit)) return timeBefore(end, bucketLengthS(unit) * 1000, zone);
  const lastDay = localTimeOf(end - 1, zone).slice(0, 10);
  return bucketStart(firstDayOf(lastDay, unit), zone);
}

/** Return the first day of the week, month, quarter or year that ends with a day; for a day, the day itself. */
function firstDayOf(lastDay, unit) {
  const [year, month] = lastDay.split("-");
  const day = new Date(`${lastDay}T00:00Z`);
  day.setUTCDate(day.getUTCDate() - 6);
  const quarter = String(month - ((month - 1) % 3)).padStart(2, "0");
  const days = { week: day.toISOString().slice(0, 10), month: `${year}-${month}-01`, year: `${year}-01-01` };
  return unit === "quarter" ? `${year}-${quarter}-01` : (days[unit] ?? lastDay);
}

/** Return the instant at which the day before a date ends: the second midnight, if the clocks went back into that day. */
function endBefore(date, zone) {
  const { before, after, shown } = readings(`${date}T00:00`, zone);
  if (shown.length === 0) return clockChange(after, before, zone);
  const last = shown.at(-1);
  return localTimeOf(last - 1, zone) < date ? last : shown[0];
}

/** Return the end of a bucket within a day: where the zone's clock shows the next one, or changes. */
function timeEnd(start, length, zone) {
  const shift = offset(start, zone);
  const since = (((start + shift) % length) + length) % length;
  const end = start - since + length;
  return offset(end - 1, zone) === shift ? end : clockChange(start, end - 1, zone);
}

/** Return the start of the bucket within a day that ends at an instant: where the clock shows it, or changes. */
function timeBefore(end, length, zone) {
  const last = end - 1;
  const shift = offset(last, zone);
  const start = last - ((((last + shift) % length) + length) % length);
  return offset(start, zone) === shift ? start : clockChange(start, last, zone);
}

/** Return the local time of a zone at an instant, as `2013-01-01T05:00`. */
export function localTimeOf(instant, zone) {
  return new Date(Math.floor(instant / 1000) * 1000 + offset(instant, zone)).toISOString().slice(0, 16);
}

const DATE = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
const TIME = { ...DATE, hour: "2-digit", minute: "2-digit" };
const BUCKET_FORMATS = {
  second: { ...TIME, second: "2-digit" },
  minute: TIME,
  hour: TIME,
  day: DATE,
  week: { day: "numeric", month: "short", year: "numeric" },
  month: { month: "long", year: "numeric" },
  year: { year: "numeric" },
};

/**
 * Return a bucket as text: `Tue, 1 Jan 2013, 05:00`, `Week of 31 Dec 2012`, `January 2013`, `Q1 2013`, and for one that
 * is not over `January 2013, so far`. A time that the clocks show twice has its offset: `…, 02:00 GMT+2`.
 */
export function formatBucket(instant, unit, zone, isOpen = false) {
  return `${bucketText(instant, baseUnit(unit), zone)}${isOpen ? ", so far" : ""}`;
}

function bucketText(instant, unit, zone) {
  if (unit === "quarter") {
    const [year, month] = localTimeOf(instant, zone).split("-");
    return `Q${Math.ceil(month / 3)} ${year}`;
  }
  const text = textIn(zone, BUCKET_FORMATS[unit], instant, isWithinDay(unit));
  return unit === "week" ? `Week of ${text}` : text;
}

/** Return an instant as text; if it is a time of day that the clocks show twice, with its offset. */
function textIn(zone, options, instant, isTime = true) {
  const { shown } = isTime ? readings(localTimeOf(instant, zone), zone) : { shown: [] };
  const name = shown[0] === shown.at(-1) ? {} : { timeZoneName: "shortOffset" };
  return formatter(zone, { ...options, ...name }).format(instant);
}

/**
 * Return an instant, given as RFC 3339, as text to the second in a zone; without a zone in UTC, and saying so. One that
 * JavaScript cannot read, such as a leap second, stays as it is.
 */
export function formatInstant(text, zone) {
  const instant = Date.parse(text);
  if (Number.isNaN(instant)) return text;
  const shown = textIn(zone ?? "UTC", { ...TIME, second: "2-digit" }, instant);
  return zone === null ? `${shown} UTC` : shown;
}

/** Return the label of a tick on the time axis. The first tick of a day shows the date. `stepS` is the tick distance. */
export function formatTimeTick(instant, stepS, zone, previous) {
  if (stepS >= 365 * 86_400) return formatter(zone, { year: "numeric" }).format(instant);
  if (stepS >= 28 * 86_400) return formatter(zone, { month: "short", year: "2-digit" }).format(instant);
  const date = formatter(zone, { day: "numeric", month: "short" });
  if (stepS >= 86_400) return date.format(instant);
  const seconds = stepS < 60 ? { second: "2-digit" } : {};
  const time = formatter(zone, { hour: "2-digit", minute: "2-digit", ...seconds }).format(instant);
  const isNewDay = previous === null || date.format(previous) !== date.format(instant);
  return isNewDay ? `${time}\n${date.format(instant)}` : time;
}

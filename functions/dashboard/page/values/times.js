/**
 * Time buckets: their labels as instants, and instants as text, in the aggregate's time zone. Instants are in ms.
 */

const LANGUAGE = "en-GB";

/** The length of a bucket of each unit, in seconds; a month's is the average. */
export const BUCKET_LENGTH_S = { minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_629_800 };

const COARSER_UNITS = {
  minute: ["hour", "day", "week", "month"],
  hour: ["day", "week", "month"],
  day: ["week", "month"],
  week: [],
  month: [],
};
const NEXT_UNITS = { minute: ["hour"], hour: ["day"], day: ["week", "month"], week: [], month: [] };

/** Return the units that rows can be rolled up to; if the bucket comes first in the key, only the next larger ones. */
export function rollupUnits(unit, bucketFirst) {
  return (bucketFirst ? NEXT_UNITS : COARSER_UNITS)[unit] ?? [];
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

/** Return a zone's offset from UTC at an instant. */
function offset(instant, zone) {
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

const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000];

/**
 * Return a local time read with the offsets before and after a change of the clock nearby, and those of these instants
 * at which the zone's clock does show it: both if it occurs twice, none if it is skipped.
 */
function readings(localTime, zone) {
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
 * the offset before the gap; of one that occurs twice, `isLast` selects the second.
 */
export function instantOf(localTime, zone, { isLast = false } = {}) {
  const { before, shown } = readings(localTime, zone);
  return shown.at(isLast ? -1 : 0) ?? before;
}

/** Return the instant at which a bucket starts, from its label; NaN if the label is invalid. */
export function bucketStart(label, zone) {
  const text = String(label);
  if (text.length > 10) return timeStart(text, zone);
  const midnight = `${text.length === 7 ? `${text}-01` : text}T00:00`;
  const { before, after, shown } = readings(midnight, zone);
  return shown[0] ?? clockChange(after, before, zone);
}

/** Return the start of an hour or minute: the clock change, if the zone reaches the label's offset only then. */
function timeStart(label, zone) {
  const found = /^(.{16})([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(label);
  if (found === null) return Number.NaN;
  const [, local, sign, hours, minutes, seconds] = found;
  const labelOffset = Number(`${sign}1000`) * (hours * 3600 + minutes * 60 + Number(seconds ?? 0));
  const start = Date.parse(`${local}Z`) - labelOffset;
  if (offset(start, zone) === labelOffset || offset(start + HOUR_MS, zone) !== labelOffset) return start;
  return clockChange(start, start + HOUR_MS, zone);
}

/** Return the instant at which a bucket ends that starts at an instant. */
export function bucketEnd(start, unit, zone) {
  if (unit === "minute" || unit === "hour") return start + BUCKET_LENGTH_S[unit] * 1000;
  const day = new Date(`${localTimeOf(start, zone).slice(0, 10)}T00:00Z`);
  if (unit === "month") day.setUTCMonth(day.getUTCMonth() + 1);
  else day.setUTCDate(day.getUTCDate() + (unit === "week" ? 7 : 1));
  return instantOf(day.toISOString().slice(0, 16), zone);
}

/** Return the local time of a zone at an instant, as `2013-01-01T05:00`. */
export function localTimeOf(instant, zone) {
  return new Date(Math.floor(instant / 60_000) * 60_000 + offset(instant, zone)).toISOString().slice(0, 16);
}

const BUCKET_FORMATS = {
  minute: { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  hour: { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  day: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  week: { day: "numeric", month: "short", year: "numeric" },
  month: { month: "long", year: "numeric" },
};

/**
 * Return a bucket as text: `Tue, 1 Jan 2013, 05:00`, `Week of 31 Dec 2012`, `January 2013`, and of one that is not over
 * `January 2013, so far`.
 */
export function formatBucket(instant, unit, zone, isOpen = false) {
  const text = formatter(zone, BUCKET_FORMATS[unit]).format(instant);
  return `${unit === "week" ? "Week of " : ""}${text}${isOpen ? ", so far" : ""}`;
}

/** Return the label of a tick on the time axis. The first tick of a day shows the date. `stepS` is the tick distance. */
export function formatTimeTick(instant, stepS, zone, previous) {
  if (stepS >= 365 * 86_400) return formatter(zone, { year: "numeric" }).format(instant);
  if (stepS >= 28 * 86_400) return formatter(zone, { month: "short", year: "2-digit" }).format(instant);
  const date = formatter(zone, { day: "numeric", month: "short" });
  if (stepS >= 86_400) return date.format(instant);
  const time = formatter(zone, { hour: "2-digit", minute: "2-digit" }).format(instant);
  const isNewDay = previous === null || date.format(previous) !== date.format(instant);
  return isNewDay ? `${time}\n${date.format(instant)}` : time;
}

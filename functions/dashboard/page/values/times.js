/**
 * The labels of time buckets as instants and as words, by the clock of the aggregate's time zone. Instants are in ms.
 */

const LANGUAGE = "en-GB";

/** About how long a bucket of each unit is, in seconds. */
export const LENGTH_S = { minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_629_800 };

const COARSER = {
  minute: ["hour", "day", "week", "month"],
  hour: ["day", "week", "month"],
  day: ["week", "month"],
  week: [],
  month: [],
};
const NEXT = { minute: ["hour"], hour: ["day"], day: ["week", "month"], week: [], month: [] };

/** Return the intervals that rows can be added up to; where the bucket comes first in the key, only the next ones. */
export function intervals(unit, bucketFirst) {
  return (bucketFirst ? NEXT : COARSER)[unit] ?? [];
}

const formats = new Map();

function format(zone, options) {
  const key = `${zone} ${JSON.stringify(options)}`;
  if (!formats.has(key))
    formats.set(key, new Intl.DateTimeFormat(LANGUAGE, { timeZone: zone, hourCycle: "h23", ...options }));
  return formats.get(key);
}

/** Return a time zone that this browser knows: the one named, or UTC. */
export function known(zone) {
  try {
    format(zone, {});
    return zone;
  } catch {
    return "UTC";
  }
}

/** Return how far the clocks of a zone are ahead of UTC at an instant. */
function offset(instant, zone) {
  const part = Object.fromEntries(
    format(zone, {
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

/** Return the instant at which clocks of a zone show this date and time; text as `2013-01-01T05:00`. */
export function instantOf(clock, zone) {
  const shown = Date.parse(`${clock}Z`);
  const guess = shown - offset(shown, zone);
  return shown - offset(guess, zone);
}

/** Return the instant at which a bucket begins, from its label; NaN where it is none. */
export function begin(label, zone) {
  const text = String(label);
  if (text.length > 10) return Date.parse(text);
  const day = text.length === 7 ? `${text}-01` : text;
  return instantOf(`${day}T00:00`, zone);
}

/** Return what the clock shows at an instant, as `2013-01-01T05:00`. */
export function clock(instant, zone) {
  return new Date(Math.floor(instant / 60_000) * 60_000 + offset(instant, zone)).toISOString().slice(0, 16);
}

const WORDS = {
  minute: { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  hour: { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  day: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  week: { day: "numeric", month: "short", year: "numeric" },
  month: { month: "long", year: "numeric" },
};

/** Return a bucket in words: `Tue, 1 Jan 2013, 05:00`, `Week of 31 Dec 2012`, `January 2013`. */
export function words(instant, unit, zone) {
  const text = format(zone, WORDS[unit]).format(instant);
  return unit === "week" ? `Week of ${text}` : text;
}

/** Return the label of a tick; the first of a day says which one, too. `stepS` is the distance between ticks. */
export function tick(instant, stepS, zone, before) {
  if (stepS >= 365 * 86_400) return format(zone, { year: "numeric" }).format(instant);
  if (stepS >= 28 * 86_400) return format(zone, { month: "short", year: "2-digit" }).format(instant);
  const day = format(zone, { day: "numeric", month: "short" }).format(instant);
  if (stepS >= 86_400) return day;
  const time = format(zone, { hour: "2-digit", minute: "2-digit" }).format(instant);
  const isNew = before === null || format(zone, { day: "numeric", month: "short" }).format(before) !== day;
  return isNew ? `${time}\n${day}` : time;
}

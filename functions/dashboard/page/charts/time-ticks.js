/** The ticks of the time axis: at round times of a zone's clock, whatever the zone of the browser. */

import { bucketStart, clockAt, readings } from "../values/times.js";

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const MONTH_S = 30 * DAY_S;
const YEAR_S = 365 * DAY_S;
/** 1970 began on a Thursday. */
const FIRST_MONDAY = 4;
/** The length of an instant as text; those before the year 0 and beyond 9999 have a sign. */
const WITHIN_CALENDAR = "0000-01-01T00:00:00.000Z".length;
const [FIRST_YEAR, LAST_YEAR] = [1, 9999];

/** Distances between ticks, as uPlot chooses from: 30 days stand for a month and 365 days for a year. */
const TIME_STEPS_S = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_S),
  ...[1, 2, 3, 4, 6, 8, 12].map((hours) => hours * HOUR_S),
  ...[1, 2, 3, 4, 7, 14].map((days) => days * DAY_S),
  ...[1, 2, 3, 4, 6].map((months) => months * MONTH_S),
  ...[1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500].map((years) => years * YEAR_S),
];

/** Return the distances that make sense for buckets of a length: closer ticks would mark nothing. */
export function timeSteps(bucketS) {
  return TIME_STEPS_S.filter((step) => step >= Math.min(bucketS, MONTH_S));
}

/** Return the ticks between two seconds, both included, ascending. `stepS` is one of {@link timeSteps}. */
export function timeTicks(from, to, stepS, zone) {
  const ticks = candidates(from, to, stepS, zone).filter((second) => second >= from && second <= to);
  return [...new Set(ticks)].sort((one, other) => one - other);
}

function candidates(from, to, stepS, zone) {
  // no zone's offset has seconds today
  if (stepS < MINUTE_S) return multiples(from, to, stepS);
  if (stepS < DAY_S) return ticksOfClock(from, to, stepS, zone);
  const [first, last] = [from, to].map((second) => new Date(clockAt(second * 1000, zone)));
  const days = stepS < MONTH_S ? daysBetween(first, last, stepS / DAY_S) : monthsBetween(first, last, stepS);
  return days.map((day) => bucketStart(day, zone) / 1000);
}

/** Return the multiples of a step from the last one before a number to the first one after another. */
function multiples(from, to, step) {
  const first = Math.floor(from / step);
  return Array.from({ length: Math.ceil(to / step) - first + 1 }, (_, index) => (first + index) * step);
}

/** Return when a zone's clock shows multiples of a step: some never, some twice, of which only close ticks show both. */
function ticksOfClock(from, to, stepS, zone) {
  const [first, last] = [from, to].map((second) => clockAt(second * 1000, zone) / 1000);
  const shift = Math.abs(last - to - (first - from));
  return multiples(Math.min(first, last) - shift, Math.max(first, last) + shift, stepS).flatMap((clock) => {
    const text = new Date(clock * 1000).toISOString();
    if (text.length !== WITHIN_CALENDAR) return [];
    const { shown } = readings(text.slice(0, 16), zone);
    const seconds = shown.map((instant) => instant / 1000).filter((second) => second >= from && second <= to);
    return stepS > HOUR_S ? seconds.slice(0, 1) : seconds;
  });
}

/** Return every so many days; of weeks, the Mondays. */
function daysBetween(first, last, days) {
  const offset = days % 7 === 0 ? FIRST_MONDAY : 0;
  const [from, to] = [first, last].map((clock) => clock.getTime() / 1000 / DAY_S - offset);
  return multiples(from, to, days).map((day) => dateText(new Date((day + offset) * DAY_S * 1000)));
}

/** Return the first day of every so many months or years. */
function monthsBetween(first, last, stepS) {
  const months = stepS < YEAR_S ? stepS / MONTH_S : (stepS / YEAR_S) * 12;
  const [from, to] = [first, last].map((clock) => clock.getUTCFullYear() * 12 + clock.getUTCMonth());
  return multiples(from, to, months)
    .filter((month) => month >= FIRST_YEAR * 12 && month < (LAST_YEAR + 1) * 12)
    .map((month) => {
      const day = new Date(0);
      day.setUTCFullYear(Math.floor(month / 12), month % 12, 1);
      return dateText(day);
    });
}

function dateText(day) {
  return day.toISOString().slice(0, 10);
}

/** How fresh numbers are, as text, and whether to warn. */

import { formatDuration } from "../values/format.js";

/** A lag of a second or two is normal while changes come in. */
export const STALE_S = 5;

/**
 * Describe how fresh a panel's numbers are.
 *
 * @param {object|null} read the last response: `freshness` as the API reported it or null, `isEmpty`, and `ageS`, how
 *   long ago it was; null before the first one
 * @param {number} silenceS how long the API has not answered; 0 unless it was asked
 * @param {{hasResponse: boolean}|null} failure of the last request
 * @param {number} limitS how long a panel may be silent, or its numbers old
 * @param {boolean} isFed whether changes are still added to its rows: the API's freshness is that of all aggregates
 * @returns {{state: string, text: string, warning: string|null}} `state` is `well`, `idle`, `late` or `none`
 */
export function describeFreshness(read, silenceS, failure, limitS, isFed = true) {
  if (silenceS > limitS) {
    const silence = formatDuration(silenceS);
    const cause = `no ${failure?.hasResponse ? "values" : "response"} from the API for ${silence}`;
    if (read === null) return { state: "late", text: "not read", warning: `Nothing has been read yet: ${cause}.` };
    const warning = `Stale: ${cause}. These are the last values received.`;
    return { state: "late", text: `updated ${formatDuration(read.ageS)} ago`, warning };
  }
  if (read === null) return { state: failure ? "late" : "none", text: "not read yet", warning: null };
  const { freshness, isEmpty, ageS } = read;
  // nobody has asked since: the panel is out of view, or the page is paused
  const isOld = ageS > limitS;
  if (freshness?.behind_s > STALE_S && isOld) {
    const [lag, ago] = [freshness.behind_s, ageS].map(formatDuration);
    const warning = `Stale: these values were read ${ago} ago, when aggregation was ${lag} behind.`;
    return { state: "late", text: `${lag} behind, ${ago} ago`, warning };
  }
  if (freshness?.behind_s > STALE_S) {
    const lag = formatDuration(freshness.behind_s + ageS);
    const warning = `Stale: aggregation is ${lag} behind. The latest changes may be missing.`;
    return { state: "late", text: `${lag} behind`, warning };
  }
  if (failure) return { state: "late", text: `updated ${formatDuration(ageS)} ago`, warning: null };
  if (!isFed) return { state: "late", text: "no longer updated", warning: null };
  if (isEmpty) return { state: "none", text: "no rows", warning: null };
  if (isOld) return { state: "none", text: `read ${formatDuration(ageS)} ago`, warning: null };
  return { ...describeChange(freshness, ageS), warning: null };
}

/** Return what holds for the rows of two responses: the older change, the greater age and the greater lag. */
export function leastFresh(one, other) {
  if (!one || !other) return one ?? other ?? null;
  const newest = [one.newest_change, other.newest_change].filter((time) => time !== null);
  const greatest = (name) =>
    [one[name], other[name]].filter((value) => value !== null).sort((a, b) => b - a)[0] ?? null;
  return { newest_change: newest.sort()[0] ?? null, age_s: greatest("age_s"), behind_s: greatest("behind_s") };
}

function describeChange(freshness, ageS) {
  if (freshness === null) return { state: "none", text: "freshness unknown" };
  const { newest_change: newest, age_s: changeS, behind_s: behindS } = freshness;
  if (newest === null) return { state: "idle", text: "no changes in two days" };
  const ago = `${formatDuration(changeS + ageS)} ago`;
  // without a batch for a while, nobody knows whether there are newer changes
  if (behindS === null) return { state: "idle", text: `up to date with the last change seen, ${ago}` };
  return { state: "well", text: `up to date · last change ${ago}` };
}

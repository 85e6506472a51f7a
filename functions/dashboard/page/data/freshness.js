/** How fresh numbers are, as text, and whether to warn. */

import { formatDuration } from "../values/format.js";

/** A lag of a second or two is normal while changes come in. */
export const STALE_S = 5;

/**
 * Describe how fresh numbers are.
 *
 * @param {object|null} freshness as the API reported it; null before the first response
 * @param {number} readAt when it was reported, in ms
 * @param {number} silenceLimitS how long the API may not respond before that is worth a warning
 * @returns {{text: string, warning: string|null}}
 */
export function describeFreshness(freshness, readAt, now, silenceLimitS) {
  if (freshness === null) return { text: "waiting for data", warning: null };
  const silenceS = (now - readAt) / 1000;
  if (silenceS > silenceLimitS) {
    const silence = formatDuration(silenceS);
    return {
      text: `updated ${silence} ago`,
      warning: `Stale: no response from the API for ${silence}. These are the last values received.`,
    };
  }
  if (freshness.behind_s > STALE_S) {
    const lag = formatDuration(freshness.behind_s + silenceS);
    return {
      text: `${lag} behind`,
      warning: `Stale: aggregation is ${lag} behind. The latest changes may be missing.`,
    };
  }
  if (freshness.newest_change === null) return { text: "up to date · no changes in two days", warning: null };
  return { text: `up to date · last change ${formatDuration(freshness.age_s + silenceS)} ago`, warning: null };
}

/** How fresh numbers are, in a few words, and whether somebody has to be warned. */

import { el, mark, say } from "../elements/dom.js";
import { duration } from "../values/format.js";

/** A second or two behind is normal while changes come in. */
export const STALE_S = 5;

/**
 * Say how fresh numbers are.
 *
 * @param {object|null} freshness as the API told it; null where it never has
 * @param {number} readAt when it was told, in ms
 * @param {number} patienceS for how long nothing may be heard before that is a reason to warn
 * @returns {{text: string, warning: string|null}}
 */
export function told(freshness, readAt, now, patienceS) {
  if (freshness === null) return { text: "not read yet", warning: null };
  const silence = (now - readAt) / 1000;
  if (silence > patienceS) {
    return {
      text: `read ${duration(silence)} ago`,
      warning: `Stale: the API has not answered for ${duration(silence)}. These are the numbers of then.`,
    };
  }
  if (freshness.behind_s > STALE_S) {
    const behind = duration(freshness.behind_s + silence);
    return {
      text: `${behind} behind`,
      warning: `Stale: counting is ${behind} behind. Changes made since then are not all in these numbers.`,
    };
  }
  if (freshness.newest_change === null) return { text: "up to date · no change in two days", warning: null };
  return { text: `up to date · last change ${duration(freshness.age_s + silence)} ago`, warning: null };
}

/** The mark of a panel: a dot with words beside its heading, and a warning above its numbers. */
export class FreshnessMark {
  #freshness = null;
  #readAt = 0;

  constructor(patienceS) {
    this.patienceS = patienceS;
    this.words = el("span", { text: "not read yet" });
    this.element = el("p", { class: "fresh" }, el("span", { class: "dot", "aria-hidden": "true" }), this.words);
    this.warning = el("p", { class: "warning", role: "status", hidden: true });
  }

  /** Take what an answer said. */
  heard(freshness) {
    this.#freshness = freshness;
    this.#readAt = Date.now();
    this.show(this.#readAt);
  }

  /** Show it as it is now; to be called every second. `paused` tells that nobody asks. */
  show(now, paused = false) {
    const { text, warning } = told(
      this.#freshness,
      this.#readAt,
      now,
      paused ? Number.POSITIVE_INFINITY : this.patienceS,
    );
    say(this.words, paused ? `${text} (paused)` : text);
    mark(this.element, "data-stale", warning === null ? null : "");
    this.warning.hidden = warning === null;
    // read aloud once, not with every second: what is spoken has no number that runs
    if (warning === null) this.warning.textContent = "";
    else if (this.warning.textContent === "" || now - this.toldAt > 10_000) {
      this.toldAt = now;
      say(this.warning, warning);
    }
  }
}

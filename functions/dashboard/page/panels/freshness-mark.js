/** The freshness of a panel: a dot with a text beside the heading, and a warning above the numbers. */

import { describeFreshness } from "../data/freshness.js";
import { el, setAttribute, setText } from "../elements/dom.js";

const ANNOUNCE_EVERY_MS = 10_000;

export class FreshnessMark {
  #freshness = null;
  #readAt = 0;
  #announcedAt = 0;

  constructor(silenceLimitS) {
    this.silenceLimitS = silenceLimitS;
    this.text = el("span", { text: "waiting for data" });
    this.element = el("p", { class: "fresh" }, el("span", { class: "dot", "aria-hidden": "true" }), this.text);
    this.warning = el("p", { class: "warning", role: "status", hidden: true });
  }

  /** Record what a response reported. */
  update(freshness) {
    this.#freshness = freshness;
    this.#readAt = Date.now();
    this.show(this.#readAt);
  }

  /** Show the freshness as of now; called every second. While paused, silence is not worth a warning. */
  show(now, isPaused = false) {
    const limitS = isPaused ? Number.POSITIVE_INFINITY : this.silenceLimitS;
    const { text, warning } = describeFreshness(this.#freshness, this.#readAt, now, limitS);
    setText(this.text, isPaused ? `${text} (paused)` : text);
    setAttribute(this.element, "data-stale", warning === null ? null : "");
    this.warning.hidden = warning === null;
    // screen readers announce every change, so the seconds in the text are not updated every second
    if (warning === null) this.warning.textContent = "";
    else if (this.warning.textContent === "" || now - this.#announcedAt > ANNOUNCE_EVERY_MS) {
      this.#announcedAt = now;
      setText(this.warning, warning);
    }
  }
}

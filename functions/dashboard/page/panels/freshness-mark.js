/** The freshness of a panel: a dot with a text next to the heading, and a warning above the numbers. */

import { describeFreshness } from "../data/freshness.js";
import { Silence } from "../data/silence.js";
import { el, setAttribute, setText } from "../elements/dom.js";

const ANNOUNCE_EVERY_MS = 10_000;

export class FreshnessMark {
  #read = null;
  #failure = null;
  #silence = new Silence();
  #announcedAt = 0;

  /** The state that is shown: `well`, `idle`, `late` or `none`. */
  state = "none";
  /** Whether changes are still added to the rows. */
  isFed = true;

  constructor(silenceLimitS) {
    this.silenceLimitS = silenceLimitS;
    this.text = el("span", { text: "not read yet" });
    this.element = el("p", { class: "fresh" }, el("span", { class: "dot", "aria-hidden": "true" }), this.text);
    this.warning = el("p", { class: "warning", role: "status", hidden: true });
  }

  /** Whether a response has arrived. */
  get isRead() {
    return this.#read !== null;
  }

  /** Record that the panel asks the API. */
  asked() {
    this.#silence.asked();
  }

  /** Record what a response reported; `freshness` is null if it did not. */
  update(freshness, isEmpty) {
    this.#silence.answered();
    this.#failure = null;
    this.#read = { freshness, isEmpty, at: Date.now() };
    this.show(this.#read.at, true);
  }

  /** Record that a request failed, with or without a response. */
  failed(error) {
    this.#failure = { hasResponse: error.status !== 0 };
    this.show(Date.now(), true);
  }

  /** Show the freshness as of now; called every second. Silence counts only while the panel asks, which is in view. */
  show(now, isAwaited, isPaused = false) {
    const silenceS = this.#silence.tick(now, isAwaited && !isPaused);
    // the clock may have been set back since
    const read = this.#read === null ? null : { ...this.#read, ageS: Math.max(0, now - this.#read.at) / 1000 };
    const { silenceLimitS, isFed } = this;
    const { state, text, warning } = describeFreshness(read, silenceS, this.#failure, silenceLimitS, isFed);
    this.state = state;
    setText(this.text, isPaused ? `${text} (paused)` : text);
    setAttribute(this.element, "data-state", state);
    this.warning.hidden = warning === null;
    // screen readers announce every change, so the seconds in the text are not updated every second
    if (warning === null) this.warning.textContent = "";
    else if (this.warning.textContent === "" || Math.abs(now - this.#announcedAt) > ANNOUNCE_EVERY_MS) {
      this.#announcedAt = now;
      setText(this.warning, warning);
    }
  }
}

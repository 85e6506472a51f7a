/** How long the API has not answered. */

/** A longer time between two ticks means that the page was asleep or hidden: nobody was waiting then. */
const MAX_TICK_MS = 3000;

/** Time without an answer, as far as one was requested and the page was awake. */
export class Silence {
  #isWaiting = false;
  #ms = 0;
  #tickAt = null;

  /** Record that a request is sent. */
  asked() {
    this.#isWaiting = true;
  }

  /** Record that the values have arrived. */
  answered() {
    this.#isWaiting = false;
    this.#ms = 0;
  }

  /** Add the time since the last call, unless nobody waits; return the silence in seconds. */
  tick(now, isAwaited) {
    const elapsed = Math.min(now - (this.#tickAt ?? now), MAX_TICK_MS);
    this.#tickAt = now;
    if (this.#isWaiting && isAwaited) this.#ms += Math.max(elapsed, 0);
    return this.#ms / 1000;
  }
}

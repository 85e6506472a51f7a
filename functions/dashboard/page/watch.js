/** Watches the API's list of aggregates, which changes while the page is open: by deployments and by builds. */

import { Problem } from "./client/api.js";
import { isBuilding, isBuilt } from "./data/generations.js";

const CHECK_EVERY_MS = 500;
const EVERY_MS = 5000;
const BUILDING_EVERY_MS = 2000;
const MAX_BACK_OFF_MS = 60_000;

/** Return a text that differs if a panel made for one description does not fit another. */
export function signature({ generations: _, ...description }) {
  return JSON.stringify(description);
}

/** Requests the list every few seconds, more often while something is being built. */
export class Watch {
  #nextAt = performance.now() + BUILDING_EVERY_MS;
  #failures = 0;
  #busy = false;

  /**
   * @param {() => boolean} isPaused
   * @param {(descriptions: object[]) => void} onList called with every response
   */
  constructor(api, isPaused, onList) {
    Object.assign(this, { api, isPaused, onList });
    setInterval(() => this.#checkIfDue(), CHECK_EVERY_MS);
  }

  /** Request the list at once, because a panel has found it to be out of date. */
  checkNow() {
    if (!this.#busy) this.#check();
  }

  #checkIfDue() {
    if (!this.#busy && performance.now() >= this.#nextAt && !document.hidden && !this.isPaused()) this.#check();
  }

  async #check() {
    this.#busy = true;
    let [everyMs, retryMs] = [EVERY_MS, 0];
    try {
      const aggregates = await this.api.getAggregates();
      this.#failures = 0;
      if (aggregates.some((one) => isBuilding(one) || !isBuilt(one))) everyMs = BUILDING_EVERY_MS;
      this.onList(aggregates);
    } catch (error) {
      // the panels and the stages show what the API's problem is
      if (!(error instanceof Problem)) throw error;
      this.#failures += 1;
      retryMs = (error.retryS ?? 0) * 1000;
    } finally {
      this.#nextAt = performance.now() + Math.max(Math.min(everyMs * 2 ** this.#failures, MAX_BACK_OFF_MS), retryMs);
      this.#busy = false;
    }
  }
}

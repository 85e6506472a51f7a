/** The stack's health: keeps the strip of stages up to date, and sums it up in one sentence. */

import { STALE_S } from "../data/freshness.js";
import { countOf, formatDuration } from "../values/format.js";

const SILENT_AFTER_MS = 8000;
const UNKNOWN_AFTER_MS = 10_000;

export class HealthMonitor {
  #last = null;

  constructor(api, stages) {
    this.api = api;
    this.stages = stages;
  }

  /** Request the health and show it. Rejects if the request fails. */
  async load() {
    try {
      this.#last = { health: await this.api.get("health"), at: Date.now() };
      this.stages.show(this.#last.health, this.#last.at, this.api.responseTimeMs);
    } catch (error) {
      if (this.#last === null || Date.now() - this.#last.at > UNKNOWN_AFTER_MS) this.stages.showUnknown();
      throw error;
    }
  }

  /** Return the state and its sentence. */
  state(now, isPaused) {
    if (isPaused) return ["paused", "Paused: values are not updated"];
    if (this.#last === null) return ["", "Waiting for the API …"];
    const silenceMs = now - this.#last.at;
    if (silenceMs > SILENT_AFTER_MS)
      return ["late", `No response from the API for ${formatDuration(silenceMs / 1000)}`];
    const { stages, quarantined_today: quarantined } = this.#last.health;
    const behindS = stages.find(({ name }) => name === "aggregate")?.behind_s ?? null;
    if (behindS > STALE_S) return ["late", `Aggregation is ${formatDuration(behindS)} behind`];
    const freshness = behindS === null ? "" : "up to date";
    const failures = quarantined > 0 ? `${countOf(quarantined, "item")} quarantined today` : "";
    return ["well", ["Live", freshness, failures].filter(Boolean).join(" · ")];
  }
}

/** The stack's health: keeps the strip of stages up to date, and sums it up in one sentence. */

import { Silence } from "../data/silence.js";
import { countOf, formatDuration } from "../values/format.js";

const SILENT_AFTER_S = 6;
const UNKNOWN_AFTER_MS = 10_000;
const MAX_CAUSES = 3;

export class HealthMonitor {
  #last = null;
  #hasResponse = false;
  #silence = new Silence();

  constructor(api, stages) {
    this.api = api;
    this.stages = stages;
  }

  /** Request the health and show it. Rejects if the request fails. */
  async load() {
    this.#silence.asked();
    try {
      const last = { health: await this.api.get("health"), at: Date.now() };
      this.stages.show(last.health, last.at, this.api.responseTimeMs);
      this.#last = last;
      this.#hasResponse = false;
      this.#silence.answered();
    } catch (error) {
      this.#hasResponse = error.status !== 0;
      if (this.#last === null || Math.abs(Date.now() - this.#last.at) > UNKNOWN_AFTER_MS) this.stages.showUnknown();
      throw error;
    }
  }

  /** Return the worst state of all tiles and panels, and its sentence. `panelStates` are those of the panels in view. */
  state(now, isPaused, panelStates) {
    const silenceS = this.#silence.tick(now, !isPaused && !document.hidden);
    if (isPaused) return ["paused", "Paused: values are not updated"];
    const missing = this.#hasResponse ? "health" : "response";
    if (silenceS > SILENT_AFTER_S) return ["late", `No ${missing} from the API for ${formatDuration(silenceS)}`];
    if (this.#last === null) return ["", "Waiting for the API …"];
    const { state, causes } = this.stages.worst;
    if (causes.length > 0) {
      const more = causes.length > MAX_CAUSES ? [`${causes.length - MAX_CAUSES} more`] : [];
      return [state, [...causes.slice(0, MAX_CAUSES), ...more].join(" · ")];
    }
    const stale = panelStates.filter((one) => one === "late").length;
    if (stale > 0) return ["late", `${countOf(stale, "panel is", "panels are")} not up to date`];
    return ["well", `Live · ${this.#lag()}`];
  }

  #lag() {
    const { health, at } = this.#last;
    const aggregate = health.stages.find(({ name }) => name === "aggregate");
    if (typeof aggregate?.behind_s === "number")
      return aggregate.behind_s === 0 ? "up to date" : `${formatDuration(aggregate.behind_s)} behind`;
    if (typeof aggregate?.age_s !== "number") return "no changes in two days";
    return `no changes for ${formatDuration(aggregate.age_s + (Date.now() - at) / 1000)}`;
  }
}

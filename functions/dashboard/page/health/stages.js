/** The strip of stages: lag, failures and rate of each, from `GET /health`. */

import { el, setAttribute, setText } from "../elements/dom.js";
import { formatNumber, NO_VALUE } from "../values/format.js";
import { STATES, sum, tilesOf, unknownTile } from "./tiles.js";

const RATE_WINDOW_MS = 15_000;
/** How far the system's clock and that of the page may move apart between two samples. */
const MAX_DRIFT_MS = 1000;
const FIGURES = { lag: "Lag", failed: "Failed", rate: "Rate" };

/** The stages by column, as docs/architecture.md draws the flow. */
const FLOW = [
  {
    heading: "Input",
    stages: [
      ["api", "HTTP API"],
      ["load", "Files"],
      ["ingest", "Intake queue"],
    ],
  },
  { heading: "Storage", stages: [["items", "Items table"]] },
  {
    heading: "Stream",
    stages: [
      ["fanout", "Fan-out"],
      ["aggregate", "Aggregate"],
    ],
  },
  {
    heading: "Output",
    stages: [
      ["archive", "Archive"],
      ["routes", "Routes"],
      ["rows", "Aggregates table"],
    ],
  },
  { heading: "Catalog", stages: [["catalog", "Catalog"]] },
];

/** The count whose growth is a tile's rate, where it has another name: a table's changes are those of a reader. */
const RATES = { items: "fanout", rows: "aggregate" };

export class Stages {
  #samples = [];
  #cards = new Map();
  #tiles = [];

  constructor(host) {
    const columns = FLOW.map(({ heading, stages }) => {
      const cards = stages.map(([key, label]) => this.#createCard(key, label));
      const title = el("h3", { class: "visually-hidden", text: heading });
      return el("li", { class: "column" }, title, el("ul", {}, ...cards));
    });
    host.replaceChildren(el("ol", { class: "flow" }, ...columns));
  }

  #createCard(key, label) {
    const state = el("span", { class: "word" });
    const figures = Object.fromEntries(Object.keys(FIGURES).map((name) => [name, el("dd", { text: NO_VALUE })]));
    const details = el("p", { class: "visually-hidden" });
    const causes = el("p", { class: "causes", hidden: true });
    const heading = el(
      "h4",
      {},
      el("span", { class: "dot", "aria-hidden": "true" }),
      el("span", { text: label }),
      state,
    );
    const rows = Object.entries(figures).map(([name, value]) =>
      el("div", {}, el("dt", { text: FIGURES[name] }), value),
    );
    const card = el("li", { class: "card", "data-stage": key }, heading, el("dl", {}, ...rows), causes, details);
    this.#cards.set(key, { card, state, figures, details, causes });
    return card;
  }

  /** Show what `GET /health` reported, and how long the request took. */
  show(health, now, responseTimeMs) {
    this.#addSample(health, now);
    const tiles = tilesOf(health, { responseTimeMs, newFailedRequests: this.#rate("failedRequests") });
    for (const [key, tile] of Object.entries(tiles)) this.#set(key, tile, this.#rate(RATES[key] ?? key));
    this.#tiles = Object.values(tiles);
  }

  /** Show that the health is unknown. */
  showUnknown() {
    for (const key of this.#cards.keys()) this.#set(key, unknownTile(), null);
    this.#tiles = [{ ...unknownTile(), causes: [{ rank: 0, text: "The state of the stages is unknown" }] }];
  }

  /** The worst state of all tiles, and the causes of all states, the worst first. */
  get worst() {
    const state = STATES.find((one) => this.#tiles.some((tile) => tile.state === one)) ?? "unknown";
    const causes = this.#tiles.flatMap((tile) => tile.causes).sort((one, other) => one.rank - other.rank);
    return { state, causes: causes.map(({ text }) => text) };
  }

  #set(key, { lag, failed, state: kind, word, named = [], details: text = "" }, rate) {
    const { card, state, figures, details, causes } = this.#cards.get(key);
    setText(figures.lag, lag ?? NO_VALUE);
    setText(figures.failed, failed ?? NO_VALUE);
    setText(figures.rate, rate === null ? NO_VALUE : rateText(rate));
    setAttribute(card, "data-state", kind);
    setText(state, word);
    setAttribute(card, "title", text || null);
    setText(details, text);
    causes.hidden = named.length === 0;
    setText(causes, named.join("; "));
  }

  #addSample(health, now) {
    const counts = Object.fromEntries(health.stages.map(({ name, changes }) => [name, changes]));
    const failedRequests = health.stages.find(({ name }) => name === "api")?.failed;
    // after one of the two clocks was set, or stopped during sleep, the time since the earlier samples is unknown
    const ahead = now - performance.now();
    const isComparable = (sample) => Math.abs(ahead - sample.ahead) < MAX_DRIFT_MS;
    const recent = this.#samples.filter((one) => Math.abs(now - one.at) <= RATE_WINDOW_MS && isComparable(one));
    const routes = health.routes.length === 0 ? null : sum(health.routes, "changes");
    this.#samples = [...recent, { at: now, ahead, ...counts, failedRequests, routes }];
  }

  /** Return a count's growth per second in the recent samples; null with fewer than two samples. */
  #rate(count) {
    const samples = this.#samples.filter((sample) => typeof sample[count] === "number");
    if (samples.length < 2) return null;
    const [first, last] = [samples[0], samples.at(-1)];
    return Math.max(0, (last[count] - first[count]) / ((last.at - first.at) / 1000));
  }
}

function rateText(rate) {
  return `${formatNumber(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate))}/s`;
}

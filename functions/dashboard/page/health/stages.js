/** The strip of stages: lag, failures and rate of each, from `GET /health`. */

import { STALE_S } from "../data/freshness.js";
import { el, setAttribute, setText } from "../elements/dom.js";
import { formatDuration, formatNumber, humanize, NO_VALUE } from "../values/format.js";

const RATE_WINDOW_MS = 15_000;
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

export class Stages {
  #samples = [];
  #cards = new Map();

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
    const card = el("li", { class: "card", "data-stage": key }, heading, el("dl", {}, ...rows), details);
    this.#cards.set(key, { card, state, figures, details });
    return card;
  }

  /** Show what `GET /health` reported, and how long the request took. */
  show(health, now, responseTimeMs) {
    const stages = Object.fromEntries(health.stages.map((stage) => [stage.name, stage]));
    this.#addSample(health, stages, now);
    this.#set("api", {
      lag: `${formatNumber(Math.round(responseTimeMs))} ms`,
      failed: stages.api?.failed,
      // the count covers two days: only new failures need attention
      isFailing: this.#rate("failedRequests") > 0,
      rate: this.#rate("api"),
    });
    this.#set("load", { lag: waitedText(stages.load), failed: health.files_failed, rate: this.#rate("load") });
    this.#set("ingest", { ...queueFigures(stages.ingest), rate: this.#rate("ingest") });
    this.#set("items", { rate: this.#rate("fanout") });
    this.#set("fanout", {
      ...streamFigures(stages.fanout),
      failed: health.quarantined_today,
      failureState: { kind: "late", text: "quarantined today" },
      rate: this.#rate("fanout"),
    });
    const aggregate = { ...streamFigures(stages.aggregate), rate: this.#rate("aggregate") };
    this.#set("aggregate", { ...aggregate, failed: health.given_up });
    this.#set("rows", aggregate);
    this.#set("archive", { ...queueFigures(stages.archive), rate: this.#rate("archive") });
    this.#set("catalog", { lag: waitedText(stages.catalog), failed: health.files_failed, rate: this.#rate("catalog") });
    this.#showRoutes(health.routes);
  }

  #showRoutes(routes) {
    const total = { waiting: sum(routes, "waiting"), failed: sum(routes, "failed") };
    this.#set("routes", routes.length === 0 ? {} : { ...queueFigures(total), rate: this.#rate("routes") });
    const details = routes
      .map(({ name, waiting, failed }) => {
        return `${humanize(name)}: ${waiting ?? NO_VALUE} waiting, ${failed ?? NO_VALUE} failed`;
      })
      .join("; ");
    const { card, details: element } = this.#cards.get("routes");
    setAttribute(card, "title", details || null);
    setText(element, details);
  }

  /** Show that the health is unknown. */
  showUnknown() {
    for (const key of this.#cards.keys()) this.#set(key, {});
  }

  #set(key, { lag, isLate = false, failed, rate, isFailing = failed > 0, failureState }) {
    const { card, state, figures } = this.#cards.get(key);
    setText(figures.lag, lag ?? NO_VALUE);
    setText(figures.failed, failed === undefined || failed === null ? NO_VALUE : formatNumber(failed));
    setText(figures.rate, rate === undefined || rate === null ? NO_VALUE : rateText(rate));
    const isUnknown = lag === undefined && failed === undefined && rate === undefined;
    let current = { kind: isUnknown ? "unknown" : "well", text: "" };
    if (isLate) current = { kind: "late", text: "behind" };
    else if (isFailing) current = failureState ?? { kind: "failed", text: "failed" };
    setAttribute(card, "data-state", current.kind);
    setText(state, current.text);
  }

  #addSample(health, stages, now) {
    const counts = Object.fromEntries(health.stages.map(({ name, changes }) => [name, changes]));
    const recent = this.#samples.filter(({ at }) => now - at <= RATE_WINDOW_MS);
    const sample = { at: now, ...counts, failedRequests: stages.api?.failed, routes: sum(health.routes, "changes") };
    this.#samples = [...recent, sample];
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

function queueFigures(queue) {
  if (!queue) return {};
  const isUnknown = queue.waiting === null || queue.waiting === undefined;
  return { lag: isUnknown ? undefined : `${formatNumber(queue.waiting)} waiting`, failed: queue.failed };
}

function waitedText(stage) {
  return typeof stage?.waited_s === "number" ? formatDuration(stage.waited_s) : undefined;
}

function streamFigures(stage) {
  const behindS = stage?.behind_s ?? null;
  return behindS === null ? {} : { lag: formatDuration(behindS), isLate: behindS > STALE_S };
}

/** Return the sum of a count; null if one of them is unknown. */
function sum(all, name) {
  return all.some((one) => one[name] === null) ? null : all.reduce((total, one) => total + one[name], 0);
}

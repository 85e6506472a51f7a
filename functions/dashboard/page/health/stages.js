/**
 * The flow from the entrances to the archive, each stage with its lag, what failed in it and its rate, from `GET
 * /health`.
 */

import { el, mark, say } from "../elements/dom.js";
import { STALE_S } from "../panels/freshness-mark.js";
import { duration, rounded, title } from "../values/format.js";

const RATE_OVER_MS = 15_000;
const UNKNOWN = "–";

/** The stages by column, as section 2 of docs/architecture.md draws them. */
const FLOW = [
  {
    heading: "In",
    stages: [
      ["api", "HTTP API"],
      ["load", "Files"],
      ["ingest", "Intake queue"],
    ],
  },
  { heading: "Stored", stages: [["items", "Items table"]] },
  {
    heading: "Stream",
    stages: [
      ["fanout", "Fan-out"],
      ["aggregate", "Aggregate"],
    ],
  },
  {
    heading: "Out",
    stages: [
      ["archive", "Archive"],
      ["routes", "Routes"],
      ["rows", "Aggregates table"],
    ],
  },
  { heading: "Listed", stages: [["catalog", "Catalog"]] },
];

/** The strip of stages. */
export class Stages {
  #looks = [];
  #cards = new Map();

  constructor(host) {
    const columns = FLOW.map(({ heading, stages }) => {
      const cards = stages.map(([key, label]) => this.#card(key, label));
      return el("li", { class: "column" }, el("h3", { class: "unseen", text: heading }), el("ul", {}, ...cards));
    });
    host.replaceChildren(el("ol", { class: "flow" }, ...columns));
  }

  #card(key, label) {
    const word = el("span", { class: "word" });
    const figures = Object.fromEntries(["lag", "failed", "rate"].map((name) => [name, el("dd", { text: UNKNOWN })]));
    const more = el("p", { class: "unseen" });
    const names = { lag: "Lag", failed: "Failed", rate: "Rate" };
    const list = el(
      "dl",
      {},
      ...Object.entries(figures).map(([name, value]) => el("div", {}, el("dt", { text: names[name] }), value)),
    );
    const card = el(
      "li",
      { class: "card", "data-stage": key },
      el("h4", {}, el("span", { class: "dot", "aria-hidden": "true" }), el("span", { text: label }), word),
      list,
      more,
    );
    this.#cards.set(key, { card, word, figures, more });
    return card;
  }

  /** Show what `GET /health` says, and in how many ms it was said. */
  show(health, now, answeredInMs) {
    const stage = Object.fromEntries(health.stages.map((one) => [one.name, one]));
    const routes = health.routes;
    const counts = Object.fromEntries(health.stages.map((one) => [one.name, one.changes]));
    this.#looks = [
      ...this.#looks.filter(({ at }) => now - at <= RATE_OVER_MS),
      { at: now, ...counts, failedRequests: stage.api?.failed, routes: sum(routes, "changes") },
    ];
    this.#set("api", {
      lag: `${rounded(Math.round(answeredInMs))} ms`,
      failed: stage.api?.failed,
      // they are those of two days, and a request that failed yesterday is nothing to look after
      alarming: this.#rate("failedRequests") > 0,
      rate: this.#rate("api"),
    });
    this.#set("load", { lag: waited(stage.load), failed: health.files_failed, rate: this.#rate("load") });
    this.#set("ingest", { ...queue(stage.ingest), rate: this.#rate("ingest") });
    this.#set("items", { rate: this.#rate("fanout") });
    this.#set("fanout", {
      lag: behind(stage.fanout),
      late: late(stage.fanout),
      failed: health.quarantined_today,
      word: "refused today",
      rate: this.#rate("fanout"),
    });
    this.#set("aggregate", {
      lag: behind(stage.aggregate),
      late: late(stage.aggregate),
      failed: health.given_up,
      rate: this.#rate("aggregate"),
    });
    this.#set("archive", { ...queue(stage.archive), rate: this.#rate("archive") });
    this.#set(
      "routes",
      routes.length === 0
        ? {}
        : { lag: waiting(sum(routes, "waiting")), failed: sum(routes, "failed"), rate: this.#rate("routes") },
    );
    this.#set("rows", { lag: behind(stage.aggregate), late: late(stage.aggregate), rate: this.#rate("aggregate") });
    this.#set("catalog", { lag: waited(stage.catalog), failed: health.files_failed, rate: this.#rate("catalog") });
    const detail = routes
      .map((one) => `${title(one.name)}: ${one.waiting ?? UNKNOWN} waiting, ${one.failed ?? UNKNOWN} failed`)
      .join("; ");
    mark(this.#cards.get("routes").card, "title", detail || null);
    say(this.#cards.get("routes").more, detail);
  }

  /** Show that nothing is known now. */
  unknown() {
    for (const key of this.#cards.keys()) this.#set(key, {});
  }

  #set(key, { lag, late: isLate = false, failed, rate, word = "failed", alarming = failed > 0 }) {
    const { card, word: state, figures } = this.#cards.get(key);
    say(figures.lag, lag ?? UNKNOWN);
    say(figures.failed, failed === undefined || failed === null ? UNKNOWN : rounded(failed));
    say(figures.rate, rate === undefined || rate === null ? UNKNOWN : perSecond(rate));
    const bad = isLate ? "behind" : alarming ? word : "";
    const kind = word === "refused today" ? "late" : "failed";
    mark(
      card,
      "data-state",
      isLate
        ? "late"
        : alarming
          ? kind
          : lag === undefined && failed === undefined && rate === undefined
            ? "unknown"
            : "well",
    );
    say(state, bad);
  }

  /** Return how much a second a count has grown lately; null until two looks tell. */
  #rate(count) {
    const looks = this.#looks.filter((look) => typeof look[count] === "number");
    if (looks.length < 2) return null;
    const [first, last] = [looks[0], looks.at(-1)];
    return Math.max(0, (last[count] - first[count]) / ((last.at - first.at) / 1000));
  }
}

function perSecond(rate) {
  return `${rounded(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate))}/s`;
}

function queue(stage) {
  return stage ? { lag: waiting(stage.waiting), failed: stage.failed } : {};
}

function waiting(number) {
  return number === null || number === undefined ? undefined : `${rounded(number)} waiting`;
}

function waited(stage) {
  return typeof stage?.waited_s === "number" ? duration(stage.waited_s) : undefined;
}

function behind(stage) {
  return stage?.behind_s === null || stage === undefined ? undefined : duration(stage.behind_s);
}

function late(stage) {
  return (stage?.behind_s ?? 0) > STALE_S;
}

function sum(some, name) {
  return some.some((one) => one[name] === null) ? null : some.reduce((total, one) => total + one[name], 0);
}

/** What each tile of the strip shows, from what `GET /health` reported. */

import { STALE_S } from "../data/freshness.js";
import { countOf, formatDuration, formatNumber, humanize } from "../values/format.js";

/** The states of a tile, the worst first. `idle` and `none` need no attention. */
export const STATES = ["failed", "late", "unknown", "well", "idle", "none"];

/**
 * @typedef {object} Tile
 * @property {string} [lag] as text
 * @property {string} [failed] as text
 * @property {string} state one of {@link STATES}
 * @property {string} word the state in a word or two; empty if it needs no attention
 * @property {{rank: number, text: string}[]} causes what needs attention, the least rank first
 * @property {string[]} [named] its parts that failed
 * @property {string} [details] more about its parts
 */

/**
 * Return the tiles by stage.
 *
 * @param {object} health the document
 * @param {{responseTimeMs: number, newFailedRequests: number|null}} api what the page itself has measured
 * @returns {Object<string, Tile>}
 */
export function tilesOf(health, measured) {
  const tiles = stageTiles(health, measured);
  // an API of an earlier release does not report it
  if (health.write_entrances === "off") for (const name of ENTRANCES) tiles[name] = withWritesOff(tiles[name]);
  return tiles;
}

/** The stages that write items. */
const ENTRANCES = ["api", "load", "ingest"];
const WRITES_OFF =
  "This stack only reads its items table, and refuses every item here. Write to the table itself, or deploy with " +
  "WriteEntrances=on.";

/** Say that an entrance refuses items; what needs attention there still comes first. */
function withWritesOff(tile) {
  const isQuiet = tile.word === "";
  return { ...tile, word: isQuiet ? "writes off" : tile.word, details: WRITES_OFF };
}

function stageTiles(health, { responseTimeMs, newFailedRequests }) {
  const stages = Object.fromEntries(health.stages.map((stage) => [stage.name, stage]));
  return {
    api: apiTile(stages.api, responseTimeMs, newFailedRequests),
    load: tile("Files", waited(stages.load), [
      failure(health.files_failed, "file"),
      ...quarantined(stages.load?.quarantined_today),
    ]),
    ingest: tile("Intake queue", waiting(stages.ingest), [
      failure(stages.ingest?.failed, "message"),
      ...quarantined(stages.ingest?.quarantined_today),
    ]),
    items: stages.fanout?.changes === null ? UNKNOWN : { state: "well", word: "", causes: [] },
    fanout: readerTile(stages.fanout, "Fan-out", [
      batches(health.given_up),
      ...quarantined(quarantinedByFanout(stages.fanout, health)),
    ]),
    aggregate: readerTile(stages.aggregate, "Aggregation", [batches(health.given_up)]),
    // a table has no failures of its own, and its lag is that of the stage that writes it
    rows: { ...readerTile(stages.aggregate, "Aggregation", []), causes: [] },
    archive: tile("Archive", waiting(stages.archive), [failure(stages.archive?.failed, "message")]),
    catalog: tile("Catalog", waited(stages.catalog), [objectsFailed(health, stages)]),
    routes: routesTile(health.routes),
  };
}

const UNKNOWN = { state: "unknown", word: "unknown", causes: [] };

/** What a tile shows if nothing is known. */
export function unknownTile() {
  return UNKNOWN;
}

function tile(name, lag, failures, details = "") {
  const happened = failures.filter(({ count }) => count > 0);
  const isUnknown = lag.isUnknown || failures.some(({ count }) => count === null || count === undefined);
  const [worst] = [...(lag.isLate ? [LATE] : []), ...happened].sort((one, other) => rank(one) - rank(other));
  const causes = happened.map(({ count, noun, done, state }) => ({
    rank: state === "failed" ? RANKS.failed : RANKS.quarantined,
    text: `${name}: ${countOf(count, noun)} ${done}`,
  }));
  if (lag.isLate) causes.push({ rank: RANKS.behind, text: `${name} is ${lag.text} behind` });
  if (!worst && isUnknown) causes.push({ rank: RANKS.unknown, text: `${name}: unknown` });
  return {
    lag: lag.text,
    failed: failedText(failures, happened),
    state: worst?.state ?? (isUnknown ? "unknown" : lag.isIdle ? "idle" : "well"),
    word: worst?.word ?? (isUnknown ? "unknown" : ""),
    causes,
    details,
  };
}

const RANKS = { failed: 0, behind: 1, quarantined: 2, unknown: 3 };
const LATE = { state: "late", word: "behind" };

function rank({ state }) {
  return STATES.indexOf(state);
}

/** Return the number of failures; of each kind, if several kinds happened. */
function failedText(failures, happened) {
  if (failures.length === 0) return undefined;
  if (happened.length > 1) return happened.map(({ count, noun }) => countOf(count, noun)).join(", ");
  if (happened.length === 1) return formatNumber(happened[0].count);
  return failures.some(({ count }) => count === null || count === undefined) ? undefined : "0";
}

function failure(count, noun, done = "failed") {
  return { count, noun, done, state: "failed", word: "failed" };
}

/** An API of an earlier release does not report these counts at each entrance. */
function quarantined(count) {
  if (count === undefined) return [];
  return [{ count, noun: "item", done: "quarantined today", state: "late", word: "quarantined today" }];
}

/** Return how many items fan-out refused; all of them, if it is not reported where items were refused. */
function quarantinedByFanout(fanout, health) {
  return fanout && "quarantined_today" in fanout ? fanout.quarantined_today : health.quarantined_today;
}

/** Discarded batches may be of either reader of the stream: they are counted together. */
function batches(count) {
  return failure(count, "batch of the stream", "given up");
}

/** What is given up of files and objects is counted together. Where no attempt of the catalog failed, it is files. */
function objectsFailed({ files_failed: count }, { load, catalog }) {
  if (typeof load?.refused !== "number" || typeof count !== "number") return failure(count, "object");
  return failure(catalog?.retried === 0 ? 0 : count - load.refused, "file or object", "given up");
}

function waiting(queue) {
  const count = queue?.waiting ?? null;
  return count === null ? { isUnknown: true } : { text: `${formatNumber(count)} waiting` };
}

function waited(stage) {
  const isUnknown = !stage || stage.changes === null;
  return { text: typeof stage?.waited_s === "number" ? formatDuration(stage.waited_s) : undefined, isUnknown };
}

/** A reader that had no batch for a while is idle, as far as anybody knows. */
function readerTile(stage, name, failures) {
  const { behind_s: behindS, age_s: ageS, changes } = stage ?? {};
  if (typeof behindS === "number")
    return tile(name, { text: formatDuration(behindS), isLate: behindS > STALE_S }, failures);
  if (changes === null || changes === undefined) return tile(name, { isUnknown: true }, failures);
  const text = typeof ageS === "number" ? `idle for ${formatDuration(ageS)}` : "idle";
  return tile(name, { text, isIdle: true }, failures);
}

/** The count of failed requests covers two days: only new failures need attention. */
function apiTile(stage, responseTimeMs, newFailedRequests) {
  const count = stage?.failed;
  const isKnown = typeof count === "number";
  const lag = { text: `${formatNumber(Math.round(responseTimeMs))} ms` };
  const shown = tile("HTTP API", lag, [failure(isKnown && !(newFailedRequests > 0) ? 0 : count, "request")]);
  return { ...shown, failed: isKnown ? formatNumber(count) : undefined };
}

function routesTile(routes) {
  if (routes.length === 0) return { state: "none", word: "", causes: [] };
  const failed = routes.filter((route) => route.failed > 0);
  const details = routes
    .map(
      ({ name, waiting: count, failed: dead }) => `${humanize(name)}: ${known(count)} waiting, ${known(dead)} failed`,
    )
    .join("; ");
  const total = tile("Routes", waiting({ waiting: sum(routes, "waiting") }), [
    failure(sum(routes, "failed"), "message"),
  ]);
  if (failed.length === 0) return { ...total, details };
  const count = failed.reduce((all, route) => all + route.failed, 0);
  const named = failed.map((route) => `${route.name}: ${countOf(route.failed, "message")} failed`);
  const causes = named.map((text) => ({ rank: RANKS.failed, text: `Route ${text}` }));
  return { ...total, failed: formatNumber(count), state: "failed", word: "failed", causes, named, details };
}

function known(count) {
  return count === null || count === undefined ? "unknown" : formatNumber(count);
}

/** Return the sum of a count; null if one of them is unknown. */
export function sum(all, name) {
  return all.some((one) => typeof one[name] !== "number") ? null : all.reduce((total, one) => total + one[name], 0);
}

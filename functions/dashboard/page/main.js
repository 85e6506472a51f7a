/** Builds the page from the API's list of aggregates. */

import { Api, Problem } from "./client/api.js";
import { signIn } from "./client/sign-in.js";
import { Aggregate } from "./data/aggregate.js";
import { Extents } from "./data/extents.js";
import { isFed } from "./data/generations.js";
import { appearanceButton } from "./elements/appearance.js";
import { button, el, setAttribute, setChildren, setText } from "./elements/dom.js";
import { HealthMonitor } from "./health/monitor.js";
import { Stages } from "./health/stages.js";
import { RankedPanel } from "./panels/ranked-panel.js";
import { TimePanel } from "./panels/time-panel.js";
import { TotalsPanel } from "./panels/totals-panel.js";
import { preparePrinting } from "./printing.js";
import { Refresh } from "./refresh.js";
import { countOf, humanize } from "./values/format.js";
import { signature, Watch } from "./watch.js";

const RETRY_MS = 3000;

const byId = (id) => document.getElementById(id);

/** Show a message at the top of the page, with buttons that can help. */
function showNotice(text, ...buttons) {
  const notice = el("p", { class: "problem" }, `${text} `, ...buttons);
  byId("notices").append(notice);
  return notice;
}

async function loadConfig() {
  const failed = "config.json could not be loaded";
  const response = await fetch("./config.json", { cache: "no-store" }).catch(() => null);
  if (!response?.ok) throw new Problem(response?.status ?? 0, failed);
  const given = await response.json().catch(() => {
    throw new Problem(0, failed);
  });
  return { refresh_s: 1, auth: null, title: "Tailrace", ...given };
}

/** Load what the page needs to start, and retry until that succeeds. */
async function retried(load) {
  let notice = null;
  for (;;) {
    try {
      const loaded = await load();
      notice?.remove();
      return loaded;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      notice ??= showNotice("");
      // a screen reader would announce the same text with each attempt
      setText(notice, `${error.message}. Retrying …`);
      await new Promise((resolve) => setTimeout(resolve, (error.retryS ?? 0) * 1000 || RETRY_MS));
    }
  }
}

/** The parts of the page with the panels of a collection, by its name. */
const parts = new Map();

function partOf(name) {
  if (!parts.has(name)) {
    const [count, grid] = [el("small"), el("div", { class: "grid" })];
    const section = el("section", { class: "collection" }, el("h2", {}, humanize(name), count), grid);
    parts.set(name, { section, count, grid });
  }
  return parts.get(name);
}

/** Put the panels on the page, grouped by collection. */
function placePanels(panels) {
  const collections = [...new Set(panels.map(({ aggregate }) => aggregate.collection))];
  for (const name of collections) {
    const own = panels.filter(({ aggregate }) => aggregate.collection === name);
    setText(partOf(name).count, countOf(own.length, "aggregate"));
    setChildren(
      partOf(name).grid,
      own.map(({ element }) => element),
    );
  }
  const sections = collections.map((name) => partOf(name).section);
  const none = el("p", { class: "waiting", text: "The pipeline defines no aggregates." });
  setChildren(byId("panels"), sections.length > 0 ? sections : [none]);
}

/** Make a panel for each aggregate. One whose description is as before is kept; return whether others changed. */
function updatePanels(panels, descriptions, { api, config, extents }) {
  const kept = new Map(panels.map((panel) => [panel.signature, panel]));
  const next = descriptions.map((description) => {
    const panel = kept.get(signature(description)) ?? createPanel(description, { api, config, extents });
    panel.generations.show(description);
    panel.freshness.isFed = isFed(description);
    return panel;
  });
  if (next.length > 0 && next.length === panels.length && next.every((panel, index) => panel === panels[index]))
    return false;
  panels.splice(0, panels.length, ...next);
  extents.aggregates = panels.map(({ aggregate }) => aggregate);
  placePanels(panels);
  return true;
}

function createPanel(description, { api, config, extents }) {
  const aggregate = new Aggregate(description);
  const panel = newPanel(aggregate, { api, config, extents });
  panel.signature = signature(description);
  return panel;
}

function newPanel(aggregate, { api, config, extents }) {
  if (aggregate.groups.length === 0) return new TotalsPanel(api, aggregate, config);
  if (aggregate.bucket === null) return new RankedPanel(api, aggregate, config);
  return new TimePanel(api, aggregate, config, extents);
}

function showState([kind, text]) {
  setAttribute(byId("state"), "data-state", kind);
  setText(byId("state"), text);
}

function stagesButton() {
  const flow = byId("flow");
  const toggle = button("Stages", () => show(flow.hidden), { "aria-controls": "flow" });
  const show = (isShown) => {
    flow.hidden = !isShown;
    setAttribute(toggle, "aria-expanded", String(isShown));
  };
  show(!matchMedia("(max-width: 560px)").matches);
  return toggle;
}

function pauseButton(refresh) {
  const toggle = button("Pause", () => {
    refresh.paused = !refresh.paused;
    toggle.textContent = refresh.paused ? "Resume" : "Pause";
    refresh.onTick(Date.now());
  });
  return toggle;
}

function placeTools(panels, refresh, session, reference) {
  const appearance = appearanceButton(() => {
    for (const panel of panels) panel.onAppearanceChange();
  });
  const link = reference ? el("a", { href: reference, text: "API" }) : null;
  const signOutLabel = session.userName ? `Sign out ${session.userName}` : "Sign out";
  const signOut = session.signOut ? button(signOutLabel, session.signOut) : null;
  const tools = [stagesButton(), pauseButton(refresh), appearance, link, signOut];
  byId("tools").replaceChildren(...tools.filter(Boolean));
}

async function start() {
  const config = await retried(loadConfig);
  document.title = config.title;
  setText(byId("title"), config.title);
  let ended = null;
  const onEnded = (text, signInAgain) => {
    ended?.remove();
    ended = showNotice(text, button("Sign in again", signInAgain));
  };
  const session = await signIn(config.auth, onEnded);
  if (session === null) {
    setText(byId("state"), "");
    byId("panels").replaceChildren();
    return;
  }
  const api = new Api(config.api, session);
  const health = new HealthMonitor(api, new Stages(byId("flow")));
  const panels = [];
  const shared = { api, config, extents: new Extents([]) };
  const aggregates = await retried(() => api.getAggregates());
  updatePanels(panels, aggregates, shared);
  const onTick = (now) => {
    for (const panel of panels) panel.freshness.show(now, panel.visible && !document.hidden, refresh.paused);
    const visible = panels.filter((panel) => panel.visible);
    showState(
      health.state(
        now,
        refresh.paused,
        visible.map((panel) => panel.freshness.state),
      ),
    );
  };
  const refresh = new Refresh(panels, () => health.load(), onTick);
  placeTools(panels, refresh, session, config.reference);
  preparePrinting(panels, () => refresh.paused, showNotice);
  const onList = (descriptions) => {
    if (updatePanels(panels, descriptions, shared)) refresh.observe();
  };
  const watch = new Watch(api, () => refresh.paused, onList);
  byId("panels").addEventListener("moved", () => watch.checkNow());
}

start().catch((error) => {
  showNotice(`The dashboard could not start: ${error.message}`);
  showState(["late", "Not started"]);
  byId("panels").replaceChildren();
  throw error;
});

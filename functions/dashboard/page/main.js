/** The page: made from the API's definition and nothing else. */

import { Api, Problem } from "./api/api.js";
import { signIn } from "./api/sign-in.js";
import { Aggregate } from "./data/aggregate.js";
import { Extents } from "./data/queries.js";
import { appearanceButton } from "./elements/appearance.js";
import { button, el, mark, say } from "./elements/dom.js";
import { Stages } from "./health/stages.js";
import { STALE_S } from "./panels/freshness-mark.js";
import { RankedPanel } from "./panels/ranked-panel.js";
import { TimePanel } from "./panels/time-panel.js";
import { Refresh } from "./refresh.js";
import { duration, many, title } from "./values/format.js";

const AGAIN_MS = 3000;

const place = (id) => document.getElementById(id);

/** Show a sentence above everything, with what can be done about it. */
function notice(text, ...actions) {
  const shown = el("p", { class: "problem" }, `${text} `, ...actions);
  place("notices").append(shown);
  return shown;
}

async function config() {
  const answer = await fetch("./config.json", { cache: "no-store" });
  if (!answer.ok) throw new Problem(answer.status, "The page's own settings (config.json) cannot be read");
  return { refresh_s: 1, auth: null, title: "Tailrace", ...(await answer.json()) };
}

/** Ask for the definition until it is there. */
async function definition(api) {
  let shown = null;
  for (;;) {
    try {
      const { aggregates } = await api.get("aggregates");
      shown?.remove();
      return aggregates.map((told) => new Aggregate(told));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      shown?.remove();
      shown = notice(`${error.message}. Asking again …`);
      await new Promise((resolve) => setTimeout(resolve, (error.retryS ?? 0) * 1000 || AGAIN_MS));
    }
  }
}

/** Put the panels on the page, under a heading for each collection. */
function lay(panels) {
  const collections = [...new Set(panels.map(({ aggregate }) => aggregate.collection))];
  const parts = collections.map((name) => {
    const own = panels.filter(({ aggregate }) => aggregate.collection === name);
    const heading = el("h2", {}, title(name), el("small", { text: many(own.length, "aggregate") }));
    return el(
      "section",
      { class: "collection" },
      heading,
      el("div", { class: "grid" }, ...own.map(({ element }) => element)),
    );
  });
  const none = el("p", { class: "waiting", text: "The definition has no aggregates." });
  place("panels").replaceChildren(...(parts.length > 0 ? parts : [none]));
}

/** Watch the stages: the strip, and the sentence beside the title. */
function watchHealth(api, stages) {
  let last = null;
  return {
    ask: async () => {
      try {
        last = { health: await api.get("health"), at: Date.now() };
        stages.show(last.health, last.at, api.answeredInMs);
      } catch (error) {
        if (last === null || Date.now() - last.at > 10_000) stages.unknown();
        throw error;
      }
    },
    state: (now, paused) => {
      if (paused) return ["paused", "Paused: the numbers are those of when you stopped"];
      if (last === null) return ["", "Waiting for the API …"];
      const silence = (now - last.at) / 1000;
      if (silence > 8) return ["late", `The API has not answered for ${duration(silence)}`];
      const behind = last.health.stages.find(({ name }) => name === "aggregate")?.behind_s ?? null;
      if (behind > STALE_S) return ["late", `Counting is ${duration(behind)} behind`];
      const refused = last.health.quarantined_today;
      return [
        "well",
        [
          "Live",
          behind === null ? "" : "all changes are counted",
          refused > 0 ? `${many(refused, "item")} refused today` : "",
        ]
          .filter(Boolean)
          .join(" · "),
      ];
    },
  };
}

function showState([kind, text]) {
  mark(place("state"), "data-state", kind);
  say(place("state"), text);
}

function tools(panels, refresh, session, reference) {
  const pause = button("Pause", () => {
    refresh.paused = !refresh.paused;
    pause.textContent = refresh.paused ? "Resume" : "Pause";
    refresh.onTick(Date.now());
  });
  const strip = place("flow");
  const stages = button("Stages", () => {
    strip.hidden = !strip.hidden;
    mark(stages, "aria-expanded", String(!strip.hidden));
  });
  strip.hidden = matchMedia("(max-width: 560px)").matches;
  mark(stages, "aria-expanded", String(!strip.hidden));
  mark(stages, "aria-controls", "flow");
  const appearance = appearanceButton(() => {
    for (const panel of panels) panel.recolour();
  });
  const out = session.signOut
    ? button(session.person ? `Sign out ${session.person}` : "Sign out", session.signOut)
    : null;
  const described = reference ? el("a", { href: reference, text: "API" }) : null;
  place("tools").replaceChildren(...[stages, pause, appearance, described, out].filter(Boolean));
}

async function start() {
  const given = await config();
  document.title = given.title;
  say(place("title"), given.title);
  const over = (again) => notice("Your sign-in is over.", button("Sign in again", again));
  const session = await signIn(given.auth, over);
  if (session === null) return;
  const api = new Api(given.api, session);
  const stages = new Stages(place("flow"));
  const aggregates = await definition(api);
  const extents = new Extents(aggregates);
  const panels = aggregates.map((one) =>
    one.bucket === null ? new RankedPanel(api, one, given) : new TimePanel(api, one, given, extents),
  );
  lay(panels);
  const health = watchHealth(api, stages);
  const tick = (now) => {
    for (const panel of panels) panel.mark.show(now, refresh.paused);
    showState(health.state(now, refresh.paused));
  };
  const refresh = new Refresh(panels, health.ask, tick);
  tools(panels, refresh, session, given.reference);
}

start().catch((error) => {
  notice(`The page cannot go on: ${error.message}`);
  throw error;
});

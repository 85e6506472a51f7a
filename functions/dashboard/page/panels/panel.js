/**
 * What every panel has: a heading, its freshness, plain words when something is wrong, the cells of its table, a file.
 */

import { Problem } from "../api/api.js";
import { button, el, mark, say, unique } from "../elements/dom.js";
import { Table } from "../elements/table.js";
import { title } from "../values/format.js";
import { download } from "./download.js";
import { FreshnessMark } from "./freshness-mark.js";

const LEAST_BACK_OFF_S = 2;
const MOST_BACK_OFF_S = 30;

/**
 * A panel of one aggregate. Subclasses read and draw in `load(signal)`, which returns what is fresh and the rows
 * for the table, and have
 * `parameters()`, the query of the rows that are shown.
 */
export class Panel {
  #reading = null;
  #failures = 0;

  /** Whether it can be seen; told by whoever watches the page. */
  visible = false;
  nextAt = 0;
  rows = [];

  constructor(api, aggregate, config) {
    this.api = api;
    this.aggregate = aggregate;
    this.refreshMs = config.refresh_s * 1000;
    this.mark = new FreshnessMark(Math.max(5, 3 * config.refresh_s + 2));
    this.heading = el("h3", { id: unique("panel"), text: title(aggregate.name) });
    this.controls = el("div", { class: "controls" });
    this.stage = el("div", { class: "stage" });
    this.notice = el("p", { class: "note", hidden: true });
    this.problem = el("p", { class: "problem", role: "status", hidden: true });
    this.table = new Table(aggregate, `Rows of ${title(aggregate.name)}`);
    this.table.element.hidden = true;
    this.element = el(
      "section",
      { class: "panel", "aria-labelledby": this.heading.id, "data-aggregate": aggregate.name },
      ...this.#parts(),
    );
    // for whoever looks into the page from the console
    this.element.panel = this;
  }

  #parts() {
    const head = el(
      "div",
      { class: "head" },
      el("div", {}, this.heading, el("p", { class: "about", text: this.aggregate.description ?? "" })),
      this.mark.element,
    );
    this.opener = button("Table", () => this.#openTable(), { "aria-expanded": "false" });
    this.file = button("Download CSV", () => this.#download());
    this.foot = el("p", { class: "note foot-note" });
    const foot = el("div", { class: "panel-foot" }, this.foot, el("div", { class: "tools" }, this.opener, this.file));
    return [head, this.controls, this.mark.warning, this.problem, this.stage, this.notice, foot, this.table.element];
  }

  /** Whether something is being read for it now. */
  get reading() {
    return this.#reading !== null;
  }

  /** Say something about what is shown; nothing hides it. */
  note(text) {
    this.notice.hidden = !text;
    say(this.notice, text ?? "");
  }

  /** Read again from the beginning, since something else is to be shown. */
  async change() {
    this.#reading?.abort();
    this.#reading = null;
    await this.refresh();
  }

  /** Read and draw, unless that is being done; a refusal is shown, and asked again later and later. */
  async refresh() {
    if (this.#reading !== null) return;
    const reading = new AbortController();
    this.#reading = reading;
    mark(this.element, "aria-busy", this.rows.length === 0 ? "true" : null);
    try {
      const { freshness, rows, requests } = await this.load(reading.signal);
      this.rows = rows;
      this.#failures = 0;
      this.nextAt = Date.now() + this.refreshMs * Math.max(1, requests - 1);
      this.problem.hidden = true;
      if (freshness) this.mark.heard(freshness);
      if (!this.table.element.hidden) this.table.show(rows);
    } catch (error) {
      if (reading.signal.aborted) return;
      this.#failed(error);
    } finally {
      if (this.#reading === reading) {
        this.#reading = null;
        mark(this.element, "aria-busy", null);
      }
    }
  }

  #failed(error) {
    if (!(error instanceof Problem)) throw error;
    this.#failures += 1;
    const backOff = Math.min(LEAST_BACK_OFF_S * 2 ** (this.#failures - 1), MOST_BACK_OFF_S);
    this.nextAt = Date.now() + Math.max(error.retryS ?? 0, backOff) * 1000;
    this.problem.hidden = false;
    say(this.problem, `${error.message}.`.replace(/[.]{2}$/, "."));
  }

  #openTable() {
    const open = this.table.element.hidden;
    this.table.element.hidden = !open;
    mark(this.opener, "aria-expanded", String(open));
    if (open) this.table.show(this.rows);
  }

  async #download() {
    this.file.disabled = true;
    try {
      const whole = await download(this.api, this.aggregate, this.parameters());
      if (!whole) this.note("The file holds the first 100,000 rows: there are more. Narrow the range.");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem.hidden = false;
      say(this.problem, error.message);
    } finally {
      this.file.disabled = false;
    }
  }
}

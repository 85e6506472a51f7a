/** What all panels have: heading, freshness, error messages, table and download. */

import { Problem } from "../client/api.js";
import { Moved } from "../data/generations.js";
import { button, el, keepFocus, setAttribute, setDisabled, setText, uniqueId } from "../elements/dom.js";
import { Table } from "../elements/table.js";
import { countOf, humanize } from "../values/format.js";
import { downloadCsv } from "./download.js";
import { FreshnessMark } from "./freshness-mark.js";
import { GenerationNote } from "./generation-note.js";

const MIN_BACK_OFF_S = 2;
const MAX_BACK_OFF_S = 30;

/**
 * The panel of one aggregate. Subclasses implement `load(signal)`, which reads and draws, sets the `queries`, and
 * returns the freshness, the rows for the table and the number of requests.
 */
export class Panel {
  #request = null;
  /** A promise that resolves when the request in flight has ended. */
  #ended = null;
  #failures = 0;
  #isDownloading = false;
  #passFocus;

  /** The elements that take over the focus of a hidden one. */
  successors = [];
  /** Whether it is in view; set by Refresh. */
  visible = false;
  nextAt = 0;
  rows = [];
  /** The parameters of each query of the rows that are shown; none if nothing could be read. */
  queries = [];

  constructor(api, aggregate, config) {
    this.api = api;
    this.aggregate = aggregate;
    this.refreshMs = config.refresh_s * 1000;
    this.freshness = new FreshnessMark(Math.max(5, 3 * config.refresh_s + 2));
    this.generations = new GenerationNote(humanize(aggregate.name));
    this.heading = el("h3", { id: uniqueId("panel"), text: humanize(aggregate.name) });
    this.controls = el("div", { class: "controls" });
    this.stage = el("div", { class: "stage" });
    this.notice = el("p", { class: "note", hidden: true });
    this.fileNotice = el("p", { class: "note", role: "status", hidden: true });
    this.inexact = el("p", { class: "inexact", role: "status", hidden: true });
    this.problem = el("p", { class: "problem", role: "status", hidden: true });
    this.table = new Table(aggregate, `Rows of ${humanize(aggregate.name)}`);
    this.table.element.hidden = true;
    this.element = el(
      "section",
      {
        class: "panel",
        "aria-labelledby": this.heading.id,
        "data-aggregate": aggregate.name,
        "data-unbuilt": !aggregate.isBuilt,
      },
      ...this.#parts(),
    );
    this.#passFocus = keepFocus(this.stage, () => [...this.successors, this.tableButton]);
    // for the browser's console
    this.element.panel = this;
  }

  #parts() {
    const { aggregate, freshness, generations, controls, inexact, problem, stage, notice, fileNotice, table } = this;
    const about = el("p", { class: "about", text: aggregate.description ?? "" });
    const head = el("div", { class: "head" }, el("div", {}, this.heading, about), freshness.element);
    this.tableButton = button("Table", () => this.#toggleTable(), { "aria-expanded": "false" });
    this.downloadButton = button("Download CSV", () => this.#download(), { disabled: true });
    this.caption = el("p", { class: "note foot-note" });
    const tools = el("div", { class: "tools" }, this.tableButton, this.downloadButton);
    const foot = el("div", { class: "panel-foot" }, this.caption, tools, fileNotice);
    const notes = [generations.build, generations.warning, inexact, freshness.warning];
    return [head, controls, ...notes, problem, stage, notice, foot, table.element];
  }

  /** Called when colors change, and before and after printing: the stylesheet handles everything but charts. */
  onAppearanceChange(_isPrinted = false) {}

  /** Whether there are rows, but none were ever read. */
  get isUnread() {
    return this.aggregate.isBuilt && !this.freshness.isRead;
  }

  /** Whether a request is in flight. */
  get loading() {
    return this.#request !== null;
  }

  /** Show a remark below the data; null hides it. */
  note(text) {
    this.notice.hidden = !text;
    setText(this.notice, text ?? "");
  }

  /** Cancel the request in flight and send no other until `reload`: the query changes, maybe in several steps. */
  hold() {
    this.#request?.abort();
    this.#request = null;
    this.nextAt = Number.POSITIVE_INFINITY;
  }

  /** Cancel the request in flight and load again, because the query has changed. */
  async reload() {
    this.hold();
    this.fileNotice.hidden = true;
    await this.refresh();
  }

  /** Load, unless a request is in flight or there is nothing to read yet. Errors are shown, and retried at growing intervals. */
  async refresh() {
    if (this.#request !== null || !this.aggregate.isBuilt) return;
    this.#request = new AbortController();
    this.#ended = this.#read(this.#request);
    await this.#ended;
  }

  /** Refresh, or wait for the refresh in progress. */
  async refreshed() {
    await (this.#request === null ? this.refresh() : this.#ended);
  }

  async #read(request) {
    setAttribute(this.element, "aria-busy", this.rows.length === 0 ? "true" : null);
    this.freshness.asked();
    try {
      const { freshness, rows, requests, bucketName } = await this.load(request.signal);
      this.#passFocus();
      this.rows = rows;
      this.bucketName = bucketName;
      this.#failures = 0;
      this.nextAt = performance.now() + this.refreshMs * Math.max(1, requests - 1);
      this.problem.hidden = true;
      this.#noteInexact(rows);
      this.#allowDownload();
      this.freshness.update(freshness, rows.length === 0);
      if (!this.table.element.hidden) this.table.show(rows, bucketName);
    } catch (error) {
      if (request.signal.aborted) return;
      this.#retryLater(error);
    } finally {
      if (this.#request === request) {
        this.#request = null;
        setAttribute(this.element, "aria-busy", null);
      }
    }
  }

  #retryLater(error) {
    this.freshness.failed(error);
    this.#failures += 1;
    const backOffS = Math.min(MIN_BACK_OFF_S * 2 ** (this.#failures - 1), MAX_BACK_OFF_S);
    this.nextAt = performance.now() + Math.max(error.retryS ?? 0, backOffS) * 1000;
    this.#showProblem(error);
  }

  #showProblem(error) {
    const isMoved = error instanceof Moved;
    if (isMoved) this.element.dispatchEvent(new Event("moved", { bubbles: true }));
    const isOfApi = isMoved || error instanceof Problem;
    const text = isOfApi ? error.message : `The response could not be shown: ${error.message}`;
    this.problem.hidden = false;
    setText(this.problem, text.endsWith(".") ? text : `${text}.`);
    // for the browser's console
    if (!isOfApi) throw error;
  }

  /** Say how many rows are missing a change because a sum would have more digits than the table can store. */
  #noteInexact(rows) {
    const count = rows.filter(({ inexact }) => inexact).length;
    this.inexact.hidden = count === 0;
    const what = countOf(count, "row is missing", "rows are missing");
    const text = `${what} a change because a sum would exceed 38 digits. The table marks such rows.`;
    setText(this.inexact, count === 0 ? "" : text);
  }

  #noteFile(text) {
    this.fileNotice.hidden = text === "";
    setText(this.fileNotice, text);
  }

  #toggleTable() {
    const open = this.table.element.hidden;
    this.table.element.hidden = !open;
    setAttribute(this.tableButton, "aria-expanded", String(open));
    if (open) this.table.show(this.rows, this.bucketName);
  }

  #allowDownload() {
    setDisabled(this.downloadButton, this.queries.length === 0, this.tableButton);
    // not disabled meanwhile: it would lose the focus
    setAttribute(this.downloadButton, "aria-disabled", this.#isDownloading ? "true" : null);
  }

  async #download() {
    if (this.#isDownloading) return;
    this.#isDownloading = true;
    this.#allowDownload();
    try {
      const { rows, isComplete } = await downloadCsv(this.api, this.aggregate, this.queries);
      const text = `The file contains only the first ${countOf(rows, "row")}. Narrow the range to get the others.`;
      this.#noteFile(isComplete ? "" : text);
    } catch (error) {
      // not where the next refresh would hide it
      this.#noteFile(`The file could not be downloaded: ${error.message.replace(/\.$/, "")}.`);
      if (!(error instanceof Problem || error instanceof Moved)) throw error;
    } finally {
      this.#isDownloading = false;
      this.#allowDownload();
    }
  }
}

/** Rows as a table with all digits of every number, including for readers who cannot see a chart. */

import { isNumber } from "../values/exact.js";
import { countOf, exactText, humanize, shownFields } from "../values/format.js";
import { button, el, setDisabled, setText, uniqueId } from "./dom.js";

const ROWS_PER_PAGE = 50;
const PROMINENT_DIGITS = 12;

/** Return a cell. The digits after the first twelve are paler. `integerDigits` is the column's maximum, for alignment. */
function cell(value, shown, integerDigits) {
  const text = exactText(value, shown);
  if (!isNumber(value)) return el("td", { text });
  if (integerDigits === null) return el("td", { class: "number", text });
  const point = text.includes(".") ? text.indexOf(".") : text.length;
  const cut = text.includes(".") ? Math.max(PROMINENT_DIGITS, point + 3) : text.length;
  const tail = text.length > cut ? el("span", { class: "tail", text: text.slice(cut) }) : null;
  const element = el("td", {}, text.slice(0, cut), tail);
  // aligns the decimal points of a column
  element.style.paddingLeft = `calc(10px + ${integerDigits - point}ch)`;
  return element;
}

/** Return the most characters that a column has before the decimal point; null if no number has a decimal point. */
function maxIntegerDigits(rows, name) {
  const texts = rows
    .map((row) => row[name])
    .filter(isNumber)
    .map((value) => exactText(value));
  return texts.some((text) => text.includes(".")) ? Math.max(...texts.map((text) => text.split(".")[0].length)) : null;
}

/** Rows of an aggregate as a table with pages. */
export class Table {
  #page = 0;
  #rows = [];
  #drawn = "";

  constructor(aggregate, caption) {
    this.aggregate = aggregate;
    this.caption = el("caption", { text: caption, id: uniqueId("caption") });
    this.head = el("thead");
    this.body = el("tbody");
    const table = el("table", {}, this.caption, this.head, this.body);
    this.status = el("span", { class: "note" });
    this.previous = button("Previous rows", () => this.#turn(-1), { icon: "‹" });
    this.next = button("Next rows", () => this.#turn(1), { icon: "›" });
    const region = { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": this.caption.id };
    this.region = el("div", region, table);
    this.element = el(
      "div",
      { class: "cells" },
      this.region,
      el("div", { class: "pager" }, this.previous, this.status, this.next),
    );
  }

  /**
   * Show rows, whose bucket is in their member `bucketName`. The columns are the groups, the measures that the rows have,
   * and the time of each row's last update.
   */
  show(rows, bucketName) {
    this.#rows = rows;
    const measures = this.aggregate.measures.filter(({ name }) => rows.length === 0 || rows.some((row) => name in row));
    const { bucket } = this.aggregate;
    const groups = this.aggregate.groups.map(({ name }) => (name === bucket?.name ? (bucketName ?? name) : name));
    const inexact = rows.some((row) => row.inexact) ? [{ name: "inexact", label: "Inexact" }] : [];
    this.columns = [
      ...groups.map((name) => ({ name, label: humanize(name) })),
      ...measures.map((measure) => ({
        name: measure.name,
        label: measure.unit ? `${humanize(measure.name)} (${measure.unit})` : humanize(measure.name),
        shown: shownFields(measure),
      })),
      { name: "updated_at", label: "Updated" },
      ...inexact,
    ];
    this.#draw();
  }

  #turn(pages) {
    this.#page += pages;
    this.#draw();
  }

  #draw() {
    const pages = Math.max(Math.ceil(this.#rows.length / ROWS_PER_PAGE), 1);
    this.#page = Math.min(Math.max(this.#page, 0), pages - 1);
    const first = this.#page * ROWS_PER_PAGE;
    const rows = this.#rows.slice(first, first + ROWS_PER_PAGE);
    const texts = rows.map((row) => this.columns.map(({ name, shown }) => exactText(row[name], shown)));
    const content = JSON.stringify([this.columns, texts]);
    if (content !== this.#drawn) {
      this.#drawn = content;
      this.head.replaceChildren(
        el("tr", {}, ...this.columns.map(({ label }) => el("th", { scope: "col", text: label }))),
      );
      const digits = this.columns.map(({ name }) => maxIntegerDigits(rows, name));
      this.body.replaceChildren(...rows.map((row) => this.#row(row, digits)));
    }
    const range = `Rows ${first + 1} to ${first + rows.length} of ${countOf(this.#rows.length, "row")}`;
    setText(this.status, rows.length === 0 ? "No rows" : range);
    const [isFirst, isLast] = [this.#page === 0, this.#page === pages - 1];
    // the one that goes on is enabled first, so that it can take over the focus of the other
    if (!isFirst) this.previous.disabled = false;
    setDisabled(this.next, isLast, isFirst ? this.region : this.previous);
    setDisabled(this.previous, isFirst, isLast ? this.region : this.next);
  }

  #row(row, digits) {
    const [first, ...rest] = this.columns;
    return el(
      "tr",
      {},
      el("th", { scope: "row", text: exactText(row[first.name]) }),
      ...rest.map(({ name, shown }, index) => cell(row[name], shown, digits[index + 1])),
    );
  }
}

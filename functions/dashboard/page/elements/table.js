/**
 * The cells of a table, digit for digit: the numbers themselves, for whoever wants them and for whoever cannot see a
 * chart.
 */

import { isNumber } from "../values/exact.js";
import { exactly, many, title } from "../values/format.js";
import { button, el, say, unique } from "./dom.js";

const ROWS = 50;
const READ_AT_A_GLANCE = 12;

/**
 * Return a cell; of a long number, the digits that nobody reads at a glance are paler. `places` are the column's
 * digits before the point.
 */
function cell(value, places) {
  if (!isNumber(value)) return el("td", { text: exactly(value) });
  const text = exactly(value);
  if (places === null) return el("td", { class: "number", text });
  const point = text.includes(".") ? text.indexOf(".") : text.length;
  const cut = text.includes(".") ? Math.max(READ_AT_A_GLANCE, point + 3) : text.length;
  const made = el(
    "td",
    {},
    text.slice(0, cut),
    text.length > cut ? el("span", { class: "tail", text: text.slice(cut) }) : null,
  );
  // points stand below each other, whatever comes after them
  made.style.paddingLeft = `calc(10px + ${places - point}ch)`;
  return made;
}

/** Return how many characters the numbers of a column have before the point at most; null where none has a point. */
function placesOf(rows, name) {
  const texts = rows
    .map((row) => row[name])
    .filter(isNumber)
    .map(exactly);
  return texts.some((text) => text.includes(".")) ? Math.max(...texts.map((text) => text.split(".")[0].length)) : null;
}

/** Rows of an aggregate as a table, some at a time. */
export class Table {
  #page = 0;
  #rows = [];
  #shown = "";

  constructor(aggregate, caption) {
    this.aggregate = aggregate;
    this.caption = el("caption", { text: caption, id: unique("caption") });
    this.head = el("thead");
    this.body = el("tbody");
    const table = el("table", {}, this.caption, this.head, this.body);
    this.status = el("span", { class: "note" });
    this.before = button("Previous rows", () => this.#turn(-1), { sign: "‹" });
    this.after = button("Next rows", () => this.#turn(1), { sign: "›" });
    const scroll = el(
      "div",
      { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": this.caption.id },
      table,
    );
    this.element = el(
      "div",
      { class: "cells" },
      scroll,
      el("div", { class: "pager" }, this.before, this.status, this.after),
    );
  }

  /** Show rows; the columns are the groups, the measures that the rows have, and when each row was changed. */
  show(rows) {
    this.#rows = rows;
    const measures = this.aggregate.measures.filter(({ name }) => rows.length === 0 || rows.some((row) => name in row));
    const inexact = rows.some((row) => row.inexact) ? [{ name: "inexact", label: "Inexact" }] : [];
    this.columns = [
      ...this.aggregate.groups.map(({ name }) => ({ name, label: title(name) })),
      ...measures.map(({ name, unit }) => ({ name, label: unit ? `${title(name)} (${unit})` : title(name) })),
      { name: "updated_at", label: "Updated" },
      ...inexact,
    ];
    this.#draw();
  }

  #turn(by) {
    this.#page += by;
    this.#draw();
  }

  #draw() {
    const pages = Math.max(Math.ceil(this.#rows.length / ROWS), 1);
    this.#page = Math.min(Math.max(this.#page, 0), pages - 1);
    const first = this.#page * ROWS;
    const rows = this.#rows.slice(first, first + ROWS);
    const shown = JSON.stringify([this.columns, rows.map((row) => this.columns.map(({ name }) => exactly(row[name])))]);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.head.replaceChildren(
        el("tr", {}, ...this.columns.map(({ label }) => el("th", { scope: "col", text: label }))),
      );
      const places = this.columns.map(({ name }) => placesOf(rows, name));
      this.body.replaceChildren(...rows.map((row) => this.#row(row, places)));
    }
    const range =
      rows.length === 0
        ? "No rows"
        : `Rows ${first + 1} to ${first + rows.length} of ${many(this.#rows.length, "row")}`;
    say(this.status, range);
    this.before.disabled = this.#page === 0;
    this.after.disabled = this.#page === pages - 1;
  }

  #row(row, places) {
    const [first, ...rest] = this.columns;
    return el(
      "tr",
      {},
      el("th", { scope: "row", text: exactly(row[first.name]) }),
      ...rest.map(({ name }, place) => cell(row[name], places[place + 1])),
    );
  }
}

/** The panel of an aggregate without groups: every measure of its only row. */

import { valueList } from "../charts/lists.js";
import { eachNote } from "../charts/presentation.js";
import { readRows } from "../data/queries.js";
import { viewsOf } from "../data/views.js";
import { el, setAttribute, setText } from "../elements/dom.js";
import { isNumber } from "../values/exact.js";
import { formatNumber, humanize, withoutTime } from "../values/format.js";
import { Panel } from "./panel.js";

export class TotalsPanel extends Panel {
  #views;

  /** The only row needs no parameters. */
  queries = [[]];

  constructor(api, aggregate, config) {
    super(api, aggregate, config);
    this.#views = viewsOf(aggregate.measures).filter(({ kind }) => kind !== "band");
    this.list = el("ol", { class: "ranking wide totals" });
    setAttribute(this.list, "aria-label", `Measures of ${humanize(aggregate.name)}`);
    this.empty = el("p", { class: "empty", hidden: true });
    this.stage.classList.add("of-bars");
    this.stage.append(this.list, this.empty);
  }

  /** Read the row and draw it. */
  async load(signal) {
    const read = await readRows(this.api, this.aggregate, [], { signal, max: 1 });
    const [row] = read.rows;
    const entries = row === undefined ? [] : this.#views.map((view) => entry(view, row));
    this.list.replaceChildren(...entries);
    this.empty.hidden = row !== undefined;
    setText(this.empty, row === undefined ? "No rows yet. They appear here as soon as the first item is counted." : "");
    const caption = ["all items in one row", eachNote(this.aggregate, this.#views)];
    setText(this.caption, caption.filter(Boolean).join(" · "));
    return read;
  }
}

function entry(view, row) {
  const { key: name, unit, description } = view;
  const value = withoutTime(row[name]);
  const isList = Array.isArray(value);
  const text = isList && unit ? `${view.label} (${unit})` : view.label;
  const label = el("span", { class: "name", text, title: description ?? text });
  if (!isNumber(value)) return el("li", { class: "with-list" }, label, valueList(row[name], view));
  const number = unit ? `${formatNumber(value)} ${unit}` : formatNumber(value);
  return el("li", {}, label, el("span", { class: "value", text: number }));
}

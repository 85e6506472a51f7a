/** A dialog to select values of a group: from a list, by searching it, or by typing a value. */

import { countOf, formatGroupValue } from "../values/format.js";
import { button, el, labeledField, passFocus, searchField, setText, uniqueId } from "./dom.js";

/**
 * Show the dialog.
 *
 * @param {object} options
 * @param {string} options.heading
 * @param {{value: string, label: string, items: number|null}[]} options.entries
 * @param {string[]} options.selected values
 * @param {number} options.max how many values can be selected
 * @param {boolean} options.allowsTyping whether a value outside the list can be typed
 * @param {(() => Promise<{entries: object[], more: boolean}>)|null} options.loadMore returns further entries
 * @param {string|null} [options.problem] why there are no entries, or not all
 * @returns {Promise<string[]|null>} the selected values; null if the dialog was canceled
 */
export function choose(options) {
  return new Promise((resolve) => new Chooser(options, resolve));
}

class Chooser {
  #result = null;
  #listed = [];
  /** Whether the text was entered after the last change of the selection: one before the last change was a search. */
  #isPending = false;
  #isLoading = false;

  constructor(options, resolve) {
    Object.assign(this, options);
    this.resolve = resolve;
    this.selected = new Set(options.selected);
    this.heading = el("h2", { id: uniqueId("heading"), text: options.heading });
    this.search = searchField({ input: () => this.#onInput(), keydown: (event) => this.#onKey(event) });
    this.list = el("ul", { class: "values" });
    this.status = el("p", { class: "note", role: "status" });
    this.moreButton = button("Load more", () => this.#loadMore(), { hidden: options.loadMore === null });
    this.dialog = el("dialog", { class: "chooser", "aria-labelledby": this.heading.id }, this.#form());
    this.dialog.addEventListener("close", () => this.#onClose());
    document.body.append(this.dialog);
    this.#list();
    this.dialog.showModal();
    this.search.focus();
  }

  #form() {
    const label = this.allowsTyping ? "Search, or type a value and press Enter" : "Search";
    const apply = el("button", { type: "submit", class: "main", text: "Apply" });
    const cancel = button("Cancel", () => this.#close(null));
    return el(
      "form",
      { method: "dialog", on: { submit: (event) => this.#onSubmit(event) } },
      this.heading,
      labeledField(label, this.search),
      this.list,
      this.status,
      el("div", { class: "foot" }, this.moreButton, cancel, apply),
    );
  }

  get #isSingle() {
    return this.max === 1;
  }

  get #isFull() {
    return !this.#isSingle && this.selected.size >= this.max;
  }

  #matches() {
    const wanted = this.search.value.trim().toLowerCase();
    const typed = [...this.selected].filter((value) => !this.entries.some((entry) => entry.value === value));
    const all = [...typed.map((value) => ({ value, label: formatGroupValue(value), items: null })), ...this.entries];
    return all.filter((entry) => entry.label.toLowerCase().includes(wanted));
  }

  #list() {
    this.#listed = this.#matches();
    this.list.replaceChildren(...this.#listed.map((entry) => this.#row(entry)));
    const text = this.search.value;
    const isNew = this.allowsTyping && text !== "" && !this.#listed.some(({ label }) => label === text);
    const hint = isNew ? " Press Enter to use the value you typed." : "";
    const more = this.#isFull ? ` ${this.#limitText()}` : hint;
    const problem = this.problem ? `${this.problem.replace(/\.$/, "")}. ` : "";
    setText(this.status, `${problem}${countOf(this.#listed.length, "value")} listed.${more}`);
  }

  #limitText() {
    return `${this.max} values are selected, which is the maximum.`;
  }

  #row({ value, label, items }) {
    const box = el("input", {
      type: this.#isSingle ? "radio" : "checkbox",
      name: this.#isSingle ? "value" : null,
      checked: this.selected.has(value),
      disabled: this.#isFull && !this.selected.has(value),
      on: { change: () => this.#toggle(value) },
    });
    const count = items === null ? null : el("span", { class: "count", text: items.toLocaleString("en") });
    return el("li", {}, el("label", {}, box, el("span", { class: "name", text: label }), count));
  }

  #toggle(value) {
    // arrow keys move the selection of radio buttons, so a change does not close the dialog
    if (this.#isSingle) this.selected = new Set([value]);
    else if (!this.selected.delete(value)) this.selected.add(value);
    this.#isPending = false;
    for (const [index, box] of this.list.querySelectorAll("input").entries())
      box.disabled = this.#isFull && !this.selected.has(this.#listed[index].value);
    setText(this.status, this.#isFull ? this.#limitText() : `${countOf(this.selected.size, "value")} selected.`);
  }

  #onInput() {
    this.#isPending = this.search.value !== "";
    this.#list();
  }

  #onKey(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const value = this.#entered(this.search.value);
    if (value !== null && this.#take(value) && this.#isSingle) this.#close([value]);
  }

  /** Select a value that was entered; return false if there is no room for it. */
  #take(value) {
    if (this.#isFull && !this.selected.has(value)) return false;
    if (this.#isSingle) this.selected.clear();
    this.selected.add(value);
    this.search.value = "";
    this.#onInput();
    return true;
  }

  /** Return the value that the text stands for: an entry's label, or the text itself; for a search, the only match. */
  #entered(text) {
    const exact = this.entries.find((entry) => entry.label === text)?.value;
    if (exact !== undefined) return exact;
    if (text === "") return null;
    if (this.allowsTyping) return text === formatGroupValue("") ? "" : text;
    const matches = this.#matches();
    return matches.length === 1 ? matches[0].value : null;
  }

  async #loadMore() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      const { entries, more } = await this.loadMore();
      const known = new Set(this.entries.map((entry) => entry.value));
      this.entries.push(...entries.filter((entry) => !known.has(entry.value)));
      if (!more && document.activeElement === this.moreButton) passFocus(this.search);
      this.moreButton.hidden = !more;
      this.#list();
    } catch (error) {
      setText(this.status, error.message);
    }
    this.#isLoading = false;
  }

  #onSubmit(event) {
    event.preventDefault();
    // a text that was typed but not entered counts, too
    const isTyped = this.allowsTyping && this.#isPending;
    if (isTyped && !this.#take(this.#entered(this.search.value)))
      return setText(this.status, `${this.#limitText()} Deselect one, or clear the text.`);
    this.#close([...this.selected]);
  }

  #close(result) {
    this.#result = result;
    this.dialog.close();
  }

  #onClose() {
    this.dialog.remove();
    this.resolve(this.#result);
  }
}

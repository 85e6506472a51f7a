/** A dialog to choose values of a group: those with most items first, found by typing, or typed whole. */

import { many } from "../values/format.js";
import { button, el, labelled, say, unique } from "./dom.js";

/**
 * Let somebody choose.
 *
 * @param {object} given
 * @param {string} given.heading
 * @param {{value: string, label: string, items: number|null}[]} given.listed
 * @param {string[]} given.chosen values
 * @param {number} given.most how many may be chosen at once
 * @param {boolean} given.typed whether a value may be typed that is not in the list
 * @param {(() => Promise<{listed: object[], more: boolean}>)|null} given.more brings further values
 * @returns {Promise<string[]|null>} what was chosen; null if nothing changed
 */
export function choose(given) {
  return new Promise((resolve) => new Chooser(given, resolve));
}

class Chooser {
  constructor(given, resolve) {
    Object.assign(this, given);
    this.resolve = resolve;
    this.chosen = new Set(given.chosen);
    this.heading = el("h2", { id: unique("heading"), text: given.heading });
    this.search = el("input", {
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      on: { input: () => this.#list(), keydown: (event) => this.#typed(event) },
    });
    this.list = el("ul", { class: "values" });
    this.status = el("p", { class: "note", role: "status" });
    this.further = button("List more", () => this.#further(), { hidden: given.more === null });
    this.dialog = el("dialog", { class: "chooser", "aria-labelledby": this.heading.id }, this.#form());
    this.dialog.addEventListener("close", () => this.#closed());
    document.body.append(this.dialog);
    this.#list();
    this.dialog.showModal();
    this.search.focus();
  }

  #form() {
    const label = labelled(this.typed ? "Search, or type a value and press Enter" : "Search", this.search);
    const done = el("button", { type: "submit", class: "main", text: "Show" });
    const foot = el(
      "div",
      { class: "foot" },
      this.further,
      button("Cancel", () => this.#end(null)),
      done,
    );
    return el(
      "form",
      { method: "dialog", on: { submit: (event) => this.#done(event) } },
      this.heading,
      label,
      this.list,
      this.status,
      foot,
    );
  }

  #found() {
    const wanted = this.search.value.trim().toLowerCase();
    const extra = [...this.chosen].filter((value) => !this.listed.some((one) => one.value === value));
    const all = [...extra.map((value) => ({ value, label: value, items: null })), ...this.listed];
    return all.filter((one) => one.label.toLowerCase().includes(wanted));
  }

  #list() {
    const found = this.#found();
    this.list.replaceChildren(...found.map((one) => this.#entry(one)));
    const full =
      this.most > 1 && this.chosen.size >= this.most
        ? ` ${this.most} are chosen, as many as can be shown at once.`
        : "";
    const none =
      this.typed && found.length === 0 && this.search.value !== "" ? " Enter shows what you have typed." : "";
    say(this.status, `${many(found.length, "value")} listed.${full}${none}`);
  }

  #entry({ value, label, items }) {
    const single = this.most === 1;
    const box = el("input", {
      type: single ? "radio" : "checkbox",
      name: single ? "value" : null,
      checked: this.chosen.has(value),
      disabled: !single && !this.chosen.has(value) && this.chosen.size >= this.most,
      on: { change: () => this.#toggle(value) },
    });
    const count = items === null ? null : el("span", { class: "count", text: items.toLocaleString("en") });
    return el("li", {}, el("label", {}, box, el("span", { class: "name", text: label || "(empty)" }), count));
  }

  #toggle(value) {
    if (this.most === 1) this.chosen = new Set([value]);
    else if (!this.chosen.delete(value)) this.chosen.add(value);
    // of one that is to be chosen, arrow keys go through the list: Enter or the button ends it
    if (this.most > 1)
      for (const [place, box] of this.list.querySelectorAll("input").entries()) this.#bound(box, place);
    const full = this.most > 1 && this.chosen.size >= this.most;
    say(
      this.status,
      full ? `${this.most} are chosen, as many as can be shown at once.` : `${many(this.chosen.size, "value")} chosen.`,
    );
  }

  #bound(box, place) {
    const value = this.#found()[place]?.value;
    box.disabled = !this.chosen.has(value) && this.chosen.size >= this.most;
  }

  #typed(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const text = this.search.value;
    const exact = this.listed.find((one) => one.label === text)?.value;
    const [only] = this.#found();
    const value =
      exact ?? (this.#found().length === 1 && text !== "" ? only.value : this.typed && text !== "" ? text : null);
    if (value === null) return;
    if (this.most === 1) this.#end([value]);
    else if (this.chosen.has(value) || this.chosen.size < this.most) {
      this.chosen.add(value);
      this.search.value = "";
      this.#list();
    }
  }

  async #further() {
    this.further.disabled = true;
    try {
      const { listed, more } = await this.more();
      const known = new Set(this.listed.map((one) => one.value));
      this.listed.push(...listed.filter((one) => !known.has(one.value)));
      this.further.hidden = !more;
      this.#list();
    } catch (problem) {
      say(this.status, problem.message);
    }
    this.further.disabled = false;
  }

  #done(event) {
    event.preventDefault();
    this.#end([...this.chosen]);
  }

  #end(chosen) {
    this.answer = chosen;
    this.dialog.close();
  }

  #closed() {
    this.dialog.remove();
    this.resolve(this.answer ?? null);
  }
}

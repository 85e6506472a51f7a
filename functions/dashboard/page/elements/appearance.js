/** Light, dark, or as the system is; remembered in this browser. */

import { button, mark } from "./dom.js";

const KEY = "tailrace.appearance";
const NEXT = { system: "light", light: "dark", dark: "system" };
const SIGNS = { system: "◐", light: "☀", dark: "☾" };

/** Return the button that changes it; `onChange` hears of every change, also of the system's. */
export function appearanceButton(onChange) {
  const root = document.documentElement;
  const current = () => root.dataset.appearance ?? "system";
  const made = button("Appearance", () => set(NEXT[current()]), { sign: SIGNS[current()] });
  const name = () => {
    const label = `Appearance: ${current()}. Change to ${NEXT[current()]}`;
    mark(made, "aria-label", label);
    mark(made, "title", label);
    made.firstChild.textContent = SIGNS[current()];
  };
  function set(chosen) {
    if (chosen === "system") delete root.dataset.appearance;
    else root.dataset.appearance = chosen;
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // storage is forbidden here: it is as chosen until the page is left
    }
    name();
    onChange();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  name();
  return made;
}

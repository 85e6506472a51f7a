/** Light, dark, or the system's color scheme; the choice is kept in this browser. */

import { button, setAttribute } from "./dom.js";

const KEY = "tailrace.appearance";
const NEXT = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: "◐", light: "☀", dark: "☾" };

/** Return the button that switches the appearance. `onChange` is called after every change, including the system's. */
export function appearanceButton(onChange) {
  const root = document.documentElement;
  const current = () => root.dataset.appearance ?? "system";
  const toggle = button("Appearance", () => choose(NEXT[current()]), { icon: ICONS[current()] });
  const update = () => {
    const label = `Appearance: ${current()}. Switch to ${NEXT[current()]}`;
    setAttribute(toggle, "aria-label", label);
    setAttribute(toggle, "title", label);
    toggle.firstChild.textContent = ICONS[current()];
  };
  function choose(appearance) {
    if (appearance === "system") delete root.dataset.appearance;
    else root.dataset.appearance = appearance;
    try {
      localStorage.setItem(KEY, appearance);
    } catch {
      // storage is blocked: the choice lasts until the page is closed
    }
    update();
    onChange();
  }
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
    matchMedia(query).addEventListener("change", () => onChange());
  update();
  return toggle;
}

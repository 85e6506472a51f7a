/**
 * Printing: dark on white, with charts as wide as paper, including panels out of view. A canvas stays as it was drawn, and
 * is printed right after `beforeprint`, so it is redrawn then.
 */

import { countOf } from "./values/format.js";

/**
 * Prepare for printing. The browser's menu does not wait: what the page then reads appears in the next print.
 *
 * @param {object[]} panels with `visible`, `isUnread`, `refreshed()` and `onAppearanceChange(isPrinted)`
 * @param {() => boolean} isPaused
 * @param {(text: string) => HTMLElement} showNotice returns the notice, which is removed later
 */
export function preparePrinting(panels, isPaused, showNotice) {
  const root = document.documentElement;
  let [waiting, before] = [null, null];
  const outdated = () => panels.filter(({ visible, isUnread }) => isUnread || !(visible || isPaused()));
  const read = (some) => Promise.allSettled(some.map((panel) => panel.refreshed()));

  async function readAndPrint(some) {
    const own = showNotice(`Reading ${countOf(some.length, "panel")} out of view, to print them …`);
    waiting = own;
    await read(some);
    own.remove();
    if (waiting !== own) return;
    waiting = null;
    print();
  }

  addEventListener("keydown", (event) => {
    const isShortcut =
      event.key.toLowerCase() === "p" && (event.ctrlKey || event.metaKey) && !(event.altKey || event.shiftKey);
    // a second press prints at once
    const some = isShortcut && waiting === null ? outdated() : [];
    if (some.length === 0) return;
    event.preventDefault();
    readAndPrint(some);
  });

  addEventListener("beforeprint", () => {
    waiting = null;
    before ??= { appearance: root.dataset.appearance };
    root.dataset.appearance = "light";
    for (const panel of panels) panel.onAppearanceChange(true);
    read(panels.filter(({ isUnread }) => isUnread));
  });

  addEventListener("afterprint", () => {
    if (before === null) return;
    if (before.appearance === undefined) delete root.dataset.appearance;
    else root.dataset.appearance = before.appearance;
    before = null;
    for (const panel of panels) panel.onAppearanceChange(false);
  });
}

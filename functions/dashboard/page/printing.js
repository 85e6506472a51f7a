/**
 * Printing: dark on white, with charts as wide as paper, including panels out of view. A canvas stays as it was drawn, and
 * is printed right after `beforeprint`, so it is redrawn then.
 */

import { el } from "./elements/dom.js";
import { countOf } from "./values/format.js";

const UNREAD = "This panel was not in view before it was printed, so it was not read. Print again to include it.";

/**
 * Prepare for printing. The browser's menu does not wait: what the page then reads appears in the next print, and the paper
 * says what it lacks.
 *
 * @param {object[]} panels with `visible`, `isUnread`, `problem`, `stage`, `refreshed()` and `onAppearanceChange(isPrinted)`
 * @param {() => boolean} isPaused
 * @param {(text: string) => HTMLElement} showNotice returns the notice, which is removed later
 */
export function preparePrinting(panels, isPaused, showNotice) {
  const root = document.documentElement;
  let [waiting, before, remarks] = [null, null, []];
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
    const unread = panels.filter(({ isUnread }) => isUnread);
    if (remarks.length === 0) remarks = unread.filter(({ problem }) => problem.hidden).map(remarkOn);
    read(unread);
  });

  addEventListener("afterprint", () => {
    if (before === null) return;
    if (before.appearance === undefined) delete root.dataset.appearance;
    else root.dataset.appearance = before.appearance;
    before = null;
    for (const panel of panels) panel.onAppearanceChange(false);
    for (const remark of remarks.splice(0)) remark.remove();
  });
}

function remarkOn({ stage }) {
  const remark = el("p", { class: "note", text: UNREAD });
  stage.before(remark);
  return remark;
}

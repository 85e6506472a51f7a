// Reloads the page if one of its files did not arrive, as when the network changes meanwhile. Not a module: modules may
// be what is missing.
(() => {
  const MAX_RELOADS = 3;
  const RETRY_MS = 1000;
  const RELOADS = "tailrace.reloads";
  let isIncomplete = false;

  function show(text) {
    const notice = document.createElement("p");
    notice.className = "problem";
    notice.textContent = text;
    document.getElementById("notices").replaceChildren(notice);
  }

  /** Return how often the page was reloaded for this reason; as often as it may be if that cannot be stored. */
  function reloads() {
    try {
      return Number(sessionStorage.getItem(RELOADS));
    } catch {
      return MAX_RELOADS;
    }
  }

  async function reloadWhenReachable() {
    try {
      const { ok } = await fetch(location.href, { cache: "no-store" });
      if (ok) {
        sessionStorage.setItem(RELOADS, String(reloads() + 1));
        location.reload();
        return;
      }
    } catch {
      // not reachable yet
    }
    setTimeout(reloadWhenReachable, RETRY_MS);
  }

  function recover() {
    if (reloads() < MAX_RELOADS) {
      show("A part of the page could not be loaded. Retrying …");
      setTimeout(reloadWhenReachable, RETRY_MS);
    } else show("A part of the page could not be loaded. Check the connection, and reload the page.");
  }

  /** Whether an element names a file of the page; browser extensions add scripts of other origins. */
  function isPart(element) {
    const address =
      element instanceof HTMLScriptElement ? element.src : element instanceof HTMLLinkElement ? element.href : "";
    return address.startsWith(`${location.origin}/`);
  }

  function onError({ target }) {
    if (isIncomplete || !isPart(target)) return;
    isIncomplete = true;
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", recover);
    else recover();
  }

  addEventListener("error", onError, true); // it does not bubble
  addEventListener("load", () => {
    if (!isIncomplete && reloads() > 0) sessionStorage.removeItem(RELOADS);
  });
})();

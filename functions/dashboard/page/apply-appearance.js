// Applies a saved appearance before the first paint, so that the page does not flash. Not a module: modules are deferred.
(() => {
  const root = document.documentElement;
  try {
    const saved = localStorage.getItem("tailrace.appearance");
    if (saved === "light" || saved === "dark") root.dataset.appearance = saved;
  } catch {
    // storage is blocked: the system's appearance applies
  }
  // in high contrast, the background is the system's, whatever is selected here
  const forced = matchMedia("(forced-colors: active)");
  const mark = () => root.toggleAttribute("data-forced-colors", forced.matches);
  forced.addEventListener("change", mark);
  mark();
})();

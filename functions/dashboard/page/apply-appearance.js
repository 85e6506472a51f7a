// Applies a saved appearance before the first paint, so that the page does not flash. Not a module: modules are deferred.
(() => {
  try {
    const saved = localStorage.getItem("tailrace.appearance");
    if (saved === "light" || saved === "dark") document.documentElement.dataset.appearance = saved;
  } catch {
    // storage is blocked: the system's appearance applies
  }
})();

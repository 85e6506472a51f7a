// Runs before anything is painted, so that a chosen appearance does not flash up late. No module: modules wait.
(() => {
  try {
    const chosen = localStorage.getItem("tailrace.appearance");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.appearance = chosen;
  } catch {
    // storage is forbidden here: the system's appearance is used
  }
})();

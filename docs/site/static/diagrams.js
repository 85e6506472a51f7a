// Draw the page's diagrams in the colours of the theme that it opened with.
const { theme } = document.body.dataset;
const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
globalThis.mermaid.initialize({ startOnLoad: true, theme: dark ? "dark" : "default" });

/** The API's OpenAPI document as a page to browse, and to try the reading operations on. */

const TIMEOUT_MS = 30_000;
const place = (id) => document.getElementById(id);

async function answerOf(address) {
  const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.title ?? told.message ?? `${address} answers ${answer.status}`);
  return told;
}

/** Return the document as it holds here: under this page's address, whose server signs. */
function asServedHere(told, api) {
  const reached = { ...told, servers: [{ url: api.href.replace(/\/$/, "") }], security: [] };
  for (const path of Object.values(reached.paths)) {
    for (const operation of Object.values(path)) delete operation.security;
  }
  delete reached.components.securitySchemes;
  return reached;
}

/** The library knows a dark appearance by a class. */
function followAppearance() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const chosen = document.documentElement.dataset.appearance;
    document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : system.matches);
  };
  system.addEventListener("change", show);
  show();
}

async function start() {
  followAppearance();
  const { api: base, title } = await answerOf("./config.json");
  document.title = `${title}: API reference`;
  place("title").textContent = document.title;
  const api = new URL(base.endsWith("/") ? base : `${base}/`, document.baseURI);
  const told = await answerOf(new URL("openapi.json", api));
  const { SwaggerUIBundle } = globalThis;
  SwaggerUIBundle({
    spec: asServedHere(told, api),
    domNode: place("reference"),
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    supportedSubmitMethods: ["get"],
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => place("notice").remove(),
  });
}

start().catch((error) => {
  place("notice").textContent = `The API's description cannot be shown: ${error.message}`;
  place("notice").dataset.state = "failed";
});

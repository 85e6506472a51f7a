/** The API reference: the OpenAPI document in Swagger UI. Read operations can be tried. */

const TIMEOUT_MS = 30_000;
const byId = (id) => document.getElementById(id);

async function getJson(address) {
  const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await response.json();
  if (!response.ok) throw new Error(body.title ?? body.message ?? `${address} returned status ${response.status}`);
  return body;
}

/** Return the document for requests through this page's server, which signs them. */
function withLocalServer(openapi, api) {
  const local = { ...openapi, servers: [{ url: api.href.replace(/\/$/, "") }], security: [] };
  for (const path of Object.values(local.paths)) {
    for (const operation of Object.values(path)) delete operation.security;
  }
  delete local.components.securitySchemes;
  return local;
}

/** Set the class by which Swagger UI switches to dark mode. */
function followAppearance() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const update = () => {
    const saved = document.documentElement.dataset.appearance;
    document.documentElement.classList.toggle("dark-mode", saved ? saved === "dark" : system.matches);
  };
  system.addEventListener("change", update);
  update();
}

async function start() {
  followAppearance();
  const { api: base, title } = await getJson("./config.json");
  document.title = `${title}: API reference`;
  byId("title").textContent = document.title;
  const api = new URL(base.endsWith("/") ? base : `${base}/`, document.baseURI);
  const openapi = await getJson(new URL("openapi.json", api));
  const { SwaggerUIBundle } = globalThis;
  SwaggerUIBundle({
    spec: withLocalServer(openapi, api),
    domNode: byId("reference"),
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    supportedSubmitMethods: ["get"],
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => byId("notice").remove(),
  });
}

start().catch((error) => {
  byId("notice").textContent = `The API reference could not be loaded: ${error.message}`;
  byId("notice").dataset.state = "failed";
});

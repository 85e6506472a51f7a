/** Requests to the API, and its errors. */

import { parse } from "../values/exact.js";

const TIMEOUT_MS = 30_000;

/** A timer longer than 24 days would fire at once. */
const MAX_RETRY_S = 3600;

/** A failed request: the API's problem document (RFC 9457), or no response at all. */
export class Problem extends Error {
  /** `status` is 0 if there was no response; `retryS` is the API's Retry-After in seconds, or null. */
  constructor(status, title, detail = "", type = "", retryS = null) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, {
      name: "Problem",
      status,
      title,
      detail,
      type: String(type).replace("urn:problem-type:tailrace:", ""),
      retryS,
    });
  }
}

/** A client of the API. */
export class Api {
  /**
   * @param {string} base the API's address, may be relative to the page
   * @param {{authorization: () => string|null|Promise<string|null>, onUnauthorized: (sent: string|null) => void}} session
   *   whose `authorization` rejects if the sign-in cannot be renewed at the moment
   */
  constructor(base, session) {
    this.base = new URL(base.endsWith("/") ? base : `${base}/`, document.baseURI);
    this.session = session;
    this.responseTimeMs = null;
  }

  /**
   * Request JSON and return it parsed.
   *
   * @param {string} path without a leading slash
   * @param {[string, string][]} parameters in order; a name may occur more than once
   */
  async get(path, parameters = [], { signal } = {}) {
    const { text, status } = await this.#request(path, parameters, "application/json", signal);
    try {
      return parse(text);
    } catch {
      throw new Problem(status, "The response is not JSON", `check that ${this.base.href} is the API's address`);
    }
  }

  /** Request the descriptions of all aggregates. */
  async getAggregates() {
    const { aggregates } = (await this.get("aggregates")) ?? {};
    if (Array.isArray(aggregates)) return aggregates;
    throw new Problem(
      200,
      "The response does not list aggregates",
      `check that ${this.base.href} is the API's address`,
    );
  }

  /**
   * Request CSV and return its text, the parameters of the next page, or null, and the version of the aggregate, or
   * undefined if the API does not say it.
   */
  async getCsv(path, parameters, { signal } = {}) {
    const { text, headers } = await this.#request(path, parameters, "text/csv", signal);
    const next = /<([^>]*)>;\s*rel="?next"?/.exec(headers.get("Link") ?? "");
    const [, version] = /^version=(\d+)/.exec(headers.get("Tailrace-Generation") ?? "") ?? [];
    return { text, next: next && [...new URLSearchParams(next[1].split("?")[1])], version: version && Number(version) };
  }

  async #request(path, parameters, accept, signal) {
    const address = new URL(path, this.base);
    address.search = new URLSearchParams(parameters).toString();
    const authorization = await this.session.authorization();
    const headers = authorization === null ? { Accept: accept } : { Accept: accept, Authorization: authorization };
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const started = performance.now();
    try {
      const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
      const response = await fetch(address, { headers, signal: either, cache: "no-store", credentials: "same-origin" });
      const text = await response.text();
      if (!response.ok) throw this.#problem(response, text, authorization);
      this.responseTimeMs = performance.now() - started;
      return { text, headers: response.headers, status: response.status };
    } catch (error) {
      if (error instanceof Problem || signal?.aborted) throw error;
      throw new Problem(0, "No response from the API", timeout.aborted ? `timeout after ${TIMEOUT_MS / 1000} s` : "");
    }
  }

  #problem(response, text, authorization) {
    if (response.status === 401) this.session.onUnauthorized(authorization);
    let body = {};
    try {
      body = JSON.parse(text) ?? {};
    } catch {
      // not JSON: the status is all there is
    }
    const { title, message, detail = "", type = "" } = body;
    const [seconds] = /^\d+$/.exec(response.headers.get("Retry-After") ?? "") ?? [];
    const retryS = seconds === undefined ? null : Math.min(Number(seconds), MAX_RETRY_S);
    const summary = title ?? message ?? `The API returned status ${response.status}`;
    return new Problem(response.status, summary, detail ?? "", type ?? "", retryS);
  }
}

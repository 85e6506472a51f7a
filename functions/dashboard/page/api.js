/** Questions to the API, and its refusals in words. */

import { parse } from "./exact.js";

const TIMEOUT_MS = 30_000;

/** An answer that is none: what the API says of it (RFC 9457), or that there was no answer. */
export class Problem extends Error {
  /** `status` is 0 where nothing answered; `retryS` says when to ask again, if the API told. */
  constructor(status, title, detail = "", type = "", retryS = null) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { name: "Problem", status, title, detail, type: type.replace("urn:problem-type:tailrace:", ""), retryS });
  }
}

/** The API at one address. */
export class Api {
  /**
   * @param {string} base its address, relative to the page or not
   * @param {{authorization: () => string|null, refused: () => void}} session who is signed in
   */
  constructor(base, session) {
    this.base = new URL(base.endsWith("/") ? base : `${base}/`, document.baseURI);
    this.session = session;
    this.answeredInMs = null;
  }

  /**
   * Ask, and return the answer's data.
   *
   * @param {string} path without a slash at the beginning
   * @param {[string, string][]} parameters in their order; one may come several times
   */
  async get(path, parameters = [], { signal } = {}) {
    return parse(await (await this.#ask(path, parameters, "application/json", signal)).text());
  }

  /** Ask for a table, and return its text and the parameters of the page after it, or null. */
  async table(path, parameters, { signal } = {}) {
    const answer = await this.#ask(path, parameters, "text/csv", signal);
    const next = /<([^>]*)>;\s*rel="?next"?/.exec(answer.headers.get("Link") ?? "");
    return { text: await answer.text(), next: next && [...new URLSearchParams(next[1].split("?")[1])] };
  }

  async #ask(path, parameters, accept, signal) {
    const address = new URL(path, this.base);
    address.search = new URLSearchParams(parameters).toString();
    const authorization = this.session.authorization();
    const headers = authorization === null ? { Accept: accept } : { Accept: accept, Authorization: authorization };
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const asked = performance.now();
    let answer;
    try {
      answer = await fetch(address, { headers, signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: "no-store", credentials: "same-origin" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(0, "The API does not answer", limit.aborted ? "no answer within 30 s" : "");
    }
    if (!answer.ok) throw await this.#problem(answer);
    this.answeredInMs = performance.now() - asked;
    return answer;
  }

  async #problem(answer) {
    if (answer.status === 401) this.session.refused();
    let told = {};
    try {
      told = JSON.parse(await answer.text()) ?? {};
    } catch {
      // not JSON: the status has to do
    }
    const retry = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    const title = told.title ?? told.message ?? `The API answers ${answer.status}`;
    return new Problem(answer.status, title, told.detail ?? "", told.type ?? "", Number.isNaN(retry) ? null : retry);
  }
}

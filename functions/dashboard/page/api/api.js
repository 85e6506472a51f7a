/** Questions to the API, and its refusals in words. */

import { parse } from "../values/exact.js";

const TIMEOUT_MS = 30_000;

/** An answer that is none: what the API says of it (RFC 9457), or that there was no answer. */
export class Problem extends Error {
  /** `status` is 0 where nothing answered; `retryS` says when to ask again, if the API told. */
  constructor(status, title, detail = "", type = "", retryS = null) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, {
      name: "Problem",
      status,
      title,
      detail,
      type: type.replace("urn:problem-type:tailrace:", ""),
      retryS,
    });
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
    const { text } = await this.#ask(path, parameters, "application/json", signal);
    try {
      return parse(text);
    } catch {
      throw new Problem(0, "The API's answer is not JSON", `is there something else at ${this.base.href}?`);
    }
  }

  /** Ask for a table, and return its text and the parameters of the page after it, or null. */
  async table(path, parameters, { signal } = {}) {
    const { text, headers } = await this.#ask(path, parameters, "text/csv", signal);
    const next = /<([^>]*)>;\s*rel="?next"?/.exec(headers.get("Link") ?? "");
    return { text, next: next && [...new URLSearchParams(next[1].split("?")[1])] };
  }

  async #ask(path, parameters, accept, signal) {
    const address = new URL(path, this.base);
    address.search = new URLSearchParams(parameters).toString();
    const authorization = this.session.authorization();
    const headers = authorization === null ? { Accept: accept } : { Accept: accept, Authorization: authorization };
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const asked = performance.now();
    try {
      const either = signal ? AbortSignal.any([signal, limit]) : limit;
      const answer = await fetch(address, { headers, signal: either, cache: "no-store", credentials: "same-origin" });
      const text = await answer.text();
      if (!answer.ok) throw this.#problem(answer, text);
      this.answeredInMs = performance.now() - asked;
      return { text, headers: answer.headers };
    } catch (error) {
      if (error instanceof Problem || signal?.aborted) throw error;
      throw new Problem(0, "The API does not answer", limit.aborted ? `not within ${TIMEOUT_MS / 1000} s` : "");
    }
  }

  #problem(answer, text) {
    if (answer.status === 401) this.session.refused();
    let told = {};
    try {
      told = JSON.parse(text) ?? {};
    } catch {
      // not JSON: the status has to do
    }
    const retry = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    const title = told.title ?? told.message ?? `The API answers ${answer.status}`;
    return new Problem(answer.status, title, told.detail ?? "", told.type ?? "", Number.isNaN(retry) ? null : retry);
  }
}

/**
 * Sign-in. If the server that serves the page signs requests, nobody signs in. Otherwise users get a token from an
 * OpenID Connect issuer by authorization code with PKCE. The token stays in this tab's session storage and is sent to
 * the API only.
 */

import { Problem } from "./api.js";

const LIBRARY = "./vendor/oidc-client-ts/oidc-client-ts.min.js";

/** The tab's mark that its user has signed out: the issuer may still know them, and would sign them in at once. */
const SIGNED_OUT = "tailrace-signed-out";

/** The names of errors of requests that did not reach the issuer; with any other error, it has refused. */
const UNREACHABLE = new Set(["TypeError", "ErrorTimeout"]);

const ANONYMOUS = { authorization: () => null, onUnauthorized: () => {}, userName: null, signOut: null };

/**
 * Return the session for requests to the API, or null if there is none: the page is about to redirect to the issuer, its
 * user has signed out, or signing in has failed.
 *
 * @param {object|null} auth of config.json
 * @param {(text: string, signInAgain: () => void) => void} onEnded called when the session has ended, and when an
 *   attempt to sign in has failed; the text says why
 */
export async function signIn(auth, onEnded) {
  if (auth === null || auth === undefined) return ANONYMOUS;
  const { UserManager, WebStorageStateStore } = await loadLibrary();
  const store = new WebStorageStateStore({ store: sessionStorage });
  const manager = new UserManager({
    authority: auth.issuer,
    client_id: auth.client_id,
    scope: auth.scope,
    redirect_uri: new URL(auth.redirect_path ?? "./", document.baseURI).href,
    response_type: "code",
    userStore: store,
    stateStore: store,
    automaticSilentRenew: false,
    monitorSession: false,
  });
  const isSignedOut = sessionStorage.getItem(SIGNED_OUT) !== null;
  // after signing out, the issuer must not sign the same user in again without asking
  const signInAgain = () => redirect(manager, isSignedOut ? { prompt: "login" } : {}, onEnded);
  let user;
  try {
    user = await currentUser(manager);
  } catch (error) {
    // for example, the user or the issuer declined; an automatic retry could loop forever
    onEnded(failureText(error), signInAgain);
    return null;
  }
  if (user === null) {
    if (isSignedOut) onEnded("You are signed out of this page.", signInAgain);
    else await signInAgain();
    return null;
  }
  sessionStorage.removeItem(SIGNED_OUT);
  return new Session(manager, user, onEnded);
}

/** Redirect to the issuer, whose description is requested first: it may not be reachable. */
async function redirect(manager, options, onEnded) {
  try {
    await manager.signinRedirect(options);
  } catch (error) {
    onEnded(failureText(error), () => redirect(manager, options, onEnded));
  }
}

function failureText({ message }) {
  return `You could not be signed in: ${message}.`;
}

/** Return the user, after the issuer's redirect or from this tab's storage; null if nobody is signed in. */
async function currentUser(manager) {
  const query = new URLSearchParams(location.search);
  if (query.has("state") && (query.has("code") || query.has("error"))) {
    try {
      return await manager.signinCallback();
    } finally {
      // a code is valid once: reloading the page must not send it again
      history.replaceState(null, "", location.pathname);
    }
  }
  const stored = await manager.getUser();
  if (stored === null || !stored.expired) return stored;
  return stored.refresh_token ? manager.signinSilent().catch(() => null) : null;
}

/** How long a token is in use before its rejection is taken for its end, not for that of all tokens of this user. */
const PROVEN_AFTER_MS = 60_000;

/** The session of a signed-in user. It lasts as long as the issuer renews the token, also after the page has slept. */
class Session {
  #isEnded = false;
  #renewal = null;
  /** Until when a rejection ends the session, because the token is new and the one before it was rejected, too. */
  #doubtedUntil = 0;

  constructor(manager, user, onEnded) {
    Object.assign(this, { manager, user, onEnded });
    this.userName = user.profile?.name ?? user.profile?.email ?? user.profile?.sub ?? null;
    // without a refresh token, the session ends when the access token expires
    manager.events.addAccessTokenExpiring(() => this.#renewInTime());
    manager.events.addAccessTokenExpired(() => this.#renewInTime());
  }

  /**
   * Return the header for a request; null if the session has ended. A token that has expired is renewed first, as after
   * the page has slept: the timers that would have renewed it in time did not run.
   */
  authorization = async () => {
    if (!this.#isEnded && (this.user.expired || this.#renewal !== null)) await this.#renew();
    return this.#current;
  };

  /** Renew the token that was sent, which the API has rejected; the session ends if its successor is rejected, too. */
  onUnauthorized = (sent) => {
    // a token may be renewed while a request with the former one is under way
    if (this.#isEnded || this.#renewal !== null || sent !== this.#current) return;
    if (!this.user.refresh_token || performance.now() < this.#doubtedUntil) {
      this.#end();
      return;
    }
    this.#doubtedUntil = performance.now() + PROVEN_AFTER_MS;
    this.#renewInTime();
  };

  signOut = async () => {
    sessionStorage.setItem(SIGNED_OUT, "yes");
    await this.manager.removeUser();
    location.reload();
  };

  get #current() {
    return this.#isEnded ? null : `Bearer ${this.user.access_token}`;
  }

  /** Renew the token if it can be; requests do so later if the issuer cannot be reached. */
  #renewInTime() {
    if (this.user.refresh_token || this.user.expired) this.#renew().catch(() => {});
  }

  /** Renew the token, or end the session if the issuer refuses. Rejects if the issuer cannot be reached. */
  #renew() {
    if (!this.user.refresh_token) {
      this.#end();
      return Promise.resolve();
    }
    this.#renewal ??= this.#requestToken().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #requestToken() {
    try {
      this.user = (await this.manager.signinSilent()) ?? this.user;
    } catch (error) {
      if (UNREACHABLE.has(error.name)) throw new Problem(0, "The sign-in could not be renewed", error.message);
      this.#end();
    }
  }

  #end() {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.onEnded("Your session has expired.", async () => {
      await this.manager.removeUser();
      await redirect(this.manager, {}, this.onEnded);
    });
  }
}

function loadLibrary() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => resolve(globalThis.oidc);
    script.onerror = () => reject(new Error("could not load the sign-in library"));
    document.head.append(script);
  });
}

/**
 * Sign-in. If the server that serves the page signs requests, nobody signs in. Otherwise users get a token from an
 * OpenID Connect issuer by authorization code with PKCE. The token stays in this tab's session storage and is sent to
 * the API only.
 */

const LIBRARY = "./vendor/oidc-client-ts/oidc-client-ts.min.js";

/** The tab's mark that its user has signed out: the issuer may still know them, and would sign them in at once. */
const SIGNED_OUT = "tailrace-signed-out";

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
  return createSession(manager, user, onEnded);
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

function createSession(manager, firstUser, onEnded) {
  let [user, expired] = [firstUser, false];
  const expire = () => {
    if (expired) return;
    expired = true;
    onEnded("Your session has expired.", async () => {
      await manager.removeUser();
      await redirect(manager, {}, onEnded);
    });
  };
  manager.events.addAccessTokenExpiring(async () => {
    // without a refresh token, the session ends when the access token expires
    if (!user.refresh_token) return;
    try {
      user = (await manager.signinSilent()) ?? user;
    } catch {
      // reported when the token expires
    }
  });
  manager.events.addAccessTokenExpired(expire);
  const authorization = () => (expired ? null : `Bearer ${user.access_token}`);
  return {
    authorization,
    // a token may be renewed while a request with the former one is under way
    onUnauthorized: (sent) => {
      if (sent === authorization()) expire();
    },
    userName: user.profile?.name ?? user.profile?.email ?? user.profile?.sub ?? null,
    signOut: async () => {
      sessionStorage.setItem(SIGNED_OUT, "yes");
      await manager.removeUser();
      location.reload();
    },
  };
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

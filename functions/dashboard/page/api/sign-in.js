/**
 * Who is signed in: nobody where the server beside the page signs, else somebody with a token of an OpenID Connect
 * issuer, by
 * authorization code with PKCE. The token is kept in this tab's session storage and goes nowhere but to the API.
 */

const LIBRARY = "./vendor/oidc-client-ts/oidc-client-ts.min.js";

/** A session without credentials. */
const OPEN = { authorization: () => null, refused: () => {}, person: null, signOut: null };

/**
 * Return the session to ask the API with, or null where the page is about to leave for the issuer's sign-in.
 *
 * @param {object|null} auth of config.json
 * @param {(again: () => void) => void} onOver hears that the session is over, with what begins another one
 */
export async function signIn(auth, onOver) {
  if (auth === null || auth === undefined) return OPEN;
  const { UserManager, WebStorageStateStore } = await library();
  const home = new URL(auth.redirect_path ?? "./", document.baseURI).href;
  const store = new WebStorageStateStore({ store: sessionStorage });
  const manager = new UserManager({
    authority: auth.issuer,
    client_id: auth.client_id,
    scope: auth.scope,
    redirect_uri: home,
    response_type: "code",
    userStore: store,
    stateStore: store,
    automaticSilentRenew: false,
    monitorSession: false,
  });
  const user = await current(manager);
  if (user === null) {
    await manager.signinRedirect();
    return null;
  }
  return session(manager, user, onOver);
}

/** Return who is signed in, coming back from the issuer or from before; null if nobody is. */
async function current(manager) {
  const query = new URLSearchParams(location.search);
  if (query.has("state") && (query.has("code") || query.has("error"))) {
    try {
      return await manager.signinCallback();
    } finally {
      // a code serves once: it is not to be seen in the address, nor tried again when the page is
      history.replaceState(null, "", location.pathname);
    }
  }
  const known = await manager.getUser();
  if (known === null || !known.expired) return known;
  return known.refresh_token ? manager.signinSilent().catch(() => null) : null;
}

function session(manager, first, onOver) {
  let [user, over] = [first, false];
  const end = () => {
    if (over) return;
    over = true;
    onOver(async () => {
      await manager.removeUser();
      await manager.signinRedirect();
    });
  };
  manager.events.addAccessTokenExpiring(async () => {
    // without a refresh token there is nothing to renew by: the sign-in is over when the token is
    if (!user.refresh_token) return;
    try {
      user = (await manager.signinSilent()) ?? user;
    } catch {
      // told when the token has expired
    }
  });
  manager.events.addAccessTokenExpired(end);
  return {
    authorization: () => (over ? null : `Bearer ${user.access_token}`),
    refused: end,
    person: user.profile?.name ?? user.profile?.email ?? user.profile?.sub ?? null,
    signOut: async () => {
      await manager.removeUser();
      location.reload();
    },
  };
}

function library() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => resolve(globalThis.oidc);
    script.onerror = () => reject(new Error("the library for signing in could not be read"));
    document.head.append(script);
  });
}

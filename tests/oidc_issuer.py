"""An OpenID Connect issuer on loopback: tokens as a test wants them, and signing in by authorization code with PKCE.

It shows no page: whoever comes to `/authorize` is signed in at once, if client id, callback and challenge are in order.
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "the-dashboard"
"""The client id that its tokens are made for, unless they are to be for another one."""

_VERIFIER_LENGTHS = range(43, 129)  # https://www.rfc-editor.org/rfc/rfc7636#section-4.1


@dataclass(frozen=True, slots=True)
class _Grant:
    client: str
    callback: str
    challenge: str
    scope: str
    nonce: str | None


class OAuthError(Exception):
    """A request that breaks OAuth 2.1; `error` is the specification's word for it."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(f"{error}: {reason}")
        self.error = error


class Issuer:
    """An issuer of one client, whose key changes with each test run.

    ``callbacks`` are the addresses to which people may come back; with none, any. ``lifetime_s`` is how long tokens are
    good, and ``issues_refresh_tokens`` says whether a refresh token comes with them. ``grants`` are
    the kinds of requests that were answered with tokens, ``issued`` the access tokens so given; ``rejections`` are
    the requests that were wrong.
    """

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.callbacks: set[str] = set()
        self.lifetime_s = 300
        self.issues_refresh_tokens = False
        self.rejections: list[str] = []
        self.grants: list[str] = []
        self.issued: list[str] = []
        self._codes: dict[str, _Grant] = {}
        self._refresh_grants: dict[str, _Grant] = {}
        self.server = _Server(self)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def token(self, *, key: rsa.RSAPrivateKey | None = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token that is taken, but for what is given otherwise."""
        now = int(time.time())
        whole = {"iss": self.url, "aud": AUDIENCE, "sub": "u1", "iat": now - 5, "exp": now + self.lifetime_s} | claims
        head = {"alg": algorithm, "kid": "1", "typ": "JWT"}
        text = ".".join(_text(json.dumps(part).encode()) for part in (head, whole))
        if algorithm == "none":
            return f"{text}."
        signature = (key or self.key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_text(signature)}"

    def configuration(self) -> dict[str, Any]:
        """Return what `/.well-known/openid-configuration` tells."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        """Return the key set."""
        numbers = self.key.public_key().public_numbers()
        key = {"kid": "1", "kty": "RSA", "alg": "RS256", "use": "sig"}
        return {"keys": [key | {"n": _number(numbers.n), "e": _number(numbers.e)}]}

    def authorize(self, parameters: Mapping[str, str]) -> str:
        """Sign somebody in; return the address to go to.

        Raises:
            Refused: it cannot be told to the client, since it may be somebody else's.
        """
        callback = parameters.get("redirect_uri", "")
        if (
            parameters.get("client_id") != AUDIENCE
            or not callback
            or (self.callbacks and callback not in self.callbacks)
        ):
            raise OAuthError("invalid_request", f"client {parameters.get('client_id')}, callback {callback}")
        response = {"state": parameters.get("state", "")}
        if parameters.get("response_type") != "code" or parameters.get("code_challenge_method") != "S256":
            self.rejections.append("authorize: neither a code nor S256 was asked for")
            return f"{callback}?{urlencode(response | {'error': 'invalid_request'})}"
        code = secrets.token_urlsafe(16)
        grant = _Grant(
            AUDIENCE,
            callback,
            parameters.get("code_challenge", ""),
            parameters.get("scope", ""),
            parameters.get("nonce"),
        )
        self._codes[code] = grant
        return f"{callback}?{urlencode(response | {'code': code})}"

    def redeem(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return tokens for a code or a refresh token, each of which serves once.

        Raises:
            Refused: it was used before, is of another client or callback, or its challenge does not fit.
        """
        if parameters.get("grant_type") == "refresh_token":
            grant = self._refresh_grants.pop(parameters.get("refresh_token", ""), None)
            if grant is None or parameters.get("client_id") != grant.client:
                raise OAuthError("invalid_grant", "no such refresh token")
            return self._tokens(grant, "refresh_token")
        grant = self._codes.pop(parameters.get("code", ""), None)
        if parameters.get("grant_type") != "authorization_code" or grant is None:
            raise OAuthError("invalid_grant", "no such code")
        if (parameters.get("client_id"), parameters.get("redirect_uri")) != (grant.client, grant.callback):
            raise OAuthError("invalid_grant", "another client or callback")
        verifier = parameters.get("code_verifier", "")
        if len(verifier) not in _VERIFIER_LENGTHS or _text(sha256(verifier.encode()).digest()) != grant.challenge:
            raise OAuthError("invalid_grant", "the verifier does not fit the challenge")
        return self._tokens(grant, "authorization_code")

    def _tokens(self, grant: _Grant, kind: str) -> dict[str, Any]:
        self.grants.append(kind)
        # each is another one, also where two are made within a second
        self.issued.append(self.token(scope=grant.scope, jti=str(len(self.issued))))
        identity = {"name": "Ada"} | ({} if grant.nonce is None else {"nonce": grant.nonce})
        response: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": self.lifetime_s,
            "scope": grant.scope,
            "access_token": self.issued[-1],
            "id_token": self.token(key=None, algorithm="RS256", **identity),
        }
        if self.issues_refresh_tokens:
            refresh_token = response["refresh_token"] = secrets.token_urlsafe(16)
            self._refresh_grants[refresh_token] = grant
        return response


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, issuer: Issuer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = issuer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        issuer, path = self.server.issuer, urlsplit(self.path)
        match path.path:
            case "/.well-known/openid-configuration":
                self._respond(200, issuer.configuration())
            case "/keys":
                self._respond(200, issuer.keys())
            case "/authorize":
                try:
                    self._respond(302, {}, {"Location": issuer.authorize(dict(parse_qsl(path.query)))})
                except OAuthError as refused:
                    issuer.rejections.append(f"authorize: {refused}")
                    self._respond(400, {"error": refused.error})
            case _:
                self._respond(404, {})

    def do_POST(self) -> None:
        issuer = self.server.issuer
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path != "/token":
            self._respond(404, {})
            return
        try:
            self._respond(200, issuer.redeem(dict(parse_qsl(body))))
        except OAuthError as refused:
            issuer.rejections.append(f"token: {refused}")
            self._respond(400, {"error": refused.error})

    def _respond(self, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        # pages of any origin may ask for the configuration and redeem their code
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer until the block is left."""
    issuer = Issuer()
    with issuer.server:
        thread = threading.Thread(target=issuer.server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield issuer
        finally:
            issuer.server.shutdown()
            thread.join()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))

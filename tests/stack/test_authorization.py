"""Who is let in, tried on every route of the emulated stack: by IAM signature, and by tokens of an issuer."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.emulator import REGION
from local.stack import Stack, running_stack
from tests.architecture.stack import resources

AUDIENCE, ORIGIN = "the-dashboard", "https://dashboard.example"
ADDRESSES = {"{collection}": "flights", "{id+}": "1", "{name}": "carrier_hours"}
ROUTES = [
    route["Properties"]["RouteKey"]
    for route in resources("AWS::ApiGatewayV2::Route").values()
    if route["Properties"]["RouteKey"] != "$default"
]
REFUSED = (401, 403)


def address(stack: Stack, key: str) -> tuple[str, str]:
    """Return the method of a route and an address that it takes."""
    method, path = key.split(" ")
    for name, value in ADDRESSES.items():
        path = path.replace(name, value)
    return method, f"{stack.api_url}{path}"


def ask(method: str, url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
    answer = urllib3.request(method, url, headers=headers, body=b"{}" if method != "GET" else None, retries=False)
    return answer.status, answer.headers


class Issuer:
    """An OpenID Connect issuer on loopback: its configuration and its key, and tokens signed with it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.page(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def page(self, path: str) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        numbers = self.key.public_key().public_numbers()
        key = {"kid": "1", "kty": "RSA", "alg": "RS256", "use": "sig"}
        return {"keys": [key | {"n": _number(numbers.n), "e": _number(numbers.e)}]}

    def token(self, *, key: rsa.RSAPrivateKey | None = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token that is taken, but for what is given otherwise."""
        now = int(time.time())
        whole = {"iss": self.url, "aud": AUDIENCE, "sub": "u1", "iat": now - 5, "exp": now + 300} | claims
        head = {"alg": algorithm, "kid": "1", "typ": "JWT"}
        text = ".".join(_text(json.dumps(part).encode()) for part in (head, whole))
        if algorithm == "none":
            return f"{text}."
        signature = (key or self.key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_text(signature)}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def signed_stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def token_stack(issuer: Issuer) -> Iterator[Stack]:
    parameters = {"JwtIssuer": issuer.url, "JwtAudience": f"another,{AUDIENCE}", "CorsOrigins": ORIGIN}
    with running_stack(parameters=parameters) as running:
        yield running


def test_nobody_is_let_in_without_a_signature(signed_stack: Stack) -> None:
    """With one, every route answers. Whether it is a good one, only AWS looks at: the emulator does not."""
    for key in [*ROUTES, "GET /nothing"]:
        method, url = address(signed_stack, key)
        assert ask(method, url, {})[0] in REFUSED, key
        request = AWSRequest(method, url, {}, None if method == "GET" else b"{}")
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
        assert ask(method, url, dict(request.headers.items()))[0] not in (*REFUSED, 500, 502, 503), key


def test_only_good_tokens_with_the_right_scope_are_let_in(token_stack: Stack, issuer: Issuer) -> None:
    """Expired, for another audience, of another issuer, signed by another key or not at all: refused on every route."""
    both = "openid tailrace/read tailrace/write"
    now = int(time.time())
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    bad = {
        "none": None,
        "no token": "x.y.z",
        "expired": issuer.token(scope=both, exp=now - 60),
        "not yet valid": issuer.token(scope=both, nbf=now + 600),
        "another audience": issuer.token(scope=both, aud="somebody-else"),
        "another issuer": issuer.token(scope=both, iss="https://login.example"),
        "another key": issuer.token(scope=both, key=other_key),
        "not signed": issuer.token(scope=both, algorithm="none"),
        "no scope": issuer.token(),
        "another scope": issuer.token(scope="tailrace/reader tailrace"),
    }
    for key in ROUTES:
        method, url = address(token_stack, key)
        for why, token in bad.items():
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            assert ask(method, url, headers)[0] in REFUSED, (key, why)
        reads = method == "GET"
        for scope, good in (("tailrace/read", reads), ("tailrace/write", not reads), (both, True)):
            status, _ = ask(method, url, {"Authorization": f"Bearer {issuer.token(scope=scope)}"})
            assert (status not in REFUSED) is good, (key, scope, status)
            assert status < 500


def test_a_signature_is_not_enough_where_tokens_are_asked_for(token_stack: Stack) -> None:
    method, url = address(token_stack, "GET /aggregates")
    request = AWSRequest(method, url, {})
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
    assert ask(method, url, dict(request.headers.items()))[0] in REFUSED


def test_the_document_names_the_issuer(token_stack: Stack, issuer: Issuer) -> None:
    _, url = address(token_stack, "GET /openapi.json")
    token = issuer.token(scope="tailrace/read")
    found = urllib3.request("GET", url, headers={"Authorization": f"Bearer {token}"}).json()
    assert found["components"]["securitySchemes"]["token"]["openIdConnectUrl"].startswith(f"{issuer.url}/")


def test_origins_are_let_in_where_they_are_named(token_stack: Stack, signed_stack: Stack) -> None:
    """As it is deployed: the emulator does not answer by it, since it reads other names than CloudFormation gives."""
    apis = [
        stack.client("apigatewayv2").get_api(ApiId=stack.resources["HttpApi"]) for stack in (token_stack, signed_stack)
    ]
    assert ["CorsConfiguration" in api for api in apis] == [True, False]


def test_no_page_may_ask_where_no_origin_is_named(signed_stack: Stack) -> None:
    _, url = address(signed_stack, "GET /aggregates")
    status, headers = ask("OPTIONS", url, {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"})
    assert status in REFUSED
    assert "access-control-allow-origin" not in headers

"""Authorization of every route of the emulated stack, by IAM signature and by an issuer's tokens."""

import base64
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa

from local.deployment.emulator import REGION
from local.stack import Stack
from tests.architecture.stack import ROOT, resources
from tests.oidc_issuer import AUDIENCE, Issuer
from tests.stack.conftest import LOCAL_ORIGIN

ADDRESSES = {"{collection}": "flights", "{id+}": "1", "{name}": "carrier_hours"}
KEYS = [route["Properties"]["RouteKey"] for route in resources("AWS::ApiGatewayV2::Route").values()]
PAGE = ["GET /dashboard", "GET /dashboard/{file+}"]
ROUTES = [key for key in KEYS if key not in ["$default", *PAGE]]
REFUSED = (401, 403)
BOTH = "openid tailrace/read tailrace/write"


def address(stack: Stack, key: str) -> tuple[str, str]:
    """Return a route's method and a matching address."""
    method, path = key.split(" ")
    for name, value in ADDRESSES.items():
        path = path.replace(name, value)
    return method, f"{stack.api_url}{path}"


def ask(method: str, url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
    answer = urllib3.request(method, url, headers=headers, body=b"{}" if method != "GET" else None, retries=False)
    return answer.status, answer.headers


def test_unsigned_requests_are_rejected(signed_stack: Stack) -> None:
    """Signed ones reach every route. The emulator does not check whether a signature is valid."""
    for key in [*ROUTES, "GET /nothing"]:
        method, url = address(signed_stack, key)
        assert ask(method, url, {})[0] in REFUSED, key
        request = AWSRequest(method, url, {}, None if method == "GET" else b"{}")
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
        assert ask(method, url, dict(request.headers.items()))[0] not in (*REFUSED, 500, 502, 503), key


def bad_tokens(issuer: Issuer) -> dict[str, str | None]:
    """Return invalid tokens by what is wrong with them."""
    now = int(time.time())
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "none": None,
        "no token": "x.y.z",
        "expired": issuer.token(scope=BOTH, exp=now - 60),
        "not yet valid": issuer.token(scope=BOTH, nbf=now + 600),
        "another audience": issuer.token(scope=BOTH, aud="somebody-else"),
        "another issuer": issuer.token(scope=BOTH, iss="https://login.example"),
        "another key": issuer.token(scope=BOTH, key=other_key),
        "not signed": issuer.token(scope=BOTH, algorithm="none"),
        "no scope": issuer.token(),
        "another scope": issuer.token(scope="tailrace/reader tailrace"),
    }


def refuses_all_but_good_tokens(stack: Stack, issuer: Issuer, keys: Iterable[str]) -> None:
    """Try every given route with bad tokens, tokens of the wrong scope, and good ones."""
    bad = bad_tokens(issuer)
    for key in keys:
        method, url = address(stack, key)
        for why, token in bad.items():
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            assert ask(method, url, headers)[0] in REFUSED, (key, why)
        reads = method == "GET"
        anywhere = method == "GET" and url.endswith("/nothing")  # either scope reaches the function's 404
        halves = (("tailrace/read", reads), ("tailrace/write", anywhere or not reads))
        for scope, good in (*halves, (BOTH, True)):
            status, _ = ask(method, url, {"Authorization": f"Bearer {issuer.token(scope=scope)}"})
            assert (status not in REFUSED) is good, (key, scope, status)
            assert status < 500


def test_only_valid_tokens_with_the_right_scope_are_accepted(token_stack: Stack, issuer: Issuer) -> None:
    """Expired, with another audience, issuer or key, or unsigned: rejected on every route."""
    refuses_all_but_good_tokens(token_stack, issuer, ROUTES)


def test_unknown_addresses_are_protected_as_well(bare_token_stack: Stack, issuer: Issuer) -> None:
    """On a stack without CORS, where a catch-all route takes every other address."""
    refuses_all_but_good_tokens(bare_token_stack, issuer, [*ROUTES, "GET /nothing"])


def test_a_signature_does_not_replace_a_token(token_stack: Stack) -> None:
    method, url = address(token_stack, "GET /aggregates")
    request = AWSRequest(method, url, {})
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
    assert ask(method, url, dict(request.headers.items()))[0] in REFUSED


def test_the_document_names_the_issuer(token_stack: Stack, issuer: Issuer) -> None:
    _, url = address(token_stack, "GET /openapi.json")
    token = issuer.token(scope="tailrace/read")
    found = urllib3.request("GET", url, headers={"Authorization": f"Bearer {token}"}).json()
    assert found["components"]["securitySchemes"]["token"]["openIdConnectUrl"].startswith(f"{issuer.url}/")


def test_pages_of_given_origins_may_call(token_stack: Stack, issuer: Issuer) -> None:
    _, url = address(token_stack, "GET /aggregates")
    asking = {"Access-Control-Request-Method": "GET"}
    token = {"Authorization": f"Bearer {issuer.token(scope='tailrace/read')}"}
    for origin, allowed, preflight in ((LOCAL_ORIGIN, LOCAL_ORIGIN, 204), ("http://localhost:5174", None, 403)):
        for method, more, expected in (("OPTIONS", asking, preflight), ("GET", token, 200)):
            status, headers = ask(method, url, {"Origin": origin, **more})
            assert (status, headers.get("Access-Control-Allow-Origin")) == (expected, allowed), (origin, method)


def test_without_origins_no_page_is_allowed(signed_stack: Stack) -> None:
    _, url = address(signed_stack, "GET /aggregates")
    status, headers = ask("OPTIONS", url, {"Origin": LOCAL_ORIGIN, "Access-Control-Request-Method": "GET"})
    assert status in REFUSED
    assert "access-control-allow-origin" not in headers


def test_the_stack_serves_its_page_publicly(token_stack: Stack, issuer: Issuer) -> None:
    """Every source file unchanged, and the sign-in configuration; and no other file."""
    status, headers = ask("GET", f"{token_stack.api_url}/dashboard", {})
    assert (status, headers["Location"]) == (302, "dashboard/index.html")
    root = f"{token_stack.api_url}/dashboard/"
    page = ROOT / "functions" / "dashboard" / "page"
    files = [path for path in page.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        answer = urllib3.request("GET", f"{root}{path.relative_to(page).as_posix()}", retries=False)
        assert (answer.status, answer.data) == (200, path.read_bytes()), path
        assert f"connect-src 'self' {issuer.url};" in answer.headers["Content-Security-Policy"]
    for library in ("uplot/uPlot.esm.js", "uplot/LICENSE", "oidc-client-ts/oidc-client-ts.min.js"):
        assert ask("GET", f"{root}vendor/{library}", {})[0] == 200
    document = urllib3.request("GET", f"{root}config.json").json()
    assert document.pop("auth") == {
        "issuer": issuer.url,
        "client_id": AUDIENCE,
        "scope": "openid tailrace/read",
        "redirect_path": "./index.html",
    }
    assert document == {"api": "..", "refresh_s": 5, "title": "tailrace"}
    for name in ("app.py", "..%2fapp.py", "%2e%2e/app.py", "vendor", "nothing.js"):
        assert ask("GET", f"{root}{name}", {})[0] == 404, name
    assert token_stack.outputs["DashboardUrl"].endswith("/dashboard")
    assert token_stack.outputs["DashboardCallback"].endswith("/dashboard/index.html")


def test_only_the_page_is_public(token_stack: Stack) -> None:
    for path in ("dashboard", "dashboard/index.html"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert ask(method, f"{token_stack.api_url}/{path}", {})[0] in (*REFUSED, 404, 405), (method, path)


def test_signing_in_with_pkce_gives_access_to_the_data(token_stack: Stack, issuer: Issuer) -> None:
    """As the page does: configuration, code, token, API. Each code works once."""
    root = f"{token_stack.api_url}/dashboard/"
    sign_in = urllib3.request("GET", f"{root}config.json").json()["auth"]
    about = urllib3.request("GET", f"{sign_in['issuer']}/.well-known/openid-configuration").json()
    verifier, callback = "v" * 43, f"{root}index.html"
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "client_id": sign_in["client_id"],
        "redirect_uri": callback,
        "response_type": "code",
        "scope": sign_in["scope"],
        "state": "s",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    back = urllib3.request("GET", about["authorization_endpoint"], fields=asked, redirect=False).headers["Location"]
    assert back.startswith(f"{callback}?")
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "client_id": AUDIENCE}

    def redeem(proof: str) -> Any:
        body = urlencode(given | {"code_verifier": proof})
        return urllib3.request("POST", about["token_endpoint"], body=body).json()

    token = redeem(verifier)["access_token"]
    rows = f"{token_stack.api_url}/aggregates"
    assert ask("GET", rows, {"Authorization": f"Bearer {token}"})[0] == 200
    assert (
        ask("PUT", f"{token_stack.api_url}/collections/flights/items/1", {"Authorization": f"Bearer {token}"})[0]
        in REFUSED
    )
    assert redeem(verifier) == {"error": "invalid_grant"}
    assert issuer.rejections[-1].startswith("token: invalid_grant")


def test_without_a_client_id_there_is_no_page(signed_stack: Stack) -> None:
    """Neither the function nor a route to it: nothing is public."""
    assert not [name for name in signed_stack.resources if name.startswith(("Dashboard", "GetDashboard"))]
    assert "DashboardUrl" not in signed_stack.outputs
    for path in ("dashboard", "dashboard/index.html"):
        assert ask("GET", f"{signed_stack.api_url}/{path}", {})[0] in REFUSED


def test_there_are_no_untested_routes(signed_stack: Stack, bare_token_stack: Stack, token_stack: Stack) -> None:
    """The deployed routes are exactly those that these tests try."""
    every = {*ROUTES, "$default"}
    for stack, expected in ((signed_stack, every), (bare_token_stack, every), (token_stack, {*ROUTES, *PAGE})):
        listed = stack.client("apigatewayv2").get_routes(ApiId=stack.resources["HttpApi"])["Items"]
        assert {route["RouteKey"] for route in listed} == expected
        open_ones = {route["RouteKey"] for route in listed if route.get("AuthorizationType", "NONE") == "NONE"}
        assert open_ones == expected & set(PAGE)

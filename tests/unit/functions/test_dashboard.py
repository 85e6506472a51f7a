"""The dashboard function: it serves the site's files and the sign-in configuration, and nothing else."""

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from functions.dashboard import app
from tailrace.errors import SettingsError

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "functions" / "dashboard" / "page"
FILES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def _deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the function its site and the template's environment variables."""
    app.site.cache_clear()
    monkeypatch.setattr(app, "_FOLDER", PAGE)
    for name, value in {
        "STACK_NAME": "flights",
        "JWT_ISSUER": "https://login.example/pool/1",
        "JWT_READ_SCOPE": "tailrace/read",
        "DASHBOARD_CLIENT_ID": "the-dashboard",
    }.items():
        monkeypatch.setenv(name, value)


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return event


def request(file: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Request a file as the HTTP API does; `if_none_match` is the header `if-none-match`."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    event = sample("dashboard-file") | {"pathParameters": {"file": file}, "headers": given}
    response = app.handler(event, None)
    assert response["isBase64Encoded"] is True
    return response["statusCode"], response["headers"], base64.b64decode(response["body"])


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_page_is_served_unchanged(file: str) -> None:
    status, headers, body = request(file)
    assert (status, body) == (200, (PAGE / file).read_bytes())
    compressed = request(file, accept_encoding="gzip")
    assert compressed[1].get("Content-Encoding") != "gzip" or gzip.decompress(compressed[2]) == body
    assert request(file, if_none_match=headers["ETag"])[0] == 304


@pytest.mark.parametrize(
    "file",
    ["app.py", "../app.py", "..", "../../api/app.py", "/etc/passwd", "vendor/../../app.py", "page/index.html", "\0"],
)
def test_no_other_file_is_served(file: str) -> None:
    status, _, body = request(file)
    assert status == 404
    assert b"import" not in body


def test_the_bare_address_redirects_to_the_page() -> None:
    """The redirect is relative, which keeps the path of a custom domain."""
    response = app.handler(sample("dashboard"), None)
    assert (response["statusCode"], response["headers"]["Location"]) == (302, "dashboard/index.html")
    assert app.handler(sample("dashboard-file"), None)["statusCode"] == 200


def test_the_configuration_has_the_issuer_client_and_scope() -> None:
    status, headers, body = request("config.json")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert json.loads(body) == {
        "api": "..",
        "refresh_s": 5,
        "title": "flights",
        "auth": {
            "issuer": "https://login.example/pool/1",
            "client_id": "the-dashboard",
            "scope": "openid tailrace/read",
            "redirect_path": "./index.html",
        },
    }


def test_the_policy_allows_requests_to_the_issuer_and_the_token_endpoint_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cognito's token endpoint has another origin than its issuer."""

    def connect() -> str:
        policy = request("index.html")[1]["Content-Security-Policy"].split("; ")
        return next(part for part in policy if part.startswith("connect-src"))

    assert connect() == "connect-src 'self' https://login.example"
    monkeypatch.setenv("DASHBOARD_TOKEN_ORIGIN", "https://x.auth.example")
    assert connect() == "connect-src 'self' https://login.example https://x.auth.example"


def test_every_response_has_the_security_headers() -> None:
    responses = [request("index.html")[1], request("nothing")[1], app.handler(sample("dashboard"), None)["headers"]]
    for headers in responses:
        assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_missing_issuer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWT_ISSUER")
    with pytest.raises(SettingsError, match="JWT_ISSUER"):
        request("index.html")


def test_the_page_needs_nothing_that_the_policy_forbids() -> None:
    """No inline scripts or styles, and nothing from other origins."""
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    for forbidden in (
        "style=",
        "<style",
        "onclick=",
        "onload=",
        "javascript:",
        "http://",
        "https://",
        'src="/',
        'href="/',
    ):
        assert forbidden not in text, forbidden
    assert all(part.startswith(" src=") or " src=" in part.split(">")[0] for part in text.split("<script")[1:])

"""The dashboard's function: its site's files and how to sign in, from the environment, and nothing else."""

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
    """Give the function what `sam build` puts beside it, and what the template tells it."""
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


def ask(file: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Ask for a file as the HTTP API does; `if_none_match` is the header `if-none-match`."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    event = sample("dashboard-file") | {"pathParameters": {"file": file}, "headers": given}
    answer = app.handler(event, None)
    assert answer["isBase64Encoded"] is True
    return answer["statusCode"], answer["headers"], base64.b64decode(answer["body"])


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_page_is_served_as_it_is(file: str) -> None:
    status, headers, body = ask(file)
    assert (status, body) == (200, (PAGE / file).read_bytes())
    packed = ask(file, accept_encoding="gzip")
    assert packed[1].get("Content-Encoding") != "gzip" or gzip.decompress(packed[2]) == body
    assert ask(file, if_none_match=headers["ETag"])[0] == 304


@pytest.mark.parametrize(
    "file",
    ["app.py", "../app.py", "..", "../../api/app.py", "/etc/passwd", "vendor/../../app.py", "page/index.html", "\0"],
)
def test_no_file_but_the_pages_is_served(file: str) -> None:
    status, _, body = ask(file)
    assert status == 404
    assert b"import" not in body


def test_the_bare_address_leads_to_the_page() -> None:
    """By a relative address: whatever stands before it, such as a custom domain's path, stays."""
    answer = app.handler(sample("dashboard"), None)
    assert (answer["statusCode"], answer["headers"]["Location"]) == (302, "dashboard/index.html")
    assert app.handler(sample("dashboard-file"), None)["statusCode"] == 200


def test_the_configuration_says_where_to_sign_in_and_what_for() -> None:
    status, headers, body = ask("config.json")
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


def test_the_page_may_ask_the_issuer_and_the_token_endpoint_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cognito's tokens come from another origin than its issuer's."""

    def connect() -> str:
        policy = ask("index.html")[1]["Content-Security-Policy"].split("; ")
        return next(part for part in policy if part.startswith("connect-src"))

    assert connect() == "connect-src 'self' https://login.example"
    monkeypatch.setenv("DASHBOARD_TOKEN_ORIGIN", "https://x.auth.example")
    assert connect() == "connect-src 'self' https://login.example https://x.auth.example"


def test_every_answer_has_the_headers_that_keep_others_out() -> None:
    answers = [ask("index.html")[1], ask("nothing")[1], app.handler(sample("dashboard"), None)["headers"]]
    for headers in answers:
        assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_stack_that_does_not_say_where_to_sign_in_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWT_ISSUER")
    with pytest.raises(SettingsError, match="JWT_ISSUER"):
        ask("index.html")


def test_the_page_asks_for_nothing_that_the_policy_forbids() -> None:
    """No inline script or style, and nothing from elsewhere."""
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

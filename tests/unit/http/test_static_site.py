"""The dashboard's files as responses: media types, entity tags, compression, and nothing from outside the folder."""

import gzip
import json
from pathlib import Path

import pytest

from tailrace.http.static_site import Site

FILES = {
    "index.html": "<!doctype html>",
    "main.js": "draw();\n" * 100,
    "look.css": "a { color: red }",
    "icon.svg": "<svg/>",
    "vendor/chart/LICENSE": "MIT",
    "vendor/chart/chart.js": "export {}",
    "notes.md": "not for browsers",
    ".made-from": "a stamp",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    for name, text in FILES.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "secret.js").write_text("not yours", encoding="utf-8")
    return Site(tmp_path / "site", {"api": "..", "title": "flights & more"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("main.js", "text/javascript; charset=utf-8"),
        ("look.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("vendor/chart/LICENSE", "text/plain; charset=utf-8"),
        ("vendor/chart/chart.js", "text/javascript; charset=utf-8"),
    ],
)
def test_a_file_has_its_media_type(site: Site, name: str, kind: str) -> None:
    response = site.respond(name)
    assert (response.status, response.headers["Content-Type"]) == (200, kind)
    assert response.body.decode() == FILES[name or "index.html"]


@pytest.mark.parametrize(
    "name",
    ["notes.md", ".made-from", "../secret.js", "vendor", "vendor/../../secret.js", "/index.html", "./index.html",
     "index.html/", "\0", "..", "vendor/chart/../../../secret.js", "%2e%2e/secret.js", "INDEX.HTML", "é" * 9999],
)  # fmt: skip
def test_anything_else_is_404(site: Site, name: str) -> None:
    response = site.respond(name)
    assert response.status == 404
    assert response.headers["Cache-Control"] == "no-store"
    assert b"not yours" not in response.body


def test_a_cached_file_is_revalidated_by_its_tag(site: Site) -> None:
    first = site.respond("main.js")
    assert first.headers["Cache-Control"] == "no-cache"
    tag = first.headers["ETag"]
    for header in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = site.respond("main.js", if_none_match=header)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert site.respond("main.js", if_none_match='W/"other"').status == 200
    assert site.respond("look.css").headers["ETag"] != tag


def test_a_changed_file_has_a_new_tag(site: Site) -> None:
    (site.folder / "main.js").write_text("other", encoding="utf-8")
    assert Site(site.folder, {}).respond("main.js").headers["ETag"] != site.respond("main.js").headers["ETag"]


def test_a_file_is_compressed_for_clients_that_accept_gzip(site: Site) -> None:
    compressed = site.respond("main.js", accept_encoding="gzip, deflate, br")
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.body).decode() == FILES["main.js"]
    assert compressed.headers["Vary"] == "Accept-Encoding"
    for refusing in ("br", "", "gzip;q=0", "br, gzip; q=0.0", "*;q=0", "*, gzip;q=0", "notgzip"):
        assert "Content-Encoding" not in site.respond("main.js", accept_encoding=refusing).headers
    for accepting in ("*", "GZIP;q=0.001", "br;q=1, gzip; q=0.5", "identity;q=0, gzip;q=1.0"):
        assert "Content-Encoding" in site.respond("main.js", accept_encoding=accepting).headers
    # not if compression would make it larger
    assert "Content-Encoding" not in site.respond("icon.svg", accept_encoding="gzip").headers


def test_the_configuration_is_never_cached(site: Site) -> None:
    response = site.respond("config.json")
    assert json.loads(response.body) == {"api": "..", "title": "flights & more"}
    assert response.headers["Cache-Control"] == "no-store"


def test_the_page_may_connect_only_to_the_issuers(tmp_path: Path) -> None:
    """By origin: a path in the policy would not cover the issuer's other endpoints."""
    issuers = ["https://login.example/a/b", "https://login.example", "http://127.0.0.1:1/x"]
    policy = Site(tmp_path, {}, issuers).headers["Content-Security-Policy"]
    assert "connect-src 'self' https://login.example http://127.0.0.1:1;" in policy

"""The dashboard's files as HTTP responses, with media types, entity tags and a strict content security policy.

Used by the ``dashboard`` function of a stack, and locally by ``tailrace dashboard``.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field

INDEX_PAGE = "index.html"
CONFIG = "config.json"

_TYPES = {
    "": "text/plain; charset=utf-8",  # licenses
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

# Markup injected into the page could load nothing foreign, run no inline script and send nothing elsewhere.
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; connect-src {connect}; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class SiteResponse(Struct, frozen=True):
    """A response to a browser."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class _File(Struct, frozen=True):
    type: str
    content: bytes
    tag: str
    compressed: bytes
    cache_control: str = "no-cache"  # cached, but revalidated by its tag: a new deployment is visible at once


class Site(Struct, frozen=True):
    """The files of a folder and their configuration, held in memory.

    ``config`` is the content of ``config.json`` (see functions/dashboard/README.md); ``issuers`` are the URLs of token
    issuers that the page may call.
    """

    folder: Path
    config: Mapping[str, Any]
    issuers: Sequence[str] = ()
    _files: dict[str, _File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.suffix in _TYPES and not path.name.startswith("."):
                self._files[path.relative_to(self.folder).as_posix()] = _file(_TYPES[path.suffix], path.read_bytes())
        config = json.dumps(self.config, separators=(",", ":")).encode()
        self._files[CONFIG] = _file(_TYPES[".json"], config, "no-store")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every response, 404 included."""
        connect = " ".join(["'self'", *dict.fromkeys(_origin(issuer) for issuer in self.issuers)])
        return {
            "Content-Security-Policy": _CONTENT_SECURITY_POLICY.format(connect=connect),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def respond(self, name: str, *, accept_encoding: str = "", if_none_match: str = "") -> SiteResponse:
        """Return the response for a file by its name in the folder; an empty name is the index page.

        Only names found in the folder at the start are served, so no name can escape it.
        """
        found = self._files.get(name or INDEX_PAGE)
        if found is None:
            text = {"Content-Type": _TYPES[""], "Cache-Control": "no-store"}
            return SiteResponse(404, self.headers | text, b"Not found.\n")
        headers = self.headers | {"Cache-Control": found.cache_control, "ETag": found.tag, "Vary": "Accept-Encoding"}
        if if_none_match.strip() == "*" or _weak(found.tag) in map(_weak, if_none_match.split(",")):
            return SiteResponse(304, headers)
        file_headers = headers | {"Content-Type": found.type}
        if _accepts_gzip(accept_encoding) and len(found.compressed) < len(found.content):
            return SiteResponse(200, file_headers | {"Content-Encoding": "gzip"}, found.compressed)
        return SiteResponse(200, file_headers, found.content)


def _file(kind: str, content: bytes, cache_control: str = "no-cache") -> _File:
    # weak, because the compressed form has the same tag and other bytes
    tag = f'W/"{sha256(content).hexdigest()[:32]}"'
    return _File(kind, content, tag, gzip.compress(content, mtime=0), cache_control)


def _weak(tag: str) -> str:
    """Return the text of an entity tag, which is all that a condition of a GET compares (RFC 9110, 8.8.3.2)."""
    return tag.strip().removeprefix("W/")


def _accepts_gzip(accept_encoding: str) -> bool:
    """Return whether gzip is named, directly or by ``*``, and not with the weight 0 (RFC 9110, 12.5.3)."""
    codings = (part.lower().replace(" ", "").partition(";q=") for part in accept_encoding.split(","))
    weights = {name: weight for name, _, weight in codings}
    weight = weights.get("gzip", weights.get("*", "0"))
    return weight.strip("0.") != "" or weight == ""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"

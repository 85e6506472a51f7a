"""The dashboard's files as answers to a browser: their types, entity tags, and headers that let in nothing else.

Served alike by the ``dashboard`` function of a stack and on one machine by ``tailrace dashboard``.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

INDEX_PAGE = "index.html"
CONFIG = "config.json"

_TYPES = {
    "": "text/plain; charset=utf-8",  # licences
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

# What an attacker's markup, should there ever be any in the page, could neither load, run, send to nor be framed by.
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; connect-src {connect}; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class SiteResponse:
    """What a browser gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _File:
    type: str
    content: bytes
    tag: str
    compressed: bytes
    cache_control: str = "no-cache"  # to be kept, and asked for again by its tag: a new deployment is seen at once


@dataclass(frozen=True, slots=True)
class Site:
    """The files of a folder and their configuration, held in memory.

    ``config`` is what ``config.json`` answers (see functions/dashboard/README.md); ``issuers`` are the addresses of
    others that the page may ask for tokens.
    """

    folder: Path
    config: Mapping[str, Any]
    issuers: Sequence[str] = ()
    _files: dict[str, _File] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.suffix in _TYPES and not path.name.startswith("."):
                self._files[path.relative_to(self.folder).as_posix()] = _file(_TYPES[path.suffix], path.read_bytes())
        config = json.dumps(self.config, separators=(",", ":")).encode()
        self._files[CONFIG] = _file(_TYPES[".json"], config, "no-store")

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every answer, also with those that are no file."""
        connect = " ".join(["'self'", *dict.fromkeys(_origin(issuer) for issuer in self.issuers)])
        return {
            "Content-Security-Policy": _CONTENT_SECURITY_POLICY.format(connect=connect),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def respond(self, name: str, *, accept_encoding: str = "", if_none_match: str = "") -> SiteResponse:
        """Answer a request for a file by its name in the folder; the front page for an empty name.

        Names are looked up among those that were found in the folder, so none leads out of it.
        """
        found = self._files.get(name or INDEX_PAGE)
        if found is None:
            text = {"Content-Type": _TYPES[""], "Cache-Control": "no-store"}
            return SiteResponse(404, self.headers | text, b"There is no such page here.\n")
        headers = self.headers | {"Cache-Control": found.cache_control, "ETag": found.tag, "Vary": "Accept-Encoding"}
        if found.tag in (tag.strip() for tag in if_none_match.split(",")):
            return SiteResponse(304, headers)
        file_headers = headers | {"Content-Type": found.type}
        if "gzip" in accept_encoding and len(found.compressed) < len(found.content):
            return SiteResponse(200, file_headers | {"Content-Encoding": "gzip"}, found.compressed)
        return SiteResponse(200, file_headers, found.content)


def _file(kind: str, content: bytes, cache_control: str = "no-cache") -> _File:
    # weak, since the packed form is the same file in other bytes
    tag = f'W/"{sha256(content).hexdigest()[:32]}"'
    return _File(kind, content, tag, gzip.compress(content, mtime=0), cache_control)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"

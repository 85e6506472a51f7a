"""Refuse requests that pages of other sites send to the emulator through the user's browser.

The emulator takes any credentials, allows every origin and runs the functions that it is given, so a page on the web
could run code on this machine while a stack is up. Browsers say where a request comes from
(https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/); other clients say nothing.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from local.emulation.concurrency_limit import API_PATH_PREFIX, Application

LOCAL_NAMES = ("localhost", "docker.internal")
"""Nobody can register these names, or one below them (RFC 6761; ICANN reserves .internal), so no page has one."""

_REFUSAL = b'{"message": "The emulator does not answer a page of another site: open its address yourself."}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_REFUSAL)).encode())]


def refuse_foreign_pages(application: Application) -> Application:
    """Return an application that responds with 403 to requests of pages that this machine does not serve."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket") or not _is_foreign(scope):
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": _REFUSAL})

    return guarded


def _is_foreign(scope: Mapping[str, Any]) -> bool:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = _name(f"//{headers['host']}") if "host" in headers else None
    if host is not None and _address(host) is None and not _is_local_name(host):
        return True  # the name of a page, which resolves to this machine by now (DNS rebinding)
    if "origin" in headers:
        origin = _name(headers["origin"])
        address = _address(origin)
        return not (_is_local_name(origin) if address is None else address.is_loopback)
    return headers.get("sec-fetch-site") == "cross-site" and not _opens_page(scope, headers)


def _opens_page(scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Tell whether a user is led to a page of an HTTP API, as an issuer does after the sign-in."""
    target = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return target == ("navigate", "document") and str(scope["path"]).startswith(API_PATH_PREFIX)


def _name(address: str) -> str:
    """Return the host in an address; "" if it has none, as the origin ``null``."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_local_name(name: str) -> bool:
    return name in LOCAL_NAMES or name.endswith(tuple(f".{local}" for local in LOCAL_NAMES))

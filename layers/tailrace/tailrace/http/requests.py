"""Parsing API requests: ids, parameters, headers and bodies from the events of API Gateway HTTP APIs.

The event: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from tailrace.encoding.tagged_json import loads_foreign
from tailrace.errors import InvalidMessage
from tailrace.http.preconditions import Preconditions, parse_preconditions
from tailrace.http.problems import NotAcceptable, UnsupportedMediaType

_ITEM_PATH = re.compile(r"(?P<before>.*?/collections/[^/]+/items/)(?P<id>.+)", re.DOTALL)
# a patch is no item: a PUT with one would remove all other fields
_JSON = re.compile(r"application/(?!(merge|json)-patch\+)([a-z0-9.!#$&^_-]+\+)?json")
_MERGE_PATCH = re.compile(r"application/(merge-patch\+)?json")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WEIGHT = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")
_MAX_PARAMETERS = 50

MAX_ITEMS = 1000
"""The most items in one request; Lambda's limit of 6 MB per request may be reached first."""

type Event = Mapping[str, Any]


def with_escaped_item_id(event: Event) -> dict[str, Any]:
    """Return the event with the item id in its path escaped, so that routes match ids with any characters."""
    found = _ITEM_PATH.fullmatch(event["rawPath"])
    if found is None:
        return dict(event)
    return dict(event) | {"rawPath": found["before"] + quote(found["id"], safe="", errors="surrogatepass")}


def decode_item_id(escaped: str) -> str:
    """Return the item id from the path of an event, after :func:`with_escaped_item_id`.

    HTTP APIs pass the path decoded, with literal ``/`` and ``#``; escapes that are still there come from a gateway
    that decodes less, and are decoded here. Two characters do not survive on AWS: it decodes the path a second time,
    so ``%25`` is lost or rejected, and truncates it at an encoded ``?`` (live captures:
    https://github.com/hotsock/voker/blob/main/vokerhttp/testdata/ingress-paths.json). This cannot be detected here;
    ids with ``%`` or ``?`` are safe as the query parameter ``id``.

    Raises:
        InvalidMessage: the id is not UTF-8.
    """
    try:
        return unquote(unquote(escaped, errors="strict"), errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidMessage("the id is not valid UTF-8") from error


def item_path(collection: str, item: str) -> str:
    """Return an item's path and query, in a form that every gateway passes on intact."""
    # clients resolve dot segments (RFC 3986, 5.2.4), proxies also those behind an escaped "/", or collapse empty ones
    if "%" in item or "?" in item or not {".", "..", ""}.isdisjoint(re.split(r"[/\\]", item)):
        return f"/collections/{collection}/items?id={quote(item, safe='')}"
    return f"/collections/{collection}/items/{quote(item, safe='')}"


def query_parameters(event: Event) -> list[tuple[str, str]]:
    """Return the query parameters in order, with repeats.

    Raises:
        InvalidMessage: there are too many, or they are not UTF-8.
    """
    try:
        # not queryStringParameters: a "," in it may be part of a value or separate two values
        return parse_qsl(
            event.get("rawQueryString") or "", keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError as error:
        raise InvalidMessage(f"invalid query string: {error}") from error


def parse_json_object(event: Event) -> dict[str, Any]:
    """Return the body, a JSON object, as engine values.

    Raises:
        UnsupportedMediaType: the content type is not JSON, or that of a patch; or the body is compressed.
        InvalidMessage: the body is missing or not a JSON object.
    """
    _check_media_type(event, _JSON, "application/json")
    return _json_object(event)


def _json_object(event: Event) -> dict[str, Any]:
    coding = header(event, "content-encoding")
    if coding is not None and coding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(f"Content-Encoding {coding[:60]!r} is not supported: send the body uncompressed")
    body = _body(event)
    if not body:
        raise InvalidMessage("the request has no body")
    value = loads_foreign(body)
    if not isinstance(value, dict):
        raise InvalidMessage("the body is not a JSON object")
    return value


def parse_merge_patch(event: Event) -> dict[str, Any]:
    """Return the body, a JSON merge patch (RFC 7396), as engine values.

    Raises:
        UnsupportedMediaType: the content type is neither JSON nor a merge patch, or the body is compressed.
        InvalidMessage: as :func:`parse_json_object`.
    """
    _check_media_type(event, _MERGE_PATCH, "application/merge-patch+json or application/json")
    return _json_object(event)


def batch_items(event: Event) -> list[Any]:
    """Return the items of a batch request.

    Raises:
        UnsupportedMediaType: as :func:`parse_json_object`.
        InvalidMessage: as :func:`parse_json_object`; or the body is not ``{"items": [...]}``, or has too many items.
    """
    body = parse_json_object(event)
    items = body.get("items")
    if not isinstance(items, list) or body.keys() != {"items"}:
        raise InvalidMessage('the body must be {"items": […]} with no other members')
    if len(items) > MAX_ITEMS:
        raise InvalidMessage(f"a request may hold at most {MAX_ITEMS} items, not {len(items)}")
    return items


def header(event: Event, name: str) -> str | None:
    """Return a header by its lower-case name; None if absent."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for key, value in headers.items() if key.lower() == name), None)


def negotiate_media_type(event: Event, offered: Sequence[str]) -> str:
    """Return the offered media type that ``Accept`` prefers; the first one if there is no such header.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1. On a tie, the one offered first wins. Parameters
    count if a media type is offered with them, and are ignored otherwise.

    Raises:
        NotAcceptable: the caller accepts none of them.
    """
    weights: dict[str, float] = {}
    given = [element for element in (header(event, "accept") or "").split(",") if element.strip()]
    for option_text in given or ["*/*"]:
        media_range, *options = (part.strip().lower().replace('"', "") for part in option_text.split(";"))
        weight = next((option.removeprefix("q=") for option in options if option.startswith("q=")), "1")
        specific = (f"{media_range}; {option}" for option in options)
        named = next((name for name in specific if name in offered), media_range)
        weights[named] = float(weight) if _WEIGHT.fullmatch(weight) else 1.0

    def weight_of(media_type: str) -> float:
        plain = media_type.partition(";")[0]
        ranges = (media_type, plain, f"{plain.partition('/')[0]}/*", "*/*")
        return next((weights[name] for name in ranges if name in weights), 0.0)

    best = max(offered, key=weight_of)
    if not weight_of(best):
        raise NotAcceptable(f"Accept allows none of {', '.join(offered)}")
    return best


def request_preconditions(event: Event) -> Preconditions:
    """Return the conditions of a request.

    Raises:
        InvalidMessage: a header is malformed.
    """
    return parse_preconditions(header(event, "if-match"), header(event, "if-none-match"))


def idempotency_key(event: Event) -> str | None:
    """Return the idempotency key; None if the caller sent none.

    Raises:
        InvalidMessage: the key is empty, too long, or does not consist of visible ASCII characters.
    """
    key = header(event, "idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidMessage("Idempotency-Key must have 1 to 255 visible ASCII characters")
    return key


def caller(event: Event) -> str:
    """Return the caller's identity, the same for all sessions of a role; "" without authorization."""
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    if "jwt" in authorizer:
        claims = authorizer["jwt"].get("claims") or {}
        # a client's own token may have no subject; some issuers name the client in azp only
        names = (claims[name] for name in ("sub", "client_id", "azp") if name in claims)
        return f"jwt {claims.get('iss', '')} {next(names, '')}"
    # the id of an assumed role is followed by the session name, which differs between processes
    return str((authorizer.get("iam") or {}).get("callerId", "")).partition(":")[0]


def issuer(event: Event) -> str | None:
    """Return the issuer of the request's token; None if it has no token."""
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    return claims.get("iss")


def _check_media_type(event: Event, form: re.Pattern[str], expected: str) -> None:
    kind = header(event, "content-type")
    if kind is not None and not form.fullmatch(kind.partition(";")[0].strip().lower()):
        raise UnsupportedMediaType(f"Content-Type must be {expected}, not {kind[:60]!r}")


def _body(event: Event) -> str | bytes | None:
    body: str | None = event.get("body")
    if body is None or not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidMessage("the body is marked as base64 but is not valid base64") from error

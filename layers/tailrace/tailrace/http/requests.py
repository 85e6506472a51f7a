"""What a request to the API says: ids, parameters and bodies as API Gateway's HTTP APIs hand them over.

The event: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage
from tailrace.http.preconditions import Preconditions, parse_preconditions
from tailrace.http.problems import NotAcceptable, UnsupportedMediaType

_ITEM_PATH = re.compile(r"(?P<before>.*?/collections/[^/]+/items/)(?P<id>.+)", re.DOTALL)
_JSON = re.compile(r"application/([a-z0-9.!#$&^_-]+\+)?json")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WEIGHT = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")
_MAX_PARAMETERS = 50

MAX_ITEMS = 1000
"""The items of one request at most; Lambda's limit on a request, 6 MB, may come before."""

type Event = Mapping[str, Any]


def with_escaped_item_id(event: Event) -> dict[str, Any]:
    """Return the event with the id in an item's path escaped, whatever characters it has, so that routes match it."""
    found = _ITEM_PATH.fullmatch(event["rawPath"])
    if found is None:
        return dict(event)
    return dict(event) | {"rawPath": found["before"] + quote(found["id"], safe="", errors="surrogatepass")}


def decode_item_id(escaped: str) -> str:
    """Return an id from the path of an event that :func:`with_escaped_item_id` has passed.

    An HTTP API hands a path over decoded, so that ``/`` and ``#`` stand in it as they are; what is still an escape
    there was left by a gateway that decodes less, and is decoded here. Two characters do not survive on AWS: it decodes
    a path a second time, so that ``%25`` is lost or refused, and cuts it at an encoded ``?`` (live captures:
    https://github.com/hotsock/voker/blob/main/vokerhttp/testdata/ingress-paths.json). Nothing here can tell that it
    has happened; ids with ``%`` or ``?`` are safe as the query parameter ``id``.

    Raises:
        InvalidMessage: the id is not UTF-8.
    """
    try:
        return unquote(unquote(escaped, errors="strict"), errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidMessage("the id is no UTF-8 text") from error


def item_path(collection: str, item: str) -> str:
    """Return an item's own path and query, in the form that arrives whole everywhere."""
    if "%" in item or "?" in item:
        return f"/collections/{collection}/items?id={quote(item, safe='')}"
    return f"/collections/{collection}/items/{quote(item, safe='')}"


def query_parameters(event: Event) -> list[tuple[str, str]]:
    """Return the query parameters in their order, repeated ones as often as they come.

    Raises:
        InvalidMessage: they are not UTF-8, or too many.
    """
    try:
        # not the event's queryStringParameters, where "," may be a value's own or stand between two values
        return parse_qsl(
            event.get("rawQueryString") or "", keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError as error:
        raise InvalidMessage(f"the query cannot be read: {error}") from error


def parse_json_object(event: Event) -> dict[str, Any]:
    """Return the body, a JSON object, in the engine's values.

    Raises:
        UnsupportedMediaType: the body says that it is something else than JSON.
        InvalidMessage: there is none, or it is not a JSON object.
    """
    kind = header(event, "content-type")
    if kind is not None and not _JSON.fullmatch(kind.partition(";")[0].strip().lower()):
        raise UnsupportedMediaType(f"send application/json, not {kind[:60]!r}")
    body = _body(event)
    if not body:
        raise InvalidMessage("the request has no body")
    value = loads(body)
    if not isinstance(value, dict):
        raise InvalidMessage("the body is not a JSON object")
    return value


def batch_items(event: Event) -> list[Any]:
    """Return the items of a body that holds many.

    Raises:
        UnsupportedMediaType, InvalidMessage: as :func:`parse_json_object`, or it is not ``{"items": [...]}``, or too
            many.
    """
    body = parse_json_object(event)
    items = body.get("items")
    if not isinstance(items, list) or body.keys() != {"items"}:
        raise InvalidMessage('the body is an object with the one member "items", a list')
    if len(items) > MAX_ITEMS:
        raise InvalidMessage(f"a request holds at most {MAX_ITEMS} items, not {len(items)}")
    return items


def header(event: Event, name: str) -> str | None:
    """Return a header by its name in lower case; None where it was not sent."""
    headers: Mapping[str, str] = event.get("headers") or {}
    return next((value for key, value in headers.items() if key.lower() == name), None)


def negotiate_media_type(event: Event, offered: Sequence[str]) -> str:
    """Return the media type of those offered that the caller likes best; the first one where it does not say.

    The header: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1; of equal weights the one offered first wins.

    Raises:
        NotAcceptable: the caller takes none of them.
    """
    weights: dict[str, float] = {}
    for option_text in (header(event, "accept") or "*/*").split(","):
        media_range, *options = (part.strip().lower() for part in option_text.split(";"))
        weight = next((option.removeprefix("q=") for option in options if option.startswith("q=")), "1")
        weights[media_range] = float(weight) if _WEIGHT.fullmatch(weight) else 1.0

    def weight_of(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((weights[name] for name in ranges if name in weights), 0.0)

    best = max(offered, key=weight_of)
    if not weight_of(best):
        raise NotAcceptable(f"Accept takes none of {', '.join(offered)}")
    return best


def request_preconditions(event: Event) -> Preconditions:
    """Return the conditions of a request.

    Raises:
        InvalidMessage: they cannot be read.
    """
    return parse_preconditions(header(event, "if-match"), header(event, "if-none-match"))


def idempotency_key(event: Event) -> str | None:
    """Return the key with which a caller marks the repeats of one request; None where there is none.

    Raises:
        InvalidMessage: it is empty, too long, or not of visible ASCII characters.
    """
    key = header(event, "idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidMessage("Idempotency-Key has 1 to 255 visible ASCII characters")
    return key


def caller(event: Event) -> str:
    """Return who has signed a request, the same for all sessions of a role; "" where nothing was asked for."""
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    if "jwt" in authorizer:
        claims = authorizer["jwt"].get("claims") or {}
        return f"jwt {claims.get('iss', '')} {claims.get('sub', claims.get('client_id', ''))}"
    # the id of an assumed role is followed by the session's name, which changes from one process to the next
    return str((authorizer.get("iam") or {}).get("callerId", "")).partition(":")[0]


def issuer(event: Event) -> str | None:
    """Return who has issued the token that a request came with; None for one that came without."""
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    return claims.get("iss")


def _body(event: Event) -> str | bytes | None:
    body: str | None = event.get("body")
    if body is None or not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidMessage("the body is not the base64 that it is announced to be") from error

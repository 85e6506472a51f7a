"""Quarantine reports: the whole rejected item, every violation, and where the item came from."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from tailrace.encoding.keys import COLLECTION_NAME
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import TailraceError, Violation
from tailrace.outputs.stored_object import StoredObject

_UNSERIALIZABLE = (TypeError, ValueError, RecursionError, TailraceError)
_SURROGATE = re.compile("[\ud800-\udfff]")

type Entrance = Literal["stream", "queue", "file"]


def quarantine_object(  # noqa: PLR0913 - the members of a report
    *,
    entrance: Entrance,
    collection: str | None,
    id: str | None,  # noqa: A002 - its name in the report and everywhere else
    item: Any,
    violations: Iterable[Violation],
    origin: Mapping[str, str],
    time: str,
    details: Mapping[str, Any] | None = None,
) -> StoredObject:
    """Return the quarantine report of one rejected item.

    ``origin`` says where the item came from (an event id, a file and line, a message id). Entrance and origin determine
    the object's name, so that a second delivery overwrites the same object. The name begins with the entrance, so that
    a listing shows where items are refused. ``time`` is ISO 8601 in UTC and a function of the origin. ``item`` is the
    rejected item as far as it could be parsed, else its text or bytes. ``details`` are further members, which a replay
    needs: ``sequence``, ``refused`` and ``failed_routes`` of a change, ``expires_at`` of a line.
    """
    origin_text = dumps({"entrance": entrance} | dict(origin))
    name = hashlib.sha256(origin_text.encode(errors="surrogatepass")).hexdigest()[:32]
    folder = collection if collection and COLLECTION_NAME.fullmatch(collection) else "unknown"
    body = {
        "entrance": entrance,
        "collection": collection,
        "id": id,
        "origin": dict(origin),
        "time": time,
        "violations": [{"pointer": v.pointer, "keyword": v.keyword, "message": v.message} for v in violations],
        "item": item,
    } | dict(details or {})
    return StoredObject(f"quarantine/{folder}/date={time[:10]}/{entrance}-{name}.json", _serialize(body))


def _readable(value: Any) -> Any:
    """Return a value, or Python's representation of one of an unsupported type or with deep nesting."""
    try:
        dumps({"": value})  # as deep as in the report
    except _UNSERIALIZABLE:
        return {"unreadable": repr(value)}
    return value


def _serialize(body: Mapping[str, Any]) -> bytes:
    try:
        text = dumps(body)
    except _UNSERIALIZABLE:
        text = dumps({name: _readable(value) for name, value in body.items()})
    # UTF-8 cannot encode lone surrogates: escape them, so that every JSON parser can read the report
    return _SURROGATE.sub(lambda found: rf"\\u{ord(found[0]):04x}", text).encode()

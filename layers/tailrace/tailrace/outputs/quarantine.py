"""What was refused, kept whole: the item, every violation, and where it came from."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from tailrace.encoding.keys import COLLECTION_NAME
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import TailraceError, Violation
from tailrace.outputs.stored_object import StoredObject

_SURROGATE = re.compile("[\ud800-\udfff]")

type Entrance = Literal["stream", "queue", "file", "api"]


def quarantine_object(  # noqa: PLR0913 - the parts of one report
    *,
    entrance: Entrance,
    collection: str | None,
    id: str | None,  # noqa: A002 - the word for it everywhere else
    item: Any,
    violations: Iterable[Violation],
    origin: Mapping[str, str],
    time: str,
) -> StoredObject:
    """Return the quarantine object of one refused item.

    ``origin`` says where it came from (an event's id, a file and line, a message's id); with the entrance it makes the
    object's name, so that a second delivery writes the same object. ``time`` is ISO 8601 in UTC and belongs to the
    origin as well. ``item`` is what was refused, as far as it could be read; text or bytes where it could not.
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
    }
    return StoredObject(f"quarantine/{folder}/date={time[:10]}/{name}.json", _serialize(body))


def _serialize(body: Mapping[str, Any]) -> bytes:
    try:
        text = dumps(body)
    except (TypeError, ValueError, RecursionError, TailraceError):
        # not even JSON can hold it (a type without a text, endless nesting): keep what Python can say
        text = dumps(dict(body) | {"item": {"unreadable": repr(body["item"])}})
    # UTF-8 has no form for half a character: it is spelled out, so that every reader of JSON can read the report
    return _SURROGATE.sub(lambda found: rf"\\u{ord(found[0]):04x}", text).encode()

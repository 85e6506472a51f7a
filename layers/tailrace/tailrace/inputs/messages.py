"""Messages of the intake queue: put, patch or delete one item."""

from dataclasses import dataclass
from typing import Any, Literal

from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage

_BODY_MEMBER = {"put": "item", "patch": "patch", "delete": None}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a message asks for; ``body`` is the item of a put, the patch of a patch, empty for a delete."""

    op: Literal["put", "patch", "delete"]
    collection: str
    id: str
    body: Item
    expires_at: Any = None


def parse_message(text: str) -> Operation:
    """Read a message.

    Raises:
        InvalidMessage: the text is not of the form that ``docs/formats.md`` gives.
    """
    message = loads(text)
    if not isinstance(message, dict):
        raise InvalidMessage("a message is a JSON object")
    op: Any = message.get("op")
    if all(op != known for known in _BODY_MEMBER):  # not "in", as it may be of a kind that has no hash
        raise InvalidMessage(f"op is one of {', '.join(_BODY_MEMBER)}, not {repr(op)[:40]}")
    for name in ("collection", "id"):
        if not isinstance(message.get(name), str):
            raise InvalidMessage(f"{name} is missing or no text")
    member = _BODY_MEMBER[op]
    body = message.get(member) if member else {}
    if not isinstance(body, dict):
        raise InvalidMessage(f"{member} is missing or no JSON object")
    unknown = sorted(message.keys() - {"op", "collection", "id", member, "expires_at" if op == "put" else None})
    if unknown:
        raise InvalidMessage(f"unknown members: {', '.join(unknown)[:200]}")
    return Operation(op, message["collection"], message["id"], body, message.get("expires_at"))

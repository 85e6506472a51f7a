"""Messages of the intake queue: put, patch or delete one item."""

from dataclasses import dataclass
from typing import Any, Literal

from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage

_BODY_MEMBER = {"put": "item", "patch": "patch", "delete": None}
_PRECONDITIONS = ("if_match", "if_none_match")


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation that a message requests; ``body`` is the item to put, the patch, or empty for a delete.

    ``if_match`` and ``if_none_match`` are preconditions in the format of the HTTP headers of these names.
    """

    op: Literal["put", "patch", "delete"]
    collection: str
    id: str
    body: Item
    expires_at: Any = None
    if_match: str | None = None
    if_none_match: str | None = None


def parse_message(text: str) -> Operation:
    """Parse a message.

    Raises:
        InvalidMessage: the text does not have the format described in ``docs/formats.md``.
    """
    message = loads(text)
    if not isinstance(message, dict):
        raise InvalidMessage("the message is not a JSON object")
    op: Any = message.get("op")
    if op not in tuple(_BODY_MEMBER):  # a tuple compares without hashing: op may be a list
        raise InvalidMessage(f"op must be one of {', '.join(_BODY_MEMBER)}, not {repr(op)[:40]}")
    for name in ("collection", "id"):
        if not isinstance(message.get(name), str):
            raise InvalidMessage(f"{name} is missing or not a string")
    member = _BODY_MEMBER[op]
    body = message.get(member) if member else {}
    if not isinstance(body, dict):
        raise InvalidMessage(f"{member} is missing or not a JSON object")
    known = {"op", "collection", "id", member, "expires_at" if op == "put" else None, *_PRECONDITIONS}
    unknown = sorted(message.keys() - known)
    if unknown:
        raise InvalidMessage(f"unknown members: {', '.join(unknown)[:200]}")
    conditions = [message.get(name) for name in _PRECONDITIONS]
    if not all(isinstance(condition, str | None) for condition in conditions):
        raise InvalidMessage(f"{' and '.join(_PRECONDITIONS)} must be strings")
    return Operation(op, message["collection"], message["id"], body, message.get("expires_at"), *conditions)

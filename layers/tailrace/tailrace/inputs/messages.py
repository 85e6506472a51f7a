"""Messages of the intake queue: put, patch or delete one item."""

from typing import Any, Literal

from msgspec import Struct

from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import loads_foreign
from tailrace.errors import InvalidMessage

_BODY_MEMBER = {"put": "item", "patch": "patch", "delete": None}
_PRECONDITIONS = ("if_match", "if_absent")


class Operation(Struct, frozen=True):
    """The operation that a message requests; ``body`` is the item to put, the patch, or empty for a delete.

    A put without an id has ``""``: the collection's ``id_from`` makes it. An operation has a precondition if
    ``if_match`` or ``if_absent`` is set: the item has one of these entity tags, in the format of the HTTP header
    ``If-Match``, or does not exist.
    """

    op: Literal["put", "patch", "delete"]
    collection: str
    id: str
    body: Item
    expires_at: Any = None
    if_match: str | None = None
    if_absent: bool = False


def parse_message(text: str) -> Operation:
    """Parse a message.

    Raises:
        InvalidMessage: the text does not have the format described in ``docs/formats.md``.
    """
    message = loads_foreign(text)
    if not isinstance(message, dict):
        raise InvalidMessage("the message is not a JSON object")
    op: Any = message.get("op")
    if op not in tuple(_BODY_MEMBER):  # a tuple compares without hashing: op may be a list
        raise InvalidMessage(f"op must be one of {', '.join(_BODY_MEMBER)}, not {repr(op)[:40]}")
    if not isinstance(message.get("collection"), str):
        raise InvalidMessage("collection is missing or not a string")
    if not isinstance(message.get("id"), str) and not (op == "put" and "id" not in message):
        raise InvalidMessage("id is missing or not a string")
    if message.get("id") == "":
        raise InvalidMessage("id is empty")
    member = _BODY_MEMBER[op]
    body = message.get(member) if member else {}
    if not isinstance(body, dict):
        raise InvalidMessage(f"{member} is missing or not a JSON object")
    known = {"op", "collection", "id", member, "expires_at" if op == "put" else None, *_PRECONDITIONS}
    unknown = sorted(message.keys() - known)
    if unknown:
        raise InvalidMessage(f"unknown members: {', '.join(unknown)[:200]}")
    if_match, if_absent = message.get("if_match"), message.get("if_absent", False)
    # null is refused: a producer that lost its entity tag would overwrite whatever is there
    if not isinstance(message.get("if_match", ""), str) or not isinstance(if_absent, bool):
        raise InvalidMessage(
            "if_match must be a string, if_absent true or false: leave out the one that does not apply"
        )
    return Operation(
        op, message["collection"], message.get("id", ""), body, message.get("expires_at"), if_match, if_absent
    )

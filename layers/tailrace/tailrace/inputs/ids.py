"""Ids of lines: as the line gives them, or made from its fields or its whole content."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

from tailrace.definition.item_ids import escaped, text_of
from tailrace.encoding.digests import item_digest
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import UNREPRESENTABLE, is_representable
from tailrace.encoding.tagged_json import canonical_json
from tailrace.errors import InvalidMessage

CONTENT = ("*",)
"""The columns that stand for a line's whole content."""


def given_id(value: Any) -> str | None:
    """Return the id that a line gives: a text, or an integer; None if it gives none.

    Raises:
        InvalidMessage: it gives something else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidMessage("id must be a non-empty string or an integer")
    return value


def made_id(item: Item, columns: Sequence[str]) -> str:
    """Return the id of an item without one: equal content gives equal ids, however it is written.

    Several columns are joined with ``/``; in each, ``~`` and ``/`` are escaped as ``~0`` and ``~1``, so that different
    values never make the same id. A digest is made of the whole content.

    Raises:
        InvalidMessage: the item has no text, number, boolean or binary in one of the columns; or there are no columns.
    """
    if not columns:
        raise InvalidMessage("id must be a non-empty string or an integer, or the collection's id_from makes one")
    try:
        if tuple(columns) == CONTENT:
            return item_digest(item)
        texts = [_text(name, item.get(name)) for name in columns]
    except (ArithmeticError, RecursionError):
        raise InvalidMessage("the line has no id, and its content cannot make one") from None
    return texts[0] if len(texts) == 1 else "/".join(map(escaped, texts))


def missing_columns(header: AbstractSet[str], columns: Sequence[str]) -> str | None:
    """Return why columns of these names give no id; None if they do."""
    if "id" in header and "id" not in columns:
        return None
    if not columns:
        return "there is no column 'id': add one, or name the columns that make the id in the collection's id_from"
    missing = [] if tuple(columns) == CONTENT else [name for name in columns if name not in header]
    named = " and ".join(map(repr, missing))
    without = "" if "id" in columns else "there is no column 'id', and "
    lack = "is no column" if len(missing) == 1 else "are no columns"
    return f"{without}there {lack} {named}, from which the id is made" if missing else None


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return canonical_json(value)
    if isinstance(value, int | Decimal):
        if not is_representable(value):  # in decimals, it may have a billion digits
            raise InvalidMessage(f"the id is made from {name!r}, {UNREPRESENTABLE}")
        return text_of(value)
    if isinstance(value, str | bytes) and value:
        return text_of(value)
    raise InvalidMessage(f"the id is made from {name!r}, which must be a non-empty text, a number or a boolean")

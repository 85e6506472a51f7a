"""Keys: of items (``collection#id``), and of aggregate rows (``aggregate@version#group``, ``group#group``)."""

import re
from collections.abc import Sequence
from typing import Literal

from tailrace.errors import InvalidMessage

COLLECTION_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")
"""What a collection, aggregate or route may be called."""

EMPTY_SORT_KEY = "-"
"""The sort key of an aggregate with a single group (a key attribute cannot be empty)."""

MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES = 2048, 1024
"""What DynamoDB takes as the two parts of a key."""

MAX_BYTES_PER_CHARACTER = 4
"""Of UTF-8: what is short enough by this need not be encoded to be measured."""

type RowKey = tuple[str, str]
"""A row's partition key and sort key."""

MAX_ID_CHARACTERS = 1024
"""Characters of an item's id."""


def item_key(collection: str, item_id: str) -> str:
    """Return the items table's partition key: the collection, ``#``, the id as it is."""
    return f"{collection}#{item_id}"


def split_item_key(pk: str) -> tuple[str, str]:
    """Return ``(collection, id)``; the inverse of :func:`item_key`, as no collection's name holds ``#``.

    Raises:
        InvalidMessage: the key is not of the form ``collection#id`` with an id of 1 to 1,024 characters.
    """
    collection, separator, item_id = pk.partition("#")
    if not separator or not COLLECTION_NAME.fullmatch(collection) or not 1 <= len(item_id) <= MAX_ID_CHARACTERS:
        raise InvalidMessage(f"not a key of the form collection#id: {pk[:80]!r}")
    return collection, item_id


def escape(text: str) -> str:
    """Make a group's text safe between ``#``: ``%`` becomes ``%25``, ``#`` becomes ``%23``, no text at all ``%``."""
    return text.replace("%", "%25").replace("#", "%23") or "%"


def unescape(text: str) -> str:
    """Undo :func:`escape`."""
    return "" if text == "%" else text.replace("%23", "#").replace("%25", "%")


def row_key(aggregate: str, version: int, texts: Sequence[str]) -> RowKey:
    """Return the ``(pk, sk)`` of an aggregate's row from the texts of its group values, in order."""
    first, *rest = (escape(text) for text in texts)
    return f"{aggregate}@{version}#{first}", "#".join(rest) if rest else EMPTY_SORT_KEY


def lane_key(sk: str, lane: int | Literal[""]) -> str:
    """Return the sort key of one lane of a row: the row's own, ``#`` and the lane; without one what all begin with."""
    return f"{sk}#{lane}"


def value_rows_key(key: RowKey, values: str) -> str:
    """Return the partition key of the value rows called ``values`` of the row ``key``; it begins with ``~``."""
    return f"~{escape(values)}#{key[0]}#{key[1]}"


def group_list_key(aggregate: str, version: int) -> str:
    """Return the partition key of the list of an aggregate's first group; it begins with ``~``."""
    return f"~groups#{aggregate}@{version}"


def group_texts(pk: str, sk: str) -> tuple[str, ...]:
    """Return the texts of the group values that a row's key was made from; the inverse of :func:`row_key`."""
    first = pk.partition("#")[2]
    rest = () if sk == EMPTY_SORT_KEY else tuple(sk.split("#"))
    return tuple(unescape(text) for text in (first, *rest))

"""Keys of items (``collection#id``) and of aggregate rows (``aggregate@version#group``, ``group#group``)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from tailrace.errors import InvalidMessage

COLLECTION_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")
"""The names that collections, aggregates and routes may have."""

EMPTY_SORT_KEY = "-"
"""The sort key of rows of an aggregate with a single group: DynamoDB does not allow an empty one."""

MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES = 2048, 1024
"""DynamoDB's limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

MAX_BYTES_PER_CHARACTER = 4
"""In UTF-8. A string short enough by this bound need not be encoded to check its length."""

SENTINELS = "~sentinel"
"""The first part of the keys of sentinels in the items table: no collection's name begins like this, and every stage
skips them."""

type RowKey = tuple[str, str]
"""A row's partition key and sort key."""

MAX_ID_CHARACTERS = 1024
"""The longest id of an item whose key is ``<collection>#<id>``, in characters."""

MAX_KEY_ID_CHARACTERS = 8192
"""More than any id that is made of the fields in a key: 3,072 bytes, each of which may be written as two characters."""


def item_key(collection: str, item_id: str) -> str:
    """Return an item's partition key: the collection, ``#``, and the id, unescaped."""
    return f"{collection}#{item_id}"


def split_item_key(pk: str) -> tuple[str, str]:
    """Return ``(collection, id)``; the inverse of :func:`item_key`, since collection names contain no ``#``.

    Raises:
        InvalidMessage: the key does not have the form ``collection#id`` with an id of 1 to 1,024 characters.
    """
    collection, _, item_id = pk.partition("#")
    if not 1 <= len(item_id) <= MAX_ID_CHARACTERS or not _is_collection_name(collection):
        text = f"expected collection#id, with an id of 1 to {MAX_ID_CHARACTERS} characters"
        raise InvalidMessage(f"invalid item key {pk[:80]!r}: {text}")
    return collection, item_id


def is_item_key(pk: str) -> bool:
    """Tell whether a key has the form ``collection#id``."""
    collection, _, item_id = pk.partition("#")
    return 1 <= len(item_id) <= MAX_ID_CHARACTERS and _is_collection_name(collection)


@lru_cache(maxsize=1024)
def _is_collection_name(text: str) -> bool:
    return COLLECTION_NAME.fullmatch(text) is not None


def escape(text: str) -> str:
    """Escape a group's text for use between ``#``: ``%`` becomes ``%25``, ``#`` ``%23``, and an empty text ``%``."""
    return text.replace("%", "%25").replace("#", "%23") or "%"


def unescape(text: str) -> str:
    """Undo :func:`escape`."""
    return "" if text == "%" else text.replace("%23", "#").replace("%25", "%")


def row_key(aggregate: str, version: int, texts: Sequence[str], epoch: int = 0) -> RowKey:
    """Return the key of an aggregate's row from the texts of its group values, in group order.

    Without groups, nothing follows the ``#``: the only row is ``aggregate@version#``, ``-``. ``epoch`` counts the
    builds of this version; rows that were never rebuilt are in epoch 0.
    """
    if not texts:
        return f"{_generation(aggregate, version, epoch)}#", EMPTY_SORT_KEY
    first, *rest = (escape(text) for text in texts)
    return f"{_generation(aggregate, version, epoch)}#{first}", "#".join(rest) if rest else EMPTY_SORT_KEY


def lane_key(sk: str, lane: int | Literal[""]) -> str:
    """Return the sort key of one lane of a row, ``<sk>#<lane>``; with ``""``, the prefix that all lanes share."""
    return f"{sk}#{lane}"


def value_rows_key(key: RowKey, values: str) -> str:
    """Return the partition key of the value rows named ``values`` of the row ``key``; it begins with ``~``."""
    return f"~{escape(values)}#{key[0]}#{key[1]}"


def group_list_key(aggregate: str, version: int, epoch: int = 0) -> str:
    """Return the partition key of the list of an aggregate's first-group values; it begins with ``~``."""
    return f"~groups#{_generation(aggregate, version, epoch)}"


def _generation(aggregate: str, version: int, epoch: int) -> str:
    return f"{aggregate}@{version}~{epoch}" if epoch else f"{aggregate}@{version}"


def key_owner(pk: str) -> str:
    """Return ``<aggregate>@<version>`` of any row's partition key, the part that no item decides."""
    return pk.split("#")[1 if pk.startswith("~") else 0]


def group_texts(pk: str, sk: str) -> tuple[str, ...]:
    """Return the texts of a row's group values; the inverse of :func:`row_key`."""
    first = pk.partition("#")[2]
    if not first:
        return ()  # an empty text would be escaped
    rest = () if sk == EMPTY_SORT_KEY else tuple(sk.split("#"))
    return tuple(unescape(text) for text in (first, *rest))

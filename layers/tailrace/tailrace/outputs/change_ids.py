"""Names of changes for logs: the same where a change is written and where the stream reports it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from tailrace.encoding.dynamodb import REPLICATION, decode_item
from tailrace.encoding.tagged_json import canonical_json
from tailrace.errors import TailraceError

_CHARACTERS = 20


def change_id(new: Mapping[str, Any] | None, key: Mapping[str, Any]) -> str:
    """Return the name of a change: a digest of the whole row after it, or of the key of a deleted one.

    Rows are in DynamoDB's JSON. The name reveals nothing about the item, and nothing is stored for it. A row that is
    written again with the same content has the same name; a row that cannot be read has none ("").
    """
    row = {name: value for name, value in (key if new is None else new).items() if name not in REPLICATION}
    try:
        text = canonical_json([new is None, decode_item(row)])
    except (TailraceError, ArithmeticError, KeyError, TypeError, ValueError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:_CHARACTERS]

"""Cursors: opaque, URL-safe texts that say where the next page starts."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from tailrace.encoding.keys import MAX_SORT_KEY_BYTES, escape


def encode_cursor(values: list[Any]) -> str:
    """Encode a position and its checksum."""
    # an escaped letter takes six bytes, and the gateway limits address and headers to 10 KB together
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Any:
    """Return the values given to :func:`encode_cursor`; for any other text, None or arbitrary JSON."""
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None


def is_beyond(key: str, after: str, *, descending: bool) -> bool:
    """Return whether a row's key comes after the last one of the page before; any does if ``after`` is empty."""
    return not after or (key < after if descending else key > after)


def key_place(texts: Sequence[str]) -> str:
    """Return a text that is ordered among others as keys are that begin with these groups."""
    return "".join(f"{escape(text)}#" for text in texts)


def is_sort_key(text: str) -> bool:
    """Return whether a text can be a sort key, so that DynamoDB can continue after it."""
    try:
        return 1 <= len(text.encode()) <= MAX_SORT_KEY_BYTES
    except UnicodeEncodeError:
        return False

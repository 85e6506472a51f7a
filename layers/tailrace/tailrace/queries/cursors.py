"""Cursors: where a reader is to go on, as an opaque text that fits into an address."""

import base64
import json
from typing import Any


def encode_cursor(values: list[Any]) -> str:
    """Return a place, which ends with its seal, as an opaque text."""
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Any:
    """Return what :func:`encode_cursor` was given; anything else, or None, for a text that it has not made."""
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None

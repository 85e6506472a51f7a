"""The mark: how a row remembers what it has absorbed of each shard of the stream.

A row carries, for each shard, an attribute that holds the sequence number of the last change it has absorbed. One
conditional write adds the deltas and moves the mark, so that a change that is delivered again finds itself below it.

A shard's id is ``shardId-``, 20 digits (the milliseconds since 1970 at which it was opened) and 8 hex digits; the
attribute's name keeps both, shortened. A sequence number has 21 to 40 digits; padded to 40 its text sorts as the
number does, which DynamoDB's own numbers (38 digits) could not hold.
"""

import hashlib
import re

_SHARD_ID = re.compile(r"shardId-(\d{20})-([0-9a-f]{8})")
_WIDTH = 40
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def mark_attribute(shard: str) -> str:
    """Return the name of the row attribute that holds the mark of a shard.

    An id of another form, as in hand-made events, is as good a name for a shard; it is shortened by a digest.
    """
    match = _SHARD_ID.fullmatch(shard)
    if match is None:
        return f"~{hashlib.sha256(shard.encode()).hexdigest()[:16]}"
    return f"~{_base36(int(match[1]))}-{match[2]}"


def _base36(value: int) -> str:
    text = ""
    while value:
        value, digit = divmod(value, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def pad(sequence: int) -> str:
    """Return a sequence number as a text that compares as the number does."""
    return f"{sequence:0{_WIDTH}d}"

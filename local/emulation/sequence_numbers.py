"""Sequence numbers on the emulator: a position in a stream is found by number, whatever its leading zeros.

The emulator's numbers have thirty digits with leading zeros, and it compares them as texts. Code that keeps
an integer, such as write-behind, writes it with 21 digits, the fewest that DynamoDB uses.
"""

from typing import Any

DIGITS = 30

type Json = dict[str, Any]


def find_by_number(streams: Json) -> None:
    """Let the emulator's module with these names find the records of sequence numbers with fewer leading zeros."""
    begin = streams["_get_shard_iterator"]

    def begin_at_number(request: Json) -> Any:
        number = request.get("SequenceNumber")
        return begin({**request, "SequenceNumber": str(number).zfill(DIGITS)} if number else request)

    streams["_get_shard_iterator"] = begin_at_number

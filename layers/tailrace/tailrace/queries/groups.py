"""Queries for the values of an aggregate's first group, with their item counts."""

import hashlib

from msgspec import Struct
from msgspec.structs import replace

from tailrace.definition.aggregate import GroupList
from tailrace.errors import InvalidMessage
from tailrace.queries.cursors import decode_cursor, encode_cursor, is_sort_key


class GroupQuery(Struct, frozen=True):
    """Up to ``limit`` values: most items first, or in key order, starting after ``after``."""

    group_list: GroupList
    limit: int
    by_key: bool
    after: str | None = None

    def cursor(self, after: str) -> str:
        """Return the cursor with which this query continues after a sort key."""
        return encode_cursor([after, self._checksum(after)])

    def starting_at(self, cursor: str) -> "GroupQuery":
        """Return this query, continued at a cursor.

        Raises:
            InvalidMessage: the cursor is from another query or was tampered with.
        """
        match decode_cursor(cursor):
            case [str(after), checksum] if is_sort_key(after) and checksum == self._checksum(after):
                return replace(self, after=after)
        raise InvalidMessage(
            "invalid cursor: pass it on unchanged, with the same query; begin again if the aggregate was rebuilt"
        )

    def _checksum(self, after: str) -> str:
        return hashlib.sha256(f"{self.group_list.pk}\n{after}".encode()).hexdigest()[:16]

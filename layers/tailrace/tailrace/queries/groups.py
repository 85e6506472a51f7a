"""Reading the list of an aggregate's first group: which values there are, and how many items each has."""

import hashlib
from dataclasses import dataclass, replace

from tailrace.definition.aggregate import GroupList
from tailrace.errors import InvalidMessage
from tailrace.queries.cursors import decode_cursor, encode_cursor


@dataclass(frozen=True, slots=True)
class GroupQuery:
    """Up to ``limit`` values: those with the most items first, or in the order of the key, behind ``after``."""

    group_list: GroupList
    limit: int
    by_key: bool
    after: str | None = None

    def cursor(self, after: str) -> str:
        """Return an opaque text from which the same query goes on behind a sort key."""
        return encode_cursor([after, self._checksum(after)])

    def starting_at(self, cursor: str) -> "GroupQuery":
        """Return the query that goes on at a cursor.

        Raises:
            InvalidMessage: the cursor comes from another query, or was changed on the way.
        """
        match decode_cursor(cursor):
            case [str(after), checksum] if after and checksum == self._checksum(after):
                return replace(self, after=after)
        raise InvalidMessage("the cursor is not one of this query")

    def _checksum(self, after: str) -> str:
        return hashlib.sha256(f"{self.group_list.pk}\n{after}".encode()).hexdigest()[:16]

"""A program that writes to a table and knows nothing of Tailrace: every kind of write that the SDK offers."""

import random
from collections.abc import Iterable
from typing import Any

from tailrace.encoding.dynamodb import encode_item
from tests.foreign.designs import Design, Row

EXPIRED_BEFORE = 3_000_000_000
"""Seconds since 1970: the designs have items that have expired and items that expire in the far future."""


def has_expired(row: Row) -> bool:
    """Whether TTL deletes the item."""
    return bool(0 < row.get("ttl", 0) < EXPIRED_BEFORE)


class Writer:
    """Writes to the table of a design, at random.

    Attributes:
        held: what the table holds, by key.
        ended: the sessions that had expired when they were deleted. They stay counted (``on_expiry="keep"``).
    """

    def __init__(self, dynamodb: Any, design: Design, seed: str) -> None:
        self.held: dict[str, Row] = {}
        self.ended: list[Row] = []
        self._dynamodb = dynamodb
        self._design = design
        self._dice = random.Random(seed)  # noqa: S311 - not a secret

    def write(self, times: int) -> None:
        """Put, update and delete items: one by one, in batches and in transactions."""
        kinds = (self._put, self._put, self._update, self._delete, self._batch, self._transact)
        for _ in range(times):
            self._dice.choice(kinds)()

    def forget_expired(self) -> None:
        """Note that TTL has deleted every item that has expired."""
        for row in [row for row in self.held.values() if has_expired(row)]:
            self._removed(row)

    def _put(self) -> None:
        row = self._row()
        self._dynamodb.put_item(TableName=self._design.name, Item=encode_item(row))
        self._stored(row)

    def _update(self) -> None:
        row = self._row()
        self._dynamodb.update_item(**self._updating(row))
        self._merged(row)

    def _delete(self) -> None:
        row = self._row()
        self._dynamodb.delete_item(TableName=self._design.name, Key=encode_item(self._design.key(row)))
        self._removed(row)

    def _batch(self) -> None:
        puts, deletes, _ = self._distinct_rows(9)
        requests = [{"PutRequest": {"Item": encode_item(row)}} for row in puts]
        requests += [{"DeleteRequest": {"Key": encode_item(self._design.key(row))}} for row in deletes]
        answer = self._dynamodb.batch_write_item(RequestItems={self._design.name: requests})
        assert not answer["UnprocessedItems"]
        self._all(puts, deletes)

    def _transact(self) -> None:
        puts, deletes, updates = self._distinct_rows(6)
        table = {"TableName": self._design.name}
        actions: list[dict[str, Any]] = [{"Put": table | {"Item": encode_item(row)}} for row in puts]
        actions += [{"Delete": table | {"Key": encode_item(self._design.key(row))}} for row in deletes]
        actions += [{"Update": self._updating(row)} for row in updates if len(row) > len(self._design.keys)]
        self._dynamodb.transact_write_items(TransactItems=actions)
        self._all(puts, deletes)
        for row in updates:
            if len(row) > len(self._design.keys):
                self._merged(row)

    def _row(self) -> Row:
        return self._design.make(self._dice)

    def _distinct_rows(self, count: int) -> tuple[list[Row], list[Row], list[Row]]:
        """Make rows of different keys, of which there is at least one to put."""
        rows = {self._name(row): row for row in (self._row() for _ in range(count))}
        chosen: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
        for number, row in enumerate(rows.values()):
            chosen[number % 3].append(row)
        return chosen

    def _updating(self, row: Row) -> dict[str, Any]:
        fields = {name: value for name, value in row.items() if name not in self._design.keys}
        request = {"TableName": self._design.name, "Key": encode_item(self._design.key(row))}
        if not fields:
            return request
        sets = [f"#{number} = :{number}" for number in range(len(fields))]
        values = encode_item({f":{number}": value for number, value in enumerate(fields.values())})
        names = {f"#{number}": name for number, name in enumerate(fields)}
        return request | {
            "UpdateExpression": f"SET {', '.join(sets)}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }

    def _all(self, puts: Iterable[Row], deletes: Iterable[Row]) -> None:
        for row in puts:
            self._stored(row)
        for row in deletes:
            self._removed(row)

    def _stored(self, row: Row) -> None:
        self.held[self._name(row)] = row

    def _merged(self, row: Row) -> None:
        self.held[self._name(row)] = self.held.get(self._name(row), {}) | row

    def _removed(self, row: Row) -> None:
        old = self.held.pop(self._name(row), {})
        if old.get("entity") == "Session" and has_expired(old):
            self.ended.append(old)

    def _name(self, row: Row) -> str:
        return str(self._design.key(row))

"""Rows that are read by key, where the table answers in parts."""

from typing import Any

import pytest

from tailrace.aws.aggregates.batch_reads import rows_by_key
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Transient

KEYS = [("a", str(number)) for number in range(5)]


class BusyTable:
    """A table that answers with some rows of those that are asked for."""

    def __init__(self, *parts: int) -> None:
        self.parts = list(parts)

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return as many rows as the next part has, and what is left."""
        ((table, asked),) = request["RequestItems"].items()
        part = self.parts.pop(0)
        left = asked | {"Keys": asked["Keys"][part:]}
        unprocessed = {"UnprocessedKeys": {table: left}} if left["Keys"] else {}
        return {"Responses": {table: asked["Keys"][:part]}} | unprocessed


class EmptyTable:
    """A table without rows, which looks up two keys per call."""

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return no row, and what is left."""
        ((table, asked),) = request["RequestItems"].items()
        left = asked["Keys"][2:]
        return {"Responses": {}, "UnprocessedKeys": {table: asked | {"Keys": left}} if left else {}}


def test_rows_that_do_not_exist_are_no_sign_of_a_busy_table() -> None:
    client: Any = EmptyTable()
    assert not list(rows_by_key(client, "rows", KEYS))


def read(*parts: int) -> list[tuple[str, str]]:
    client: Any = BusyTable(*parts)
    return [(row["pk"], row["sk"]) for row in map(decode_item, rows_by_key(client, "rows", KEYS))]


@pytest.mark.parametrize("parts", [(5,), (1, 4), (2, 2, 1)])
def test_rows_that_a_busy_table_has_left_out_are_read_as_well(parts: tuple[int, ...]) -> None:
    assert read(*parts) == KEYS


@pytest.mark.parametrize("parts", [(0,), (3, 0)])
def test_a_table_that_answers_with_no_row_is_read_again_later(parts: tuple[int, ...]) -> None:
    with pytest.raises(Transient):
        read(*parts)

"""Cursors: a query goes on where its page ended, and never outside of its own ranges, whatever the cursor says."""

import base64
import json
from typing import Any

import pytest

from tailrace import Aggregate
from tailrace.errors import InvalidMessage
from tailrace.queries.parameters import parse_group_query, parse_row_query
from tailrace.queries.rows import Position
from tests.unit.queries.trips import CARRIER_HOURS, CARRIERS, DAYS, PLACES, query

CASES: list[tuple[Aggregate, dict[str, str], Position]] = [
    (CARRIER_HOURS, {"carrier": "UA"}, Position("trips_by@3#UA", "2013-01-01T05:00-05:00")),
    (CARRIER_HOURS, {"carrier": "UA", "to": "2013-01-02"}, Position("trips_by@3#UA", "2013-01-01T05:00-05:00")),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, Position("trips_by@3#2013-01-03", "UA#ORD")),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05", "carrier": "UA"}, Position("trips_by@3#2013-01-03")),
]


@pytest.mark.parametrize(("of", "given", "position"), CASES)
def test_a_cursor_continues_at_its_position(of: Aggregate, given: dict[str, str], position: Position) -> None:
    first = parse_row_query(of, list(given.items()))
    again = parse_row_query(of, [*given.items(), ("cursor", first.cursor(position)), ("limit", "7")])
    assert (again.start, again.limit) == (position, 7)
    assert next(again.ranges()).pk == position.pk


@pytest.mark.parametrize(("of", "given", "position"), CASES)
def test_a_modified_cursor_or_one_of_another_query_is_rejected(
    of: Aggregate, given: dict[str, str], position: Position
) -> None:
    cursor = parse_row_query(of, list(given.items())).cursor(position)
    other = dict(given) | ({"carrier": "B6"} if "carrier" in given else {"from": "2013-01-02"})
    rejected = [
        (other, cursor),
        (given, cursor[:-2]),
        (given, cursor + "A"),
        (given, cursor.swapcase()),
        (given, "é"),
        (given, ""),
    ]
    for parameters, text in rejected:
        with pytest.raises(InvalidMessage, match="cursor"):
            parse_row_query(of, [*parameters.items(), ("cursor", text)])


def test_a_cursor_is_hardly_longer_than_the_key_that_it_holds() -> None:
    """The gateway refuses addresses with headers of more than 10,240 bytes."""
    found = query(PLACES, carrier="漢" * 500)
    (key_range,) = found.ranges()
    cursor = found.cursor(Position(key_range.pk, "é" * 500))
    assert len(cursor) < 4 / 3 * len(f"{key_range.pk}{'é' * 500}".encode()) + 50
    assert query(PLACES, carrier="漢" * 500, cursor=cursor).start == Position(key_range.pk, "é" * 500)


OUTSIDE: list[tuple[Aggregate, dict[str, str], list[Any]]] = [
    (CARRIER_HOURS, {"carrier": "UA"}, ["trips_by@3#B6", "2013-01-01T05:00-05:00"]),
    (CARRIER_HOURS, {"carrier": "UA", "to": "2013-01-02"}, ["trips_by@3#UA", "2014-01-01T05:00-05:00"]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, ["trips_by@3#2013-02-03", None]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, ["trips_by@3#2013-01-03T00", None]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, ["trips_by@3#x", None]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, ["secrets@3#2013-01-03", None]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05", "carrier": "UA"}, ["trips_by@3#2013-01-03", "B6#ORD"]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, [1, None]),
    (DAYS, {"from": "2013-01-01", "to": "2013-01-05"}, ["trips_by@3#2013-01-03", {}]),
    (CARRIER_HOURS, {"carrier": "UA"}, ["trips_by@3#UA", ""]),
    (CARRIER_HOURS, {"carrier": "UA"}, ["trips_by@3#UA", "\ud800"]),
    (CARRIER_HOURS, {"carrier": "UA"}, ["trips_by@3#UA", "2" * 1025]),
]


@pytest.mark.parametrize(("of", "given", "position"), OUTSIDE)
def test_a_forged_cursor_reads_nothing_outside_its_query(
    of: Aggregate, given: dict[str, str], position: list[Any]
) -> None:
    made = parse_row_query(of, list(given.items()))
    values = [*position, 0]
    forged = base64.urlsafe_b64encode(json.dumps([*values, made._checksum(values)]).encode()).decode()
    with pytest.raises(InvalidMessage, match="cursor"):
        parse_row_query(of, [*given.items(), ("cursor", forged)])


@pytest.mark.parametrize("after", ["", "\ud800", "2" * 1025])
def test_a_forged_cursor_of_a_list_of_groups_is_rejected(after: str) -> None:
    made = parse_group_query(CARRIERS, [("order", "key")])
    checksum = made._checksum(after) if after.isascii() else "0" * 16  # text that is not UTF-8 has none
    forged = base64.urlsafe_b64encode(json.dumps([after, checksum]).encode()).decode()
    with pytest.raises(InvalidMessage, match="cursor"):
        made.starting_at(forged)

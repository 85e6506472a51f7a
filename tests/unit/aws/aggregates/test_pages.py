"""Pages of merged rows, while groups appear and disappear between two of them."""

import json
from contextlib import nullcontext
from typing import Any

import pytest

from local.in_memory.database import Database
from tailrace import Aggregate, Pipeline, count, day, field
from tailrace.aws.aggregates.row_reader import MAX_BYTES, Page, RowReader
from tailrace.aws.aggregates.window_reader import WindowReader
from tailrace.definition.collection import Collection
from tailrace.encoding.dynamodb import encode_item
from tailrace.errors import QueryTooLarge
from tailrace.queries.cursors import decode_cursor
from tailrace.queries.parameters import parse_ranking_query, parse_row_query
from tailrace.queries.rows import Position, WindowPosition
from tailrace.testing import history, stored_rows

events = Collection("events", schema={"type": "object"})
by_day = Aggregate("by_day", of=events, by=[day("at"), field("kind")], measures={"n": count()})
by_kind = Aggregate(
    "by_kind", of=events, by=[field("at"), day("at", name="day"), field("kind")], measures={"n": count()}
)
kind_first = Aggregate(
    "kind_first", of=events, by=[field("x"), field("kind"), day("at")], measures={"n": count()}, listed=False
)
day_first = Aggregate(
    "day_first", of=events, by=[field("x"), day("at"), field("kind")], measures={"n": count()}, listed=False
)
in_lanes = Aggregate(
    "in_lanes", of=events, by=[field("x"), field("kind")], measures={"n": count()}, lanes=2, listed=False
)
days_in_lanes = Aggregate("days_in_lanes", of=events, by=[day("at"), field("kind")], measures={"n": count()}, lanes=2)
pipeline = Pipeline(collections=[events], aggregates=[by_day, by_kind, kind_first, day_first, in_lanes, days_in_lanes])

DAY_KEY = "by_day@1#2024-03-05"
DAYS = [("from", "2024-03-01"), ("to", "2024-03-09")]


def table(kinds: str, *later: tuple[str, str]) -> Any:
    """Return a client whose table has the rows of an item of each of some kinds, each a letter, and of other dates."""
    given = (*(("2024-03-05", kind) for kind in kinds), *later)
    items = [(str(number), {"at": at, "kind": kind, "x": 1}) for number, (at, kind) in enumerate(given)]
    records = history("events", items, pipeline=pipeline)
    database = Database()
    database.create("aggregates", "pk", "sk")
    for row in stored_rows(records, pipeline):
        database.put_item(TableName="aggregates", Item=encode_item(row))
    return database


@pytest.mark.parametrize("aggregate", [by_day, by_kind])
@pytest.mark.parametrize("more", [{"interval": "month"}, {"interval": "range"}, {"window": "2d"}])
@pytest.mark.parametrize(
    ("order", "kinds", "expected"),
    [
        ("asc", ("bcde", "cde"), ["bc", "de"]),
        ("asc", ("bcde", "abcde"), ["bc", "de"]),
        ("asc", ("bcde", "f"), ["bc", "f"]),
        ("desc", ("bcde", "bcd"), ["ed", "cb"]),
        ("desc", ("bcde", "bcdef"), ["ed", "cb"]),
        ("desc", ("bcde", "bc"), ["ed", "cb"]),
    ],
)
def test_the_next_page_begins_behind_the_last_row_of_the_one_before(
    aggregate: Aggregate, more: dict[str, str], order: str, kinds: tuple[str, str], expected: list[str]
) -> None:
    given = {"at": "2024-03-05"} if aggregate is by_kind else {}
    given |= {"from": "2024-03-05", "to": "2024-03-05", "limit": "2", "order": order} | more
    found = []
    for present in kinds:
        query = parse_row_query(aggregate, list(given.items()))
        reader = RowReader(table(present), "aggregates")
        page = (WindowReader(reader) if query.window else reader).read(query, lambda row: str(row["kind"]))
        given["cursor"] = page.cursor or ""
        found.append("".join(page.rows))
    assert found == expected


@pytest.mark.parametrize("aggregate", [kind_first, day_first])
@pytest.mark.parametrize(("order", "added"), [("asc", "2024-03-06"), ("desc", "2024-03-04")])
def test_a_row_that_was_returned_is_not_repeated_with_what_is_added_to_it(
    aggregate: Aggregate, order: str, added: str
) -> None:
    """Bucket by bucket, rows are added to the interval that a page ended with."""
    other = "2024-04-01" if order == "asc" else "2024-02-01"
    given = {"x": "1", "interval": "month", "order": order, "limit": "1"}
    found: list[str] = []
    while not found or given["cursor"]:
        client = table("m", *([(added, "m")] if found else []), (other, "n" if order == "asc" else "l"))
        query = parse_row_query(aggregate, list(given.items()))
        page = RowReader(client, "aggregates").read(query, lambda row: f"{row['kind']}{row['n']}")
        given["cursor"] = page.cursor or ""
        found += page.rows
    assert found == (["m1", "n1"] if order == "asc" else ["m1", "l1"])


@pytest.mark.parametrize(
    ("aggregate", "given", "others"),
    [
        (by_day, [("from", "2024-03-01"), ("to", "2024-03-31")], []),
        (day_first, [("x", "1")], [("2024-02-01", "z"), ("2024-04-01", "a")]),
    ],
)
@pytest.mark.parametrize(("order", "expected"), [("asc", "b1c2"), ("desc", "d1c2")])
def test_a_row_that_appears_between_two_pages_has_all_of_its_sum(
    aggregate: Aggregate, given: list[tuple[str, str]], others: list[tuple[str, str]], order: str, expected: str
) -> None:
    """Some of its buckets come before those of the last row of the page before."""
    given = [*given, ("interval", "month"), ("order", order), ("limit", "2" if others else "1")]
    found, kinds = "", "bd" if not others else expected[0]
    for later in ([], [("2024-03-04", "c"), ("2024-03-06", "c")]):
        page = RowReader(table(kinds, *others, *later), "aggregates").read(
            parse_row_query(aggregate, given), lambda row: f"{row['kind']}{row['n']}"
        )
        given.append(("cursor", page.cursor or ""))
        found += "".join(page.rows)
    assert expected in found


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_rows_in_lanes_leave_out_no_text(order: str) -> None:
    given, found = {"x": "1", "order": order, "limit": "1", "cursor": ""}, ""
    while given["cursor"] or not found:
        query = parse_row_query(in_lanes, [one for one in given.items() if one[1]])
        page = RowReader(table("-a%b"), "aggregates").read(query, lambda row: str(row["kind"]))
        given["cursor"], found = page.cursor or "", found + "".join(page.rows)
    assert found == ("%-ab" if order == "asc" else "ba-%")


@pytest.mark.parametrize(("order", "added", "expected"), [("asc", "a", "bd"), ("desc", "e", "db")])
def test_a_row_in_lanes_that_appears_before_the_page_repeats_none(order: str, added: str, expected: str) -> None:
    given, found = {"from": "2024-03-05", "to": "2024-03-05", "order": order, "limit": "1", "cursor": ""}, ""
    while given["cursor"] or not found:
        query = parse_row_query(days_in_lanes, [one for one in given.items() if one[1]])
        page = RowReader(table(f"bd{added if found else ''}"), "aggregates").read(query, lambda row: str(row["kind"]))
        given["cursor"], found = page.cursor or "", found + "".join(page.rows)
    assert found == expected


def all_pages(reader: RowReader, parameters: list[tuple[str, str]]) -> list[Page]:
    pages: list[Page] = []
    while not pages or pages[-1].cursor:
        more = [("cursor", page.cursor or "") for page in pages[-1:]]
        query = parse_row_query(by_day, [*parameters, *more])
        pages.append((WindowReader(reader) if query.window else reader).read(query, lambda row: str(row["kind"])))
    return pages


def test_a_request_that_runs_out_of_time_reads_no_more() -> None:
    late = RowReader(table("abc"), "aggregates", remaining_ms=lambda: 14_999)
    query, by, _ = parse_ranking_query(by_day, [*DAYS, ("by", "n")])
    with pytest.raises(QueryTooLarge, match="more time than a request has"):
        late.rank(query, by, str, greatest=True)
    with pytest.raises(QueryTooLarge, match="more time than a request has"):
        all_pages(late, [*DAYS, ("interval", "month")])
    with pytest.raises(QueryTooLarge, match="more time than a request has"):
        all_pages(late, [*DAYS, ("window", "2d")])
    for more in ([], [("window", "1d"), ("limit", "1")]):
        pages = all_pages(late, [*DAYS, *more])
        assert [row for page in pages for row in page.rows] == ["a", "b", "c"]
        assert len(pages) > len("abc")


def test_a_ranking_that_is_too_large_for_a_response_is_refused() -> None:
    """Its rows may have lists of hundreds of values, each of up to 1 KB."""
    reader = RowReader(table("abc"), "aggregates")
    for number, fits in (("3", False), ("2", True)):
        query, by, _ = parse_ranking_query(by_day, [("day", "2024-03-05"), ("by", "n"), ("n", number)])
        with nullcontext() if fits else pytest.raises(QueryTooLarge, match="request fewer of them with n"):
            page = reader.rank(query, by, lambda _: "x" * (MAX_BYTES // 2 - 2), greatest=True)
            assert len(page.rows) == 2


@pytest.mark.parametrize("window", [[], [("window", "1d")]])
def test_a_page_of_signs_that_are_escaped_fits_into_a_response(window: list[tuple[str, str]]) -> None:
    """The body is a text in JSON, so each quotation mark and backslash takes two bytes."""
    query = parse_row_query(by_day, [("from", "2024-03-05"), ("to", "2024-03-05"), *window])
    reader = RowReader(table("abcdefghijklm"), "aggregates")
    page = (WindowReader(reader) if window else reader).read(query, lambda _: '"' * 500_000)
    assert page.cursor is not None
    assert 3_000_000 < len(json.dumps("".join(page.rows))) < 5_500_000


@pytest.mark.parametrize("more", [[], [("interval", "month")], [("window", "1d")]])
def test_cursors_between_runs_are_those_of_earlier_releases(more: list[tuple[str, str]]) -> None:
    """During a deployment in steps, both releases respond, each to cursors of the other."""
    query = parse_row_query(by_day, [*DAYS, *more])
    found = query.window_cursor(WindowPosition(0, "2024-03-05")) if query.window else query.cursor(Position(DAY_KEY))
    assert decode_cursor(found)[:3] == ([0, "2024-03-05", 0] if query.window else [DAY_KEY, None, 0])
    again = parse_row_query(by_day, [*DAYS, *more, ("cursor", found)])
    assert again.window_start == WindowPosition(0, "2024-03-05") if query.window else again.start == Position(DAY_KEY)

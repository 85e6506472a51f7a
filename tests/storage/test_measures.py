"""Every measure, kept by the real function on DynamoDB Local through changes, moves, deletions and redelivery."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.aggregate import app
from tailrace.aggregation.marks import REDELIVERY_HORIZON
from tailrace.aws.aggregates.known_rows import KnownRows
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.runtime.clients import client
from tailrace.encoding.tagged_json import loads
from tailrace.queries.parameters import parse_row_query
from tailrace.testing import event, history, record
from tests import strategies
from tests.pipelines import measured
from tests.storage.conftest import Aggregates

ORDER_MEASURES = {"least", "most", "amounts", "median", "usual", "earliest", "earliest_at", "latest", "latest_at"}
ORDER_MEASURES |= {"dearest", "cheapest", "biggest", "biggest_by"}
ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": 5, "lines": 1}

orders_history = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", "4"]), st.one_of(st.none(), strategies.orders)), min_size=1, max_size=12
)


@pytest.fixture
def shops(aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch) -> Aggregates:
    """Let the function keep every measure there is."""
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.measured:pipeline")
    app.stage.cache_clear()
    return aggregates


def values(shops: Aggregates) -> dict[str, dict[str, Any]]:
    """Return the rows of the aggregate ``shops`` that readers see, by shop."""
    return {row["shop"]: row for key, row in shops.values().items() if key[0].startswith("shops@")}


def clear(shops: Aggregates) -> None:
    """Delete every row."""
    for key in shops.rows():
        shops.dynamodb.delete_item(TableName=shops.name, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})


@pytest.fixture(params=[False, True], ids=["single", "batches"])
def written(shops: Aggregates, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Aggregates:
    """Let the function write row by row, or known rows in batches."""
    if not request.param:
        shops.write_singly(monkeypatch)
    monkeypatch.setattr(KnownRows, "have_absorbed", lambda *_row: False)  # the marks alone have to know it
    return shops


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders_history, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10)), max_size=5), st.integers(0, 12))
def test_every_measure_is_what_a_recount_says(
    written: Aggregates, writes: list[Any], again: list[tuple[int, int]], cut: int
) -> None:
    shops = written
    clear(shops)
    records = history("orders", writes)
    for part in (records[:cut], records[cut:]):
        assert shops.absorb(event(part))["batchItemFailures"] == []
    once = shops.rows()
    for start, length in again:
        shops.absorb(event(records[start : start + length]))
    assert shops.rows() == once
    last = dict(writes)
    expected = measured.recounted(item for item in last.values() if item is not None)
    found = values(shops)
    assert found.keys() == expected.keys()
    for shop, must in expected.items():
        row = found[shop]
        there = {name for name in ORDER_MEASURES & row.keys() if row[name] != 0 or name != "amounts"}  # 0 is missing
        assert {name: row[name] for name in there} == {name: must[name] for name in ORDER_MEASURES & must.keys()}
        assert row["orders"] == must["orders"]
        if "p90" in must:
            assert measured.near(row["p90"], must["p90"])


def test_a_measure_without_values_has_no_attribute_and_reads_as_none(shops: Aggregates) -> None:
    shops.absorb(event(history("orders", [("1", ORDER), ("1", {"shop": "a", "placed": ORDER["placed"], "lines": 1})])))
    row = values(shops)["a"]
    assert not {"least", "most", "amounts", "median", "p90"} & row.keys()
    seen = measured.pipeline.aggregate("shops").render(row | {"~n": 1}) or {}
    assert (seen["least"], seen["amounts"], seen["usual"]) == (None, 0, [{"value": 1, "count": 1}])
    assert seen["latest"] == {"value": 1, "at": "2024-10-27T00:30:00.000000Z"}


def test_values_that_have_no_order_count_nowhere_and_stop_nobody(shops: Aggregates) -> None:
    odd = ORDER | {"shop": "b", "placed": "soon"}
    records = history("orders", [("1", odd), ("2", ORDER)])
    assert shops.absorb(event(records))["batchItemFailures"] == []
    assert values(shops).keys() == {"a"}


class Interleaving:
    """Another shard's batch, delivered in the middle of a call of this one's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shops: Aggregates, operation: str, batch: Any) -> None:
        call = getattr(client("dynamodb"), operation)
        self.pending = [batch]

        def interrupted(**request: Any) -> Any:
            answer = call(**request)
            while self.pending:
                assert shops.absorb(self.pending.pop())["batchItemFailures"] == []
            return answer

        monkeypatch.setattr(client("dynamodb"), operation, interrupted)


def test_shards_that_write_the_same_row_at_once_both_count_for_the_extremes(
    shops: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "shardId-00000001700000000000-ffffffff"
    first = event([record(1, "orders", ("1", None, ORDER))])
    second = event([record(1, "orders", ("2", None, ORDER | {"amount": 9})), record(2, "orders", ("3", None, ORDER))])
    shops.absorb(event([record(1, "orders", ("0", None, ORDER | {"amount": 4}))], shard="shardId-x"))
    with monkeypatch.context() as patch:
        # between the reading of the value rows and the writing of what they come to
        Interleaving(patch, shops, "query", second | {"shardId": other})
        assert shops.absorb(first)["batchItemFailures"] == []
    row = values(shops)["a"]
    assert (row["least"], row["median"], row["amounts"], row["orders"]) == (4, 5, 3, 4)
    assert row["usual"] == [{"value": 1, "count": 4}]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_lanes_hold_a_part_each_and_readers_see_their_sum(shops: Aggregates, limit: int) -> None:
    days = [f"2024-10-{10 + number % 5}" for number in range(40)]
    for number, placed in enumerate(days, start=1):
        order = record(number, "orders", (str(number), None, ORDER | {"placed": placed}))
        shops.absorb(event([order], shard=f"shardId-{number % 8:020d}-00000000"))
    stored = [key for key in shops.rows() if key[0] == "lanes@1#a"]
    assert 5 < len(stored) <= 15
    assert {sk.rpartition("#")[2] for _, sk in stored} == {"0", "1", "2"}

    aggregate = measured.pipeline.aggregate("lanes")
    reader = RowReader(shops.dynamodb, shops.name)

    def read(**given: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            parameters = {"shop": "a", "limit": str(limit)} | given | cursor
            page = reader.read(parse_row_query(aggregate, list(parameters.items())))
            assert len(page.rows) <= limit
            found += map(loads, page.rows)
            if page.cursor is None:
                return found
            cursor = {"cursor": page.cursor}

    assert [(row["day"], row["orders"], row["lines"]) for row in read()] == [(day, 8, 8) for day in sorted(set(days))]
    assert [row["orders"] for row in read(day="2024-10-12")] == [8]
    assert [row["day"] for row in read(**{"from": "2024-10-11", "to": "2024-10-12"})] == ["2024-10-11", "2024-10-12"]


def test_a_row_that_is_empty_gets_the_time_of_its_end_and_loses_it_when_it_fills_again(shops: Aggregates) -> None:
    records = history("orders", [("1", ORDER), ("1", None), ("1", ORDER)])
    shops.absorb(event(records[:2]))
    assert values(shops) == {}
    rows = shops.rows()
    # two main rows, the two entries in their lists, one for each value: amount, the one with shown fields, the one by
    # lines, the rounded one, lines, lines with time; and for quantiles two nodes of the amount, one of the rounded one
    assert len(rows) == 13
    horizon = (datetime.now(UTC) + REDELIVERY_HORIZON).timestamp()
    assert all(row["~n"] == 0 and horizon - 60 < row["expires_at"] <= horizon for row in rows.values())
    shops.absorb(event(records[:2]))
    assert shops.rows() == rows, "a redelivery does not put the end off"
    shops.absorb(event(records[2:]))
    assert values(shops)["a"]["least"] == 5
    assert not any("expires_at" in row for row in shops.rows().values())


def test_what_comes_after_keep_is_told_and_not_counted(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hour_end = datetime(2024, 10, 27, 1, tzinfo=UTC)
    for sequence, late in enumerate((timedelta(seconds=-1), timedelta(0)), start=1):
        monkeypatch.setattr(app, "_now", lambda late=late: hour_end + timedelta(days=36_500) + late)
        app.stage.cache_clear()
        aggregates.absorb(event([record(sequence, "orders", (str(sequence), None, ORDER))]))
        assert aggregates.values()["shop_hours@1#a", "2024-10-27T02:00+02:00"]["orders"] == 1
    document = capsys.readouterr().out
    assert re.search(r'"ChangesTooLate"', document)
    assert '"aggregate":"shop_hours"' in document
    assert aggregates.values()["days@1#2024-10-27", "a"]["n"] == 2, "what is kept for ever is never too late"

"""Each change is counted once, however often and however cut it is delivered: the real function on DynamoDB Local."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.aws.aggregates.known_rows import KnownRows
from tailrace.errors import InvalidItem
from tailrace.testing import event, history, record
from tests import strategies
from tests.pipelines.orders import pipeline
from tests.storage.conftest import Aggregates
from tests.storage.orders import DAY, HOUR, OTHER_SHARD, steps

orders_history = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3"]), st.one_of(st.none(), strategies.orders)), min_size=1, max_size=10
)


def expected(items: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Recount items from nothing, by the definition's words alone, for two of the aggregates."""
    rows: defaultdict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for item in items:
        try:
            order = pipeline.collection("orders").prepare(item)
        except InvalidItem:
            continue
        label = pipeline.aggregate("months").by[0].value(order)
        row = rows["months@2#" + str(label), "-"]
        row["month"] = label
        row["lines_total"] = row.get("lines_total", 0) + order.get("lines", 0)
        row["lines_count"] = row.get("lines_count", 0) + ("lines" in order)
        if order["large"]:
            week = pipeline.aggregate("large_weeks").by[0].value(order)
            row = rows[f"large_weeks@1#{week}", "true"]
            row |= {"week": week, "large": True, "lines": row.get("lines", 0) + order.get("lines", 0)}
    return dict(rows)


def test_a_row_holds_plain_exact_values(aggregates: Aggregates) -> None:
    answer = aggregates.absorb(
        event(steps(DAY | {"amount": Decimal("0.1")}, DAY | {"amount": Decimal("0.3"), "paid": True}))
    )
    assert answer == {"state": {}, "batchItemFailures": []}
    row = aggregates.values()[HOUR]
    assert row.pop("expires_at") == 1_729_990_800 + 36_500 * 86_400
    assert row == {
        "shop": "a#b",
        "hour": HOUR[1],
        "orders": 1,
        "paid": 1,
        "revenue": Decimal("0.3"),
        "basket_total": Decimal("0.3"),
        "basket_count": 1,
        "spread_total": Decimal("0.3"),
        "spread_count": 1,
        "spread_squares": Decimal("0.09"),
    }


@pytest.mark.parametrize("batches", [False, True])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders_history, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10)), max_size=6))
def test_any_redelivery_however_cut_changes_nothing(
    aggregates: Aggregates,
    monkeypatch: pytest.MonkeyPatch,
    batches: bool,
    writes: list[Any],
    again: list[tuple[int, int]],
) -> None:
    if not batches:
        aggregates.write_singly(monkeypatch)
    monkeypatch.setattr(KnownRows, "have_absorbed", lambda *_row: False)  # the marks alone have to know it
    for key in aggregates.rows():
        aggregates.dynamodb.delete_item(TableName=aggregates.name, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})
    records = history("orders", writes)
    aggregates.absorb(event(records))
    once = aggregates.rows()
    for start, length in again:
        aggregates.absorb(event(records[start : start + length]))
    assert aggregates.rows() == once
    left = {item_id: item for item_id, item in writes if item is not None}
    left = {item_id: dict(writes)[item_id] for item_id in left if dict(writes)[item_id] is not None}
    values = aggregates.values()
    found = {key: row for key, row in values.items() if key[0].startswith(("months", "large_weeks"))}
    assert found == expected(list(left.values()))


def test_a_second_delivery_that_holds_more_adds_only_what_is_new(aggregates: Aggregates) -> None:
    records = steps(DAY, DAY | {"paid": True}, DAY | {"lines": 2}, None)
    aggregates.absorb(event(records[:2]))
    aggregates.absorb(event(records[:3]))
    assert aggregates.values()["months@2#2024-10", "-"]["lines_total"] == 2
    aggregates.absorb(event(records[1:]))
    assert aggregates.values() == {}


def test_a_part_redelivered_after_all_has_cancelled_out_counts_nothing(aggregates: Aggregates) -> None:
    records = steps(DAY, None)
    aggregates.absorb(event(records))
    aggregates.absorb(event(records[:1]))
    assert aggregates.values() == {}


def test_each_shard_has_its_own_mark(aggregates: Aggregates) -> None:
    aggregates.absorb(event([record(9, "orders", ("1", None, DAY))]))
    aggregates.absorb(event([record(5, "orders", ("2", None, DAY))], shard=OTHER_SHARD))
    aggregates.absorb(event([record(5, "orders", ("2", None, DAY))], shard=OTHER_SHARD))
    assert aggregates.values()[HOUR]["orders"] == 2


def test_sequence_numbers_are_compared_as_numbers(aggregates: Aggregates) -> None:
    for sequence in (9, 10, 99 * 10**20, 10**22, 10**39):
        aggregates.absorb(event([record(sequence, "orders", (str(sequence), None, DAY))]))
    assert aggregates.values()[HOUR]["orders"] == 5


def test_an_event_without_a_shard_is_counted_each_time_and_says_so(
    aggregates: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = event([record(1, "orders", ("1", None, DAY))], shard=None)
    assert aggregates.absorb(bare)["batchItemFailures"] == []
    aggregates.absorb(bare)
    assert aggregates.values()[HOUR]["orders"] == 2
    assert '"ChangesWithoutShard":[1.0]' in capsys.readouterr().out


def test_what_expires_stays_counted_where_the_collection_says_so(aggregates: Aggregates) -> None:
    aggregates.absorb(event(steps(DAY)))
    aggregates.absorb(event([record(8, "orders", ("1", DAY, None), expired=True)]))
    assert aggregates.values()[HOUR]["orders"] == 1
    visit = {"page": "/", "ms": Decimal("1.5")}
    aggregates.absorb(event([record(9, "visits", ("1", None, visit))]))
    aggregates.absorb(event([record(10, "visits", ("1", visit, None), expired=True)]))
    assert ("pages@1#/", "-") not in aggregates.values()


def test_the_final_call_of_a_window_has_no_records_and_leaves_no_state(aggregates: Aggregates) -> None:
    final = event([]) | {"isFinalInvokeForWindow": True, "state": {"kept": 1}}  # none of what is outstanding
    assert aggregates.absorb(final) == {"state": {}, "batchItemFailures": []}
    assert aggregates.values() == {}

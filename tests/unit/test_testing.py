"""What `tailrace.testing` says of a definition is what the engine would store."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Pipeline, count, day, field
from tailrace.aggregation.fold import fold_records
from tailrace.errors import InvalidItem, InvalidMessage
from tailrace.testing import history, record, rows, stored_rows
from tests import strategies
from tests.pipelines import measured
from tests.pipelines.orders import orders, pipeline

ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": Decimal("12.5"), "paid": True}

histories = st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), st.none() | strategies.orders), max_size=12)


@given(histories)
def test_order_measures_equal_a_recount_of_the_items_that_are_left(writes: list[Any]) -> None:
    left = [item for item in dict(writes).values() if item is not None]
    expected = measured.recounted(left)
    found = {row["shop"]: row for row in stored_rows(history("orders", writes), measured.pipeline) if row["sk"] == "-"}
    assert found.keys() == expected.keys()
    for shop, measures in expected.items():
        rounded, exact = found[shop].pop("p90", None), measures.pop("p90", None)
        assert (rounded is None) == (exact is None)
        assert exact is None or measured.near(rounded, exact)
        assert {name: found[shop].get(name) for name in measures} == measures


@given(histories)
def test_rows_are_those_of_the_fold(writes: list[Any]) -> None:
    records = history("orders", writes)
    folded = {row.key: row.deltas() for row in fold_records(records, pipeline).rows if row.deltas()[0]}
    counters = {aggregate.name: aggregate.layout.counters for aggregate in pipeline.aggregates}
    found = stored_rows(records, pipeline)
    assert {(row["pk"], row["sk"]) for row in found} == folded.keys()
    for row in found:
        names = counters[row["pk"].partition("@")[0]]
        assert tuple(row[name] for name in names) == folded[row["pk"], row["sk"]]


def test_a_write_changes_an_item_if_dynamodb_says_so() -> None:
    writes: list[Any] = [{"a": 1}, {"a": True}, {"a": Decimal("1.0")}, {"a": 1}, {"a": {1}}, {"a": [1]}, {"a": [1]}]
    records = history("orders", [("1", fields) for fields in writes])
    images = [next(iter(one["dynamodb"]["NewImage"]["a"])) for one in records]
    assert images == ["N", "BOOL", "N", "NS", "L"]


def test_a_float_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidMessage, match=r"no type for a float; write Decimal\('12.5'\)"):
        history("orders", [("1", ORDER | {"amount": 12.5})])


def test_rows_are_rendered_by_aggregate() -> None:
    found = rows(history("orders", [("1", ORDER)]), pipeline)
    assert found["days"] == [{"day": "2024-10-27", "shop": "a", "n": 1}]
    assert found["pages"] == []


def test_two_versions_count_side_by_side_and_the_higher_is_rendered() -> None:
    by_shop, by_day = [field("shop")], [day("placed")]
    old = Aggregate("sales", of=orders, by=by_shop, measures={"n": count()})
    new = Aggregate("sales", of=orders, by=by_day, measures={"m": count()}, version=2)
    both = Pipeline([orders], [old, new])
    records = history("orders", [("1", ORDER), ("2", ORDER)])
    stored = [{name: row[name] for name in row if name in ("pk", "n", "m")} for row in stored_rows(records, both)]
    assert stored == [{"pk": "sales@1#a", "n": 2}, {"pk": "sales@2#2024-10-27", "m": 2}]
    assert rows(records, both) == {"sales": [{"day": "2024-10-27", "m": 2}]}


def test_a_row_expires_when_the_definition_says() -> None:
    (row,) = [one for one in stored_rows(history("orders", [("1", ORDER)]), pipeline) if "expires_at" in one]
    assert row["expires_at"] == 1_729_990_800 + 36_500 * 86_400


def test_an_expired_item_counts_as_the_collection_says() -> None:
    records = [record(1, "orders", ("1", None, ORDER)), record(2, "orders", ("1", ORDER, None), expired=True)]
    assert orders.on_expiry == "keep"
    assert len(rows(records, pipeline)["days"]) == 1


def test_an_invalid_item_is_in_no_row() -> None:
    with pytest.raises(InvalidItem):
        orders.prepare({"shop": ""})
    assert stored_rows(history("orders", [("1", {"shop": ""})]), pipeline) == []


def test_a_record_that_is_not_a_change_is_an_error() -> None:
    broken = record(1, "orders", ("1", None, ORDER))
    broken["dynamodb"]["Keys"] = {"pk": {"S": "no key"}}
    with pytest.raises(InvalidMessage, match="collection#id"):
        rows([broken], pipeline)

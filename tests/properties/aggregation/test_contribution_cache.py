"""The fold from caches equals the fold by the reference path, whatever the items and their history."""

import zlib
from copy import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.definition import pipeline as flights
from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    distinct,
    field,
    total,
)
from tailrace.aggregation.contributions import ItemContribution, contribution, contribution_of, item_contribution
from tailrace.aggregation.deltas import delta_between
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import RowAccumulator
from tailrace.definition.measures.linear import Predicate
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem
from tailrace.inputs.effects import derive_effect
from tailrace.inputs.item_changes import decoded_changes
from tailrace.testing import record
from tests import strategies
from tests.pipelines import measured, orders
from tests.properties.aggregation.things import (
    by_reference_path,
    changed,
    changes,
    closed,
    described,
    inner,
    kept,
    nested_versions,
    raw,
    records_of,
    regular,
    things,
    whole,
)
from tests.simulation import definition as simulated


def is_certain(item: dict[str, Any]) -> bool:
    """Return whether an item is certain, which a number does not say."""
    return item["certain"] is True


def is_certain_inside(item: dict[str, Any]) -> bool:
    """Return the same of a nested field."""
    return item["all"]["certain"] is True


@given(st.lists(st.tuples(nested_versions, nested_versions, st.booleans()), max_size=12))
def test_the_fold_from_caches_equals_the_reference_path_on_nested_fields(steps: list[tuple[Any, Any, bool]]) -> None:
    assert plan_of(inner).cached["things"].cache
    records = records_of("things", steps)
    folded = described(fold_records(records, inner, lane_seed="b"))
    assert folded == described(by_reference_path(records, inner))


@pytest.mark.parametrize("second", [{"shop": "a"}, {"amount": [1]}, {"amount": {"a": 1}}, {"amount": b"1"}])
def test_an_item_is_not_counted_like_one_with_other_values_in_its_place(second: dict[str, Any]) -> None:
    here = Collection("things", schema={})
    sums = Aggregate("sums", of=here, by=[field("shop.name")], measures={"sum": total("amount")})
    pipeline = Pipeline([here], [sums])
    plain = {"shop": {"name": "a"}, "amount": None}
    records = records_of("things", [(None, plain, False), (None, plain | second, False)])
    folded = described(fold_records(records, pipeline, lane_seed="b"))
    assert folded == described(by_reference_path(records, pipeline))


@given(changes)
def test_the_fold_from_caches_equals_the_reference_path(steps: list[tuple[Any, Any, bool]]) -> None:
    records = records_of("things", steps)
    for pipeline in (raw, kept, closed, changed, whole):
        assert described(fold_records(records, pipeline, lane_seed="b")) == described(
            by_reference_path(records, pipeline)
        )


@given(
    st.lists(st.tuples(st.one_of(st.none(), strategies.orders), st.one_of(st.none(), strategies.orders)), max_size=9)
)
def test_both_are_equal_for_validated_and_transformed_items(steps: list[tuple[Any, Any]]) -> None:
    records = records_of("orders", [(*step, False) for step in steps])
    for pipeline in (orders.pipeline, measured.pipeline, simulated.pipeline):
        assert described(fold_records(records, pipeline, lane_seed="b")) == described(
            by_reference_path(records, pipeline)
        )


@given(st.one_of(regular, things))
def test_contributions_from_caches_equal_those_of_the_reference_path(item: Any) -> None:
    for pipeline in (raw, closed, whole):
        plan = plan_of(pipeline)
        with localcontext(EXACT):  # like the fold
            found, expected = (
                map(contribution_of, *one["things"].contributions(item)) for one in (plan.cached, plan.evaluators)
            )
        assert list(map(comparable, found)) == list(map(comparable, expected))


@given(changes)
def test_the_fold_adds_the_deltas_of_contributions(steps: list[tuple[Any, Any, bool]]) -> None:
    records = records_of("things", [(old, new, False) for old, new, _ in steps])
    for pipeline in (raw, closed, changed, whole):
        expected = RowAccumulator(zlib.crc32(b"b"))
        with localcontext(EXACT):
            for one in decoded_changes(records, pipeline):
                effect = derive_effect(one, pipeline)
                for aggregate in pipeline.aggregates:
                    old, new = (counted(item, aggregate) for item in (effect.old, effect.new))
                    expected.add(aggregate, one.sequence, old, new)
        folded = fold_records(records, pipeline, lane_seed="b")
        assert described(replace(folded, poison=[])) == described(expected.result())


def counted(item: Any, aggregate: Aggregate) -> ItemContribution:
    """Return an item's contribution to an aggregate by definition; None if it cannot be counted."""
    try:
        return None if item is None else item_contribution(item, aggregate)
    except InvalidItem:
        return None


def comparable(contribution: Any) -> Any:
    return contribution.violations if isinstance(contribution, InvalidItem) else repr(contribution)


@given(things, things)
def test_a_change_does_the_difference_of_its_contributions(old: Any, new: Any) -> None:
    found = {change.key: change for change in fold_records(records_of("things", [(old, new, False)]), raw).rows}
    for aggregate in raw.aggregates:
        contributions = []
        for item in (old, new):
            try:
                contributions.append(contribution(item, aggregate))
            except InvalidItem:
                contributions.append(None)
        before, after = contributions
        touched = {one.row_ref.key for one in contributions if one is not None} if before != after else set()
        assert {key for key in found if key[0].startswith(f"{aggregate.name}@")} == {
            (pk, f"{sk}#{0}" if aggregate.lanes > 1 else sk) for pk, sk in touched
        }
        if before is not None and after is not None and before.row_ref.key == after.row_ref.key and touched:
            with localcontext(EXACT):  # like the fold
                delta = delta_between(before, after)
            key = before.row_ref.key[0], before.row_ref.key[1] + ("#0" if aggregate.lanes > 1 else "")
            assert delta is not None
            assert found[key].deltas() == delta.deltas


def is_five_by_default(item: dict[str, Any]) -> bool:
    """Return whether a field is five or missing; null is not missing."""
    return bool(item.get("five", 5) == 5)


def test_a_missing_field_is_not_null() -> None:
    fields: list[dict[str, Any]] = [{"five": None}, {}, {"five": 5}, {"five": None}]
    steps = [(None, {"shop": "a"} | five, False) for five in fields]
    for schema in ({}, {"properties": {"shop": {"type": "string"}}}):
        here = Collection("things", schema=schema)
        pipeline = Pipeline(
            [here], [Aggregate("n", of=here, by=[field("shop")], measures={"five": count(where=is_five_by_default)})]
        )
        assert plan_of(pipeline).cached["things"].cache
        (change,) = fold_records(records_of("things", steps), pipeline).rows
        assert change.steps == [(1, (1, 0)), (2, (1, 1)), (3, (1, 1)), (4, (1, 0))]


def test_a_field_may_change_its_type() -> None:
    number, text = {"shop": "a", "lines": 5}, {"shop": "a", "lines": "5"}
    steps = [(number, text, False), (number, text, False), (text, text | {"notes": 1}, False)]
    here = Collection("things", schema={})
    pipeline = Pipeline([here], [Aggregate("n", of=here, by=[field("shop")], measures={"kinds": distinct("lines")})])
    assert described(fold_records(records_of("things", steps), pipeline)) == described(
        by_reference_path(records_of("things", steps), pipeline)
    )


def test_a_collection_has_a_cache_if_the_fields_of_every_predicate_are_known() -> None:
    assert all(plan_of(one).cached["things"].cache for one in (raw, kept, closed, changed))
    assert plan_of(flights).cached["flights"].cache
    assert plan_of(whole).cached["things"].cache is None


def test_each_case_is_evaluated_once() -> None:
    evaluated = []

    def is_open(item: dict[str, Any]) -> bool:
        return bool(item["open"])

    things_here = Collection("things", schema={})
    pipeline = Pipeline(
        [things_here],
        [Aggregate("n", of=things_here, by=[field("shop")], measures={"n": count(), "open": count(where=is_open)})],
    )
    evaluator = plan_of(pipeline).cached["things"].rows
    amounts = evaluator.amounts
    evaluator.amounts = lambda item: evaluated.append(item) or amounts(item)  # type: ignore[method-assign,func-returns-value]
    steps = [
        ({"shop": f"s{n}", "open": True, "n": n}, {"shop": f"s{n}", "open": False, "n": 1}, False) for n in range(50)
    ]
    folded = fold_records(records_of("things", steps), pipeline)
    assert [change.deltas() for change in folded.rows] == [(0, 0, -1)] * 50
    assert evaluated == [{"shop": "s0", "open": True, "n": 0}, {"shop": "s0", "open": False, "n": 1}]


def test_the_cache_is_bounded_also_for_long_fields() -> None:
    things_here = Collection("things", schema={})
    by, measures = [field("shop")], {"urgent": count(where=lambda item: item["body"].startswith("urgent"))}
    pipeline = Pipeline([things_here], [Aggregate("n", of=things_here, by=by, measures=measures)])
    largest = 0
    for number in range(600):
        new = {"shop": "a", "body": f"{'urgent' * (number % 2)} {number:0200000d}"}
        (change,) = fold_records(records_of("things", [(None, new, False)]), pipeline).rows
        assert change.deltas() == (1, number % 2)
        cache = plan_of(pipeline).cached["things"].cache
        cached = {} if cache is None else cache._amounts
        largest = max(largest, sum(len(text) for texts in cached for text in texts))
    assert 1_000_000 < largest < 50_000_000


def test_a_record_with_an_unreadable_number_is_skipped() -> None:
    good = record(1, "things", ("1", None, {"shop": "a", "at": "2024-10-27", "amount": 1, "paid": True, "lines": 1}))
    broken = record(2, "things", ("2", None, {"shop": "a", "at": "2024-10-27", "amount": 1, "paid": True, "lines": 1}))
    broken["dynamodb"]["NewImage"]["amount"] = {"N": "NaN"}
    assert described(fold_records([good, broken], raw)) == described(fold_records([good], raw))


def test_a_record_that_is_not_a_change_of_an_item_is_skipped() -> None:
    good = record(1, "things", ("1", None, {"shop": "a"}))
    for keys in ({}, {"pk": {"N": "1"}}, {"pk": {"S": "things#"}}, {"pk": {"S": "things#" + "x" * 1025}}, None):
        broken = record(2, "things", ("2", None, {"shop": "a"}))
        broken["dynamodb"]["Keys"] = keys
        assert described(fold_records([good, broken], raw)) == described(fold_records([good], raw))


@pytest.mark.parametrize(("where", "amount"), [(is_certain, "amount"), (is_certain_inside, "all.amount")])
def test_values_that_are_equal_and_not_the_same_are_told_apart(where: Predicate, amount: str) -> None:
    things = Collection("things", schema={})
    sums = {"certain": count(where=where), "sum": total(amount)}
    certain = Aggregate("certain", of=things, by=[field("shop")], measures=sums, listed=False)
    writes = [
        record(n, "things", (str(n), None, {"shop": "a", **inside, "all": inside}))
        for n, inside in enumerate(({"certain": one, "amount": 1} for one in (True, 1, True, Decimal(1))), 1)
    ]
    (row,) = fold_records(writes, Pipeline([things], [certain])).rows
    assert row.deltas()[:2] == (4, 2)

"""The fold from caches equals the fold by the reference path, whatever the items and their history."""

import zlib
from dataclasses import replace
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
    day,
    distinct,
    field,
    hour,
    last,
    maximum,
    mean,
    minimum,
    quantile,
    total,
    variance,
)
from tailrace.aggregation.contributions import ItemContribution, contribution, contribution_of, item_contribution
from tailrace.aggregation.deltas import delta_between
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator, RowChange
from tailrace.definition.measures.linear import Measure, Predicate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import derive_effect
from tailrace.inputs.item_changes import decoded_changes
from tailrace.testing import fold, record
from tests import strategies
from tests.pipelines import measured, orders
from tests.simulation import definition as simulated


def is_paid(item: dict[str, Any]) -> bool:
    """Return whether an item is paid; raises if the field is missing."""
    return bool(item["paid"])


def is_large(item: dict[str, Any]) -> bool:
    """Return whether an item is large; raises for amounts that cannot be compared."""
    return bool(item.get("amount", 0) > 100)


def is_certain(item: dict[str, Any]) -> bool:
    """Return whether an item is certain, which a number does not say."""
    return item["certain"] is True


def is_certain_inside(item: dict[str, Any]) -> bool:
    """Return the same of a nested field."""
    return item["all"]["certain"] is True


SUMS: dict[str, Measure | OrderMeasure] = {
    "n": count(),
    "paid": count(where=is_paid),
    "sum": total("amount"),
    "mean": mean("amount", where=is_large),
    "spread": variance("lines"),
}
ORDERED: dict[str, Measure | OrderMeasure] = {
    "least": minimum("amount"),
    "most": maximum("lines", where=is_paid),
    "kinds": distinct("shop"),
    "median": quantile("amount", "0.5", error="0.01"),
    "latest": last("paid", by="at"),
}


def counting(collection: Collection) -> Pipeline:
    """Return a pipeline with many kinds of aggregates of a collection."""
    return Pipeline(
        [collection],
        [
            Aggregate("hours", of=collection, by=[field("shop"), hour("at", tz="Europe/Berlin")], measures=SUMS),
            Aggregate("days", of=collection, by=[day("at"), field("shop")], measures=SUMS | ORDERED),
            Aggregate("lines", of=collection, by=[field("lines")], measures={"n": count()}, where=is_paid, lanes=3),
            Aggregate("paid", of=collection, by=[field("paid"), field("shop")], measures=ORDERED, where=is_large),
        ],
    )


def nested(collection: Collection) -> Pipeline:
    """Return a pipeline whose groups, measures and predicates read fields at several depths."""
    sums: dict[str, Measure | OrderMeasure] = {
        "n": count(),
        "sum": total("in.amount"),
        "paid": count(where=lambda item: item["in"]["paid"]),
        "large": mean("in.deep.amount", where=lambda item: (item.get("in") or {}).get("amount", 0) > 1),
        "small": count(where=lambda item: item.get("in", {}).get("deep", {}).get("amount") is None),
    }
    ordered: dict[str, Measure | OrderMeasure] = {"most": maximum("in.deep.amount"), "latest": last("in.paid", by="at")}
    return Pipeline(
        [collection],
        [
            Aggregate("shops", of=collection, by=[field("in.shop"), hour("in.at")], measures=sums),
            Aggregate(
                "deep", of=collection, by=[field("in.deep.shop", name="inner"), field("shop")], measures=sums | ordered
            ),
        ],
    )


def summing(collection: Collection) -> Pipeline:
    """Return a pipeline with fields that are only summed, at two depths."""
    measures: dict[str, Measure | OrderMeasure] = {
        "sum": total("amount"),
        "spread": variance("lines", where=is_paid),
        "inner": total("in.amount"),
        "shares": total("share", where=lambda item: 1 / item["share"] > 0),
    }
    return Pipeline(
        [collection],
        [
            Aggregate("hours", of=collection, by=[field("shop"), hour("at")], measures=measures),
            Aggregate("shops", of=collection, by=[field("in.shop")], measures=measures, where=is_paid),
        ],
    )


raw = counting(Collection("things", schema={"type": "object"}))
kept = counting(Collection("things", schema={}, on_expiry="keep"))
closed = counting(Collection("things", schema={"required": ["shop"], "properties": {"shop": {"type": "string"}}}))
changed = counting(Collection("things", schema={}, transform=lambda item: item | {"shop": item["shop"]}))
inner = nested(Collection("things", schema={"type": "object"}))
summed = summing(Collection("things", schema={"type": "object"}))
whole = Pipeline(
    [raw.collections[0]],
    [
        Aggregate(
            "n", of=raw.collections[0], by=[field("shop")], measures={"n": count(where=lambda item: len(item) > 2)}
        )
    ],
)

numbers = st.sampled_from([0, 1, -1, 7, 10**37, Decimal("1.5"), Decimal("-0.1"), Decimal("1E-100"), 101])
anything = st.one_of(strategies.values, numbers, st.booleans(), st.just("x" * 3000))
things = st.fixed_dictionaries(
    {},
    optional={
        "shop": st.one_of(st.sampled_from(["a", "b#1", "", "1", 1, True, None]), anything),
        "at": st.one_of(st.sampled_from(["2024-10-27T00:30:00Z", "2024-10-27T00:45:00Z", 1_730_000_000]), anything),
        "amount": st.one_of(numbers, numbers, anything),
        "paid": st.one_of(st.booleans(), st.booleans(), anything),
        "lines": st.one_of(numbers, st.none(), anything),
        "notes": strategies.values,
    },
)
within = st.fixed_dictionaries({}, optional={"in": st.one_of(things, strategies.values), "shop": st.sampled_from("ab")})
deep = st.builds(lambda outer, item: outer | {"in": item | {"deep": outer.get("in")}}, within, things)
regular = st.fixed_dictionaries(
    {
        "shop": st.sampled_from(["a", "b#1"]),
        "at": st.sampled_from(["2024-10-27T00:30:00Z", "2024-10-27T00:45:00Z", "2024-10-28"]),
        "amount": st.sampled_from([1, 99, 101, Decimal("1.5"), Decimal("1E-37"), 10**37]),
        "paid": st.booleans(),
        "lines": st.integers(0, 2),
    }
)
versions = st.one_of(st.none(), regular, regular, things)
nested_versions = st.one_of(st.none(), within, deep, deep)
changes = st.lists(st.tuples(versions, versions, st.booleans()), max_size=12)


def row(change: RowChange) -> tuple[Any, ...]:
    """Return everything that a row has to absorb."""
    below = {key: row(value) for key, value in change.value_changes.items()}
    return change.key, change.labels, change.expires_at, change.removes_items, change.steps, change.deltas(), below


def described(folded: FoldResult) -> list[Any]:
    """Return everything that a batch does, in a form that can be compared."""
    poison = [(one.event_id, one.aggregate, one.error.violations) for one in folded.poison]
    return [repr(row(change)) for change in [*folded.rows, *folded.group_list_changes]] + poison


def by_reference_path(records: list[dict[str, Any]], pipeline: Pipeline) -> FoldResult:
    changes = (decode_record(record, None) for record in records)
    effects = (derive_effect(change, pipeline) for change in changes if isinstance(change, Change))
    return fold(effects, pipeline, lane_seed="b")


def records_of(collection: str, steps: list[tuple[Any, Any, bool]]) -> list[dict[str, Any]]:
    return [
        record(number, collection, (str(number), old, new), expired=expired and new is None)
        for number, (old, new, expired) in enumerate(steps, 1)
    ]


@given(st.lists(st.tuples(nested_versions, nested_versions, st.booleans()), max_size=12))
def test_the_fold_from_caches_equals_the_reference_path_on_nested_fields(steps: list[tuple[Any, Any, bool]]) -> None:
    assert plan_of(inner).cached["things"].cache
    records = records_of("things", steps)
    folded = described(fold_records(records, inner, lane_seed="b"))
    assert folded == described(by_reference_path(records, inner))


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


numeric = st.sampled_from(
    [0, 1, 1, 1, 10**18 - 1, 10**19 + 1, -(10**19) - 1, 10**38, True, Decimal("1.5"), Decimal("1E-100"), "7", None]
)
similar = st.fixed_dictionaries(
    {
        "shop": st.just("a"),
        "at": st.sampled_from(["2024-10-27T00:30:00Z", "2024-10-27T00:30:00Z", "yesterday"]),
        "in": st.fixed_dictionaries({"shop": st.just("a"), "amount": numeric}),
        "amount": numeric,
        "lines": numeric,
        "share": st.sampled_from([1, 1, 1, 0]),
    },
    optional={"paid": st.sampled_from([True, True, False])},
)


@given(st.lists(st.one_of(similar, similar, regular, things), max_size=12))
def test_why_an_item_is_not_counted_does_not_depend_on_the_items_before(items: list[Any]) -> None:
    for pipeline in (summed, raw, inner):
        plan = plan_of(pipeline)
        for item in items:
            with localcontext(EXACT):
                _, amounts = plan.evaluators["things"].contributions(item)
            expected = [one.violations for one in amounts if isinstance(one, InvalidItem)]
            assert [one.violations for one in plan.cached["things"].uncountable(item)] == expected


@pytest.mark.parametrize(
    "changed_fields",
    [
        {"amount": "7"},
        {"amount": True},
        {"in": {"shop": "a", "amount": [1]}},
        {"lines": 10**19 + 1},
        {"lines": -(10**19) - 1},
        {"share": 0},
        {"at": "yesterday"},
    ],
)
def test_an_item_like_one_that_was_counted_is_examined_itself(changed_fields: dict[str, Any]) -> None:
    whole = {"amount": 1, "lines": 1, "share": 1, "in": {"shop": "a", "amount": 1}}
    item = whole | {"shop": "a", "at": "2024-10-27T00:30:00Z", "paid": True}
    evaluator = plan_of(summed).cached["things"]
    assert evaluator.uncountable(item) == []
    assert evaluator.uncountable(item | changed_fields)


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

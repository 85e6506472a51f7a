"""Pipelines of many kinds of aggregates, items of any kind for them, and folds in a form that can be compared."""

from collections import defaultdict
from decimal import Decimal, localcontext
from typing import Any

from hypothesis import strategies as st

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
from tailrace.aggregation.row_changes import FoldResult, RowChange
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import derive_effect
from tailrace.testing import fold, record
from tests import strategies


def is_paid(item: dict[str, Any]) -> bool:
    """Return whether an item is paid; raises if the field is missing."""
    return bool(item["paid"])


def is_large(item: dict[str, Any]) -> bool:
    """Return whether an item is large; raises for amounts that cannot be compared."""
    return bool(item.get("amount", 0) > 100)


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


def merged(*parts: FoldResult) -> dict[tuple[str, str], Any]:
    """Add up the deltas of several batches, value rows and lists of groups among them, in any lane."""
    found: defaultdict[tuple[str, str], tuple[Any, ...]] = defaultdict(tuple)
    for part in parts:
        main = [*part.rows, *part.group_list_changes]
        for row in [*main, *(value for one in main for value in one.value_changes.values())]:
            key = (row.key[0], row.key[1].removesuffix("#0").removesuffix("#1"))
            before = found[key] or (0,) * len(row.deltas())
            with localcontext(EXACT):
                found[key] = tuple(a + b for a, b in zip(before, row.deltas(), strict=True))
    return {key: deltas for key, deltas in found.items() if any(deltas)}

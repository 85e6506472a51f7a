"""An aggregate of elements equals one of one item per element, whatever the items, their elements and their history."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    count_items,
    day,
    distinct,
    field,
    first,
    last,
    maximum,
    mean,
    minimum,
    quantile,
    top,
    total,
    variance,
)
from tailrace.aggregation.contributions import Contribution, ItemContribution, contribution_of, item_contribution
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import FoldResult, RowChange
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.errors import InvalidItem
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import derive_effect
from tailrace.testing import fold, history, rows
from tests.properties.aggregation.things import merged

type Item = dict[str, Any]


def is_large(view: Item) -> bool:
    """Tell whether a line is large, from the line's own fields."""
    return bool((view.get("lines") or {}).get("quantity", 0) > 1)


def is_paid(view: Item) -> bool:
    """Tell whether the order of a line is paid."""
    return bool(view.get("paid"))


def is_wide(view: Item) -> bool:
    """Tell whether an order has several fields, which no cache can know."""
    return len(view) > 3


LINEAR: Mapping[str, Measure | OrderMeasure] = {
    "lines": count(),
    "large": count(where=is_large),
    "units": total("lines.quantity"),
    "paid_units": total("lines.quantity", where=is_paid),
    "price": mean("lines.price", where=is_large),
    "spread": variance("lines.price"),
    "shipping": total("shipping"),
}
ORDERED: Mapping[str, Measure | OrderMeasure] = {
    "least": minimum("lines.price"),
    "most": maximum("lines.price", where=is_paid),
    "prices": distinct("lines.price"),
    "median": quantile("lines.price", "0.5"),
    "usual": top("lines.quantity", 2),
    "opened": first("lines.price", by="placed"),
    "latest": last("lines.price", by="placed", where=is_large),
}


def aggregates(of: Collection, each: str | None, extra: Mapping[str, Measure | OrderMeasure]) -> list[Aggregate]:
    """Return aggregates of lines: of the elements of orders, or of a collection of lines."""
    return [
        Aggregate(
            "products",
            of=of,
            each=each,
            by=[field("lines.product"), day("placed")],
            measures={**LINEAR, **ORDERED, **extra},
        ),
        Aggregate(
            "days", of=of, each=each, by=[day("placed"), field("lines.product")], measures=ORDERED, where=is_paid
        ),
        Aggregate("lanes", of=of, each=each, by=[field("paid")], measures={**LINEAR, **extra}, lanes=2, where=is_large),
        Aggregate("wide", of=of, each=each, by=[field("lines.product")], measures=LINEAR, where=is_wide),
    ]


orders = Collection("orders", schema={"type": "object"})
lines = Collection("lines", schema={"type": "object"})
whole = Pipeline(
    [orders],
    [
        *aggregates(orders, "lines", {"orders": count_items(), "large_orders": count_items(where=is_large)}),
        Aggregate("shops", of=orders, by=[field("paid")], measures={"orders": count()}),
    ],
)
single = Pipeline([lines], aggregates(lines, None, {}))
cached = Pipeline([orders], [one for one in whole.aggregates if one.name != "wide"])
alone = Pipeline([orders], aggregates(orders, "lines", {})[:1])

prices = st.sampled_from([0, 1, 7, Decimal("0.1"), Decimal("1E-20"), 10**30, None])
line = st.fixed_dictionaries(
    {"product": st.sampled_from(["pear", "fig", "b#1"])},
    optional={"quantity": st.integers(0, 3), "price": prices},
)
odd_line: st.SearchStrategy[Any] = st.one_of(line, line, st.none(), st.just({"product": None}), st.just({}))
some_lines = st.one_of(st.lists(odd_line, max_size=5), st.none(), st.lists(line, max_size=3))
whole_orders = st.fixed_dictionaries(
    {"lines": some_lines, "placed": st.sampled_from(["2024-05-01", "2024-05-02"])},
    optional={"paid": st.booleans(), "shipping": st.integers(0, 5), "other": st.none()},
)
uncountable = st.sampled_from(
    [
        {"lines": "text", "placed": "2024-05-01"},
        {"lines": [{"product": "fig", "quantity": 3}, "text"], "placed": "2024-05-01"},
        {"lines": [{"product": "fig"}, {"product": ["x"]}], "placed": "2024-05-01"},
        {"lines": [{"product": "fig", "quantity": "many", "price": 2}], "placed": "2024-05-01", "paid": True},
        {"lines": [{"product": "fig", "price": {"a": 1}}], "placed": "2024-05-01"},
        {"lines": [{"product": "fig"}], "placed": "soon"},
    ]
)
writes = st.lists(st.tuples(st.sampled_from("123"), st.one_of(st.none(), whole_orders, whole_orders)), max_size=10)
bad_writes = st.lists(
    st.tuples(st.sampled_from("123"), st.one_of(st.none(), whole_orders, whole_orders, uncountable)), max_size=10
)


def final_items(written: list[tuple[str, Item | None]]) -> dict[str, Item]:
    return {name: item for name, item in dict(written).items() if item is not None}


def split(items: Mapping[str, Item]) -> Iterator[tuple[str, Item]]:
    """Yield an item for each line of the orders."""
    for name, item in items.items():
        for number, element in enumerate(item["lines"] or ()):
            yield f"{name}-{number}", item | {"lines": element}


def without(found: Mapping[str, list[Item]], names: set[str]) -> dict[str, list[Item]]:
    return {
        aggregate: [{name: value for name, value in row.items() if name not in names} for row in rows]
        for aggregate, rows in found.items()
        if aggregate != "shops"
    }


@given(writes)
def test_the_rows_equal_those_of_one_item_per_element(written: list[tuple[str, Item | None]]) -> None:
    """Numbers of more digits than a row can hold are the committer's concern, so here everything is exact."""
    items = final_items(written)
    found = rows(history("orders", written), whole)
    assert without(found, {"orders", "large_orders"}) == without(rows(history("lines", split(items)), single), set())
    expected: defaultdict[tuple[Any, Any], set[str]] = defaultdict(set)
    for name, item in split(items):
        product = item["lines"].get("product") if isinstance(item["lines"], dict) else None
        if product is not None:
            expected[product, item["placed"]].add(name.partition("-")[0])
    counted = {(row["product"], row["day"]): row["orders"] for row in found["products"]}
    assert counted == {key: len(names) for key, names in expected.items()}


def described(folded: FoldResult) -> list[Any]:
    """Return everything that a batch does to each row, in a form that can be compared."""

    def row(change: RowChange) -> tuple[Any, ...]:
        below = sorted((key, row(value)) for key, value in change.value_changes.items())
        return change.key, repr(change.labels), change.expires_at, change.removes_items, repr(change.steps), below

    poison = [(one.event_id, one.aggregate, one.error.violations) for one in folded.poison]
    return [*sorted(map(row, folded.rows)), *sorted(map(row, folded.group_list_changes)), *sorted(map(str, poison))]


@given(bad_writes, st.integers(0, 10))
def test_each_path_through_the_fold_does_the_same_and_batches_can_be_cut_anywhere(
    written: list[tuple[str, Item | None]], cut: int
) -> None:
    records = history("orders", written)
    for pipeline in (whole, cached, alone):
        folded = fold_records(records, pipeline, lane_seed="b")
        effects = (derive_effect(change, pipeline) for change in map(change_of, records))
        assert described(folded) == described(fold(effects, pipeline, lane_seed="b"))
        for row in folded.rows:
            assert len({number for number, _ in row.steps}) == len(row.steps)
        assert merged(folded) == merged(fold_records(records[:cut], pipeline), fold_records(records[cut:], pipeline))


def change_of(record: Item) -> Change:
    change = decode_record(record, None)
    assert isinstance(change, Change)
    return change


def by_definition(item: Item, aggregate: Aggregate) -> ItemContribution | InvalidItem:
    try:
        return item_contribution(item, aggregate)
    except InvalidItem as error:
        return error


def comparable(contribution: ItemContribution | InvalidItem) -> Any:
    if isinstance(contribution, Contribution):
        return {contribution.row_ref.key: contribution}
    return contribution.violations if isinstance(contribution, InvalidItem) else contribution


@given(st.one_of(whole_orders, uncountable))
def test_the_evaluation_equals_the_definition_of_a_contribution(item: Item) -> None:
    plan = plan_of(cached)
    evaluator = plan.evaluators["orders"]
    found = [comparable(one) for one in map(contribution_of, *evaluator.contributions(item))]
    assert found == [comparable(by_definition(item, aggregate)) for aggregate in evaluator.aggregates]
    assert found == [comparable(one) for one in map(contribution_of, *plan.cached["orders"].contributions(item))]

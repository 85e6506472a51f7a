"""The elements of lists, maps and sets, and aggregates that count them."""

from typing import Any

import pytest

from tailrace import (
    Aggregate,
    Collection,
    DefinitionError,
    Pipeline,
    count,
    count_items,
    day,
    distinct,
    field,
    maximum,
    mean,
    total,
)
from tailrace.aggregation.contributions import item_contribution
from tailrace.aggregation.fold import fold_records
from tailrace.backfill.fingerprints.meaning import fingerprint
from tailrace.definition.descriptions import describe
from tailrace.definition.fields.elements import views
from tailrace.definition.fields.paths import field_path
from tailrace.errors import InvalidItem
from tailrace.queries.moving_sums import measures_without_window
from tailrace.queries.rollup import non_additive_measures
from tailrace.testing import history, rows

ORDERS = Collection("orders", schema={"type": "object"})


def aggregate(**changes: Any) -> Aggregate:
    parts: dict[str, Any] = {
        "name": "products",
        "of": ORDERS,
        "each": "lines",
        "by": [field("lines.product")],
        "measures": {"lines": count(), "orders": count_items(), "units": total("lines.quantity")},
    }
    return Aggregate(**(parts | changes))


def rows_of(one: Aggregate, *items: dict[str, Any]) -> list[dict[str, Any]]:
    writes: list[Any] = [(str(number), item) for number, item in enumerate(items)]
    return rows(history("orders", writes), Pipeline([ORDERS], [one]))["products"]


def test_lines_and_items_are_counted_apart() -> None:
    pear = {"product": "pear", "quantity": 2}
    found = rows_of(
        aggregate(), {"lines": [pear, pear, {"product": "fig"}]}, {"lines": [pear]}, {"lines": []}, {"lines": None}, {}
    )
    assert found == [
        {"product": "fig", "lines": 1, "orders": 1, "units": 0},
        {"product": "pear", "lines": 3, "orders": 2, "units": 6},
    ]


def test_entries_of_maps_and_members_of_sets_are_elements() -> None:
    by_name = aggregate(each="stock", by=[field("stock.key", name="product")], measures={"n": total("stock.value.n")})
    assert rows_of(by_name, {"stock": {"pear": {"n": 3}, "fig": {"n": 1}}}, {"stock": {"pear": {"n": 1}}}) == [
        {"product": "fig", "n": 1},
        {"product": "pear", "n": 4},
    ]
    tags = aggregate(each="tags", by=[field("tags")], measures={"n": count()})
    assert rows_of(tags, {"tags": {"a", "b"}}, {"tags": ["a", "a"]}) == [{"tags": "a", "n": 3}, {"tags": "b", "n": 1}]


def test_the_list_may_be_nested_and_the_other_fields_stay() -> None:
    one = aggregate(each="cart.lines", by=[field("cart.shop"), field("cart.lines.product")], measures={"n": count()})
    assert rows_of(one, {"cart": {"shop": "a", "lines": [{"product": "fig"}, {"product": None}, None]}}) == [
        {"shop": "a", "product": "fig", "n": 1}
    ]


def test_a_where_sees_the_item_as_the_line_does() -> None:
    large = aggregate(where=lambda view: view["lines"]["quantity"] > view["least"])
    lines = [{"product": "fig", "quantity": number} for number in (1, 2, 3)]
    assert rows_of(large, {"least": 1, "lines": lines}) == [{"product": "fig", "lines": 2, "orders": 1, "units": 5}]


def test_views_do_not_change_the_item() -> None:
    item = {"a": {"b": [1, 2]}, "c": 3}
    assert [(view["a"]["b"], view["c"]) for view in views(item, field_path("a.b"))] == [(1, 3), (2, 3)]
    assert item == {"a": {"b": [1, 2]}, "c": 3}


@pytest.mark.parametrize(
    ("changes", "item", "pointers"),
    [
        ({}, {"lines": "text"}, ["/lines"]),
        ({}, {"lines": 3}, ["/lines"]),
        (
            {},
            {"lines": [{"product": "fig"}, {"product": ["x"]}, {"product": {}}]},
            ["/lines/1/product", "/lines/2/product"],
        ),
        ({}, {"lines": [{"product": "fig", "quantity": "x"}]}, ["/lines/0/quantity"]),
        ({"each": "a.b", "by": [field("a.b")]}, {"a": {"b": [[]]}}, ["/a/b/0"]),
        ({"by": [field("lines.value.p")]}, {"lines": {"x/y": {"p": []}}}, ["/lines/x~1y/p"]),
        ({"by": [field("lines.value")]}, {"lines": {"x": []}}, ["/lines/x"]),
        ({"by": [day("placed")]}, {"placed": "soon", "lines": [1, 2]}, ["/placed"]),
        ({"by": [day("lines")]}, {"lines": {"soon"}}, ["/lines"]),
    ],
)
def test_an_uncountable_element_is_told_by_its_place_and_the_item_is_not_counted(
    changes: dict[str, Any], item: dict[str, Any], pointers: list[str]
) -> None:
    one = aggregate(**changes)
    with pytest.raises(InvalidItem) as error:
        item_contribution(item, one)
    assert [found.pointer for found in error.value.violations] == pointers
    folded = fold_records(history("orders", [("1", item)]), Pipeline([ORDERS], [one]))
    assert folded.rows == []
    (poison,) = folded.poison
    assert poison.error.violations == error.value.violations


def test_the_pointer_to_a_map_s_entry_with_a_long_name_is_cut_off() -> None:
    item = {"lines": {"n" * 60_000: {"quantity": "two"}}}
    one = aggregate(by=[], measures={"units": total("lines.value.quantity")})
    with pytest.raises(InvalidItem) as error:
        item_contribution(item, one)
    (found,) = error.value.violations
    assert len(found.pointer) < 510
    assert found.pointer.endswith("/quantity")


def test_only_the_first_of_many_uncountable_elements_are_told() -> None:
    with pytest.raises(InvalidItem) as error:
        item_contribution({"lines": [{"product": []}] * 1000}, aggregate())
    assert len(error.value.violations) == 20


def test_one_step_for_each_row_and_change_and_one_count_in_the_list_of_groups() -> None:
    one = aggregate(
        by=[field("shop"), field("lines.product")], measures={"n": count(), "kinds": distinct("lines.size")}
    )
    lines = [{"product": product, "size": size} for product in ("fig", "pear") for size in (1, 1, 2)]
    writes: list[Any] = [
        ("1", {"shop": "a", "lines": lines}),
        ("1", {"shop": "a", "lines": lines[1:4]}),
        ("1", {"shop": "b", "lines": lines[:1]}),
        ("1", None),
    ]
    folded = fold_records(history("orders", writes), Pipeline([ORDERS], [one]))
    steps = {row.labels: [deltas for _, deltas in row.steps] for row in folded.rows}
    assert steps == {
        ("a", "fig"): [(1, 3), (0, -1), (-1, -2)],
        ("a", "pear"): [(1, 3), (0, -2), (-1, -1)],
        ("b", "fig"): [(1, 1), (-1, -1)],
    }
    assert {row.labels: [deltas for _, deltas in row.steps] for row in folded.group_list_changes} == {
        ("a",): [(1,), (-1,)],
        ("b",): [(1,), (-1,)],
    }
    values = {
        (row.labels, value.labels): [deltas for _, deltas in value.steps]
        for row in folded.rows
        for value in row.value_changes.values()
    }
    assert values[("a", "fig"), (1,)] == [(2,), (-1,), (-1,)]
    assert values[("a", "pear"), (2,)] == [(1,), (-1,)]


def test_an_item_of_400_kb_adds_one_step_to_each_of_its_rows() -> None:
    lines = [{"product": f"p{number % 50}", "quantity": 1} for number in range(12_000)]
    folded = fold_records(history("orders", [("1", {"lines": lines})]), Pipeline([ORDERS], [aggregate()]))
    assert len(folded.rows) == 50
    assert all([deltas for _, deltas in row.steps] == [(1, 240, 1, 240)] for row in folded.rows)


def test_it_is_part_of_the_meaning_and_of_the_description() -> None:
    assert fingerprint(aggregate()) != fingerprint(aggregate(each="rows"))
    assert describe(aggregate())["each"] == "lines"
    assert "each" not in describe(aggregate(each=None))


def test_items_with_lines_in_several_buckets_are_not_summed_over_them() -> None:
    by_line, by_order = (aggregate(by=[field("shop"), day(path)]) for path in ("lines.shipped", "placed"))
    assert non_additive_measures(by_line) == {"orders"}
    assert measures_without_window(by_line) == {"orders"}
    assert non_additive_measures(by_order) == measures_without_window(by_order) == set()
    assert [one.get("additive") for one in describe(by_line)["measures"]] == [None, False, None]
    assert [one.get("additive") for one in describe(by_order)["measures"]] == [None, None, None]


LINE = {"type": "object", "properties": {"product": {"type": "string"}, "size": {"type": "number"}}}
CLOSED = {
    "properties": {
        "lines": {"type": "array", "items": LINE | {"additionalProperties": False}},
        "stock": {"type": "object", "additionalProperties": LINE | {"additionalProperties": False}},
        "note": {"type": "string"},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"each": ""}, "each=: a field name must be a non-empty string"),
        ({"each": 3}, "each=: a field name must be a non-empty string"),
        ({"each": "note"}, "each='note' needs a list, set or map, but 'note' is a string"),
        ({"each": "liens"}, r"unknown field 'liens' \(did you mean 'lines'\?\)"),
        ({"by": [field("lines.prodcut")]}, r"unknown field 'lines.prodcut' \(did you mean 'lines.product'\?\)"),
        ({"measures": {"n": total("lines.product")}}, "needs a number, but 'lines.product' is a string"),
        ({"measures": {"n": maximum("lines")}}, "needs a string, number or boolean, but 'lines' is an object"),
        ({"each": "stock", "by": [field("stock.value.prodcut")]}, "unknown field 'stock.value.prodcut'"),
        ({"each": "stock", "by": [field("stock.product")]}, "an entry of 'stock' has key, value"),
        ({"each": "stock", "by": [field("stock.key.product")]}, "'stock.key' is a string, the name of an entry"),
    ],
)
def test_fields_of_elements_are_checked_against_the_schema(changes: dict[str, Any], message: str) -> None:
    closed = Collection("orders", schema=CLOSED)
    good: dict[str, Any] = {"of": closed, "measures": {"n": mean("lines.size"), "products": distinct("lines.product")}}
    aggregate(**good)
    stock = {"each": "stock", "by": [field("stock.key")], "measures": {"n": total("stock.value.size")}}
    aggregate(**(good | stock))
    with pytest.raises(DefinitionError, match=message):
        aggregate(**(good | {"measures": {"n": count()}} | changes))


def test_elements_may_be_those_of_a_list_or_of_a_map() -> None:
    closed = LINE | {"additionalProperties": False}
    stock = {"type": ["array", "object"], "items": closed, "additionalProperties": {"type": "integer"}}
    either = Collection("orders", schema={"type": "object", "properties": {"stock": stock}})
    entries = aggregate(
        of=either, each="stock", by=[field("stock.key")], measures={"n": count(), "pieces": total("stock.value")}
    )
    lines = aggregate(of=either, name="b", each="stock", by=[field("stock.product")], measures={"n": count()})
    items: list[tuple[str, dict[str, Any]]] = [
        ("1", {"stock": {"pear": 2, "fig": 3}}),
        ("2", {"stock": [{"product": "pear", "size": 1}]}),
    ]
    found = rows(history("orders", items), Pipeline([either], [entries, lines]))
    assert found[entries.name] == [{"key": "fig", "n": 1, "pieces": 3}, {"key": "pear", "n": 1, "pieces": 2}]
    assert found["b"] == [{"product": "pear", "n": 1}]
    for wrong, message in ((field("stock.size.x"), "'stock.size.x'"), (field("stock.key.x"), "'stock.key.x'")):
        with pytest.raises(DefinitionError, match=message):
            aggregate(of=either, each="stock", by=[wrong], measures={"n": count()})
    with pytest.raises(DefinitionError, match="needs a number, but 'stock.key' is a string"):
        aggregate(of=either, each="stock", by=[], measures={"n": total("stock.key")})

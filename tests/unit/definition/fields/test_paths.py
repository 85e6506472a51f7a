"""Field paths: how they are written, and what they read from an item."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    day,
    distinct,
    field,
    first,
    maximum,
    mean,
    quantile,
    total,
    variance,
)
from tailrace.definition.fields.paths import field_path, source_of
from tailrace.errors import DefinitionError, InvalidItem
from tailrace.queries.group_values import given_group
from tailrace.testing import history, rows

ADDRESS = {"customer": {"address": {"country": "NO", "a.b": {"c\\d": 1}}}}


@pytest.mark.parametrize(
    ("source", "item", "value"),
    [
        ("country", {"country": "NO"}, "NO"),
        ("customer.address.country", ADDRESS, "NO"),
        (r"customer.address.a\.b.c\\d", ADDRESS, 1),
        (r"a\.b", {"a.b": 1, "a": {"b": 2}}, 1),
        ("a.b", {"a.b": 1, "a": {"b": 2}}, 2),
        ("a.b", {"a.b": 1}, None),
        ("a.b.c", {}, None),
        ("a.b.c", {"a": None}, None),
        ("a.b.c", {"a": {"b": None}}, None),
        ("a.b.c", {"a": {"b": {"c": None}}}, None),
        ("a.b", {"a": "text"}, None),
        ("a.b", {"a": 3}, None),
        ("a.b", {"a": [{"b": 1}]}, None),
        ("a.b", {"a": {"b"}}, None),
        ("a.0", {"a": ["x"]}, None),
        ("a.0", {"a": {"0": "x"}}, "x"),
        ("a.b", {"a": {"b": ""}}, ""),
        ("a.b", {"a": {"b": False}}, False),
    ],
)
def test_a_path_leads_through_maps(source: str, item: dict[str, Any], value: Any) -> None:
    assert field_path(source).read(item) == value


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_every_name_has_a_spelling(steps: list[str]) -> None:
    item: Any = 17
    for step in reversed(steps):
        item = {step: item}
    path = field_path(source_of(steps))
    assert path.steps == tuple(steps)
    assert path.source == source_of(steps)
    assert path.read(item) == 17


def test_a_pointer_names_the_field() -> None:
    assert field_path(r"a.b/c.d~e\.f").pointer == "/a/b~1c/d~0e.f"


@pytest.mark.parametrize("source", ["a..b", ".a", "a.", ".", "..", "a\\", r"a\b", r"a.\n"])
def test_a_path_that_cannot_be_read_is_refused_with_what_to_write(source: str) -> None:
    for define in (field, total, mean, variance, maximum, distinct, day):
        with pytest.raises(DefinitionError, match=r"write \\. for a dot"):
            define(source)
    with pytest.raises(DefinitionError, match=r"first\(by=\): .* write \\. for a dot"):
        first("value", by=source)


def test_a_dot_in_a_closed_schema_is_a_step_unless_it_is_escaped() -> None:
    schema = {"properties": {"a.b": {"type": "string"}}, "additionalProperties": False}
    orders = Collection("orders", schema=schema)
    assert Aggregate("n", of=orders, by=[field(r"a\.b")], measures={"n": distinct(r"a\.b")}).by[0].name == "a.b"
    with pytest.raises(DefinitionError, match=r"unknown field 'a\.b'.*; 'orders' has a\\\.b"):
        Aggregate("n", of=orders, by=[field("a.b")], measures={"n": distinct(r"a\.b")})


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda item: field("a.b/c").value(item), ["x"]),
        (lambda item: field("a.b/c").value(item), Decimal("1E+200")),
        (lambda item: day("a.b/c").value(item), "yesterday"),
        (lambda item: day("a.b/c").value(item), True),
        (lambda item: total("a.b/c").deltas(item), "x"),
        (lambda item: variance("a.b/c").deltas(item), Decimal("1.23456789012345678901234567890123456789")),
        (maximum("a.b/c").values.entry, {"x": 1}),
        (maximum("a.b/c").values.entry, "x" * 2000),
        (quantile("a.b/c", 0.5, error=0.1).values.entry, "x"),
        (lambda item: first("d", by="a.b/c").values.entry(item | {"d": 1}), "yesterday"),
    ],
)
def test_a_violation_points_to_the_nested_field(read: Any, value: Any) -> None:
    with pytest.raises(InvalidItem) as error:
        read({"a": {"b/c": value}})
    assert [one.pointer for one in error.value.violations] == ["/a/b~1c"]


def test_groups_and_measures_read_nested_fields() -> None:
    orders = Collection("orders", schema={"type": "object"})
    countries = Aggregate(
        "countries",
        of=orders,
        by=[field("customer.address.country"), day("meta.at")],
        measures={
            "revenue": total("amount.value"),
            "customers": distinct("customer.id"),
            "opened": first("customer.id", by="meta.at"),
        },
    )
    pipeline = Pipeline([orders], [countries])
    address = {"country": "NO"}
    writes: list[tuple[str, Any]] = [
        ("1", {"customer": {"id": 1, "address": address}, "amount": {"value": 5}, "meta": {"at": "2024-05-01"}}),
        ("2", {"customer": {"id": 2, "address": address}, "amount": None, "meta": {"at": "2024-05-01"}}),
        ("3", {"customer": {"address": address}, "amount": {"value": 2}, "meta": {"at": "2024-05-01T01:00"}}),
        ("4", {"customer": {"address": None}, "amount": {"value": 100}, "meta": {"at": "2024-05-01"}}),
        ("5", {"customer": "anonymous", "meta": {"at": "2024-05-01"}}),
    ]
    assert rows(history("orders", writes), pipeline)["countries"] == [
        {
            "country": "NO",
            "day": "2024-05-01",
            "revenue": 7,
            "customers": 2,
            "opened": {"value": 1, "at": "2024-05-01T00:00:00.000000Z"},
        }
    ]
    gone = [(name, None) for name, _ in writes]
    assert rows(history("orders", writes + gone), pipeline)["countries"] == []


def test_the_schema_of_a_nested_field_decides_how_a_request_names_its_values() -> None:
    address = {"type": "object", "properties": {"floor": {"type": "integer"}}}
    orders = Collection("orders", schema={"properties": {"address": {"$ref": "#/$defs/a"}}, "$defs": {"a": address}})
    floors = Aggregate("floors", of=orders, by=[field("address.floor")], measures={"n": distinct("id")})
    assert given_group(floors, floors.by[0], ["2.0"]).texts == ("2",)

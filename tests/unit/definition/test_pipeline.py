"""Every mistake in a definition is one clear error when it is imported."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    day,
    days,
    field,
    first,
    hour,
    mean,
    minimum,
    top,
    total,
)
from tailrace.definition.descriptions import describe
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.numbers import EXACT
from tailrace.errors import DefinitionError, InvalidItem, NotFound, Violation

CLOSED = {"type": "object", "properties": {"a": {}, "t": {}, "n": {}}, "additionalProperties": False}
things = Collection("things", schema=CLOSED)
others = Collection("others", schema={})


@dataclass
class Over:
    """A predicate that can be compared, and so has no hash."""

    limit: int

    def __call__(self, item: dict[str, Any]) -> bool:
        """Tell whether an item is over the limit."""
        return bool(item["n"] > self.limit)


def aggregate(**changes: Any) -> Aggregate:
    plain: dict[str, Any] = {"name": "sums", "of": things, "by": [field("a")], "measures": {"n": count()}}
    return Aggregate(**(plain | changes))


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a name with capitals": (lambda: Collection("Things", schema={}), "'Things'"),
    "a name with the separator": (lambda: aggregate(name="a#b"), "'a#b'"),
    "a schema that is none": (lambda: Collection("x", schema={"type": "strnig"}), "strnig"),
    "a schema file that is missing": (lambda: Collection("x", schema="missing.json"), "missing.json"),
    "an unknown word for on_expiry": (lambda: Collection("x", schema={}, on_expiry="drop"), "on_expiry"),  # type: ignore[arg-type]
    "a transform that is no function": (lambda: Collection("x", schema={}, transform=3), "transform"),  # type: ignore[arg-type]
    "no groups": (lambda: aggregate(by=[]), "at least one group"),
    "no measures": (lambda: aggregate(measures={}), "at least one group and one measure"),
    "a measure that is none": (lambda: aggregate(measures={"n": len}), "not a measure"),
    "an unknown field in a group": (lambda: aggregate(by=[field("b")]), "unknown field 'b'"),
    "an unknown field in a measure": (lambda: aggregate(measures={"m": mean("b")}), "unknown field 'b'"),
    "two time buckets": (lambda: aggregate(by=[hour("t"), day("t")]), "two time buckets"),
    "an unknown time zone": (lambda: hour("t", tz="Europe/Nowhere"), "Europe/Nowhere"),
    "more than one update can write": (
        lambda: aggregate(measures={f"m{number}": mean("x") for number in range(100)}),
        "201 attributes",
    ),
    "a field that is no text": (lambda: field(3), "named by a text"),  # type: ignore[arg-type]
    "a time that is no text": (lambda: hour(""), "named by a text"),
    "a sum of nothing": (lambda: total(None), "named by a text"),  # type: ignore[arg-type]
    "a least of nothing": (lambda: minimum(""), "named by a text"),
    "a first by nothing": (lambda: first("a", by=None), "named by a text"),  # type: ignore[arg-type]
    "a time zone that is no text": (lambda: hour("t", tz=None), "time zone"),  # type: ignore[arg-type]
    "a where that is no function": (lambda: aggregate(where="paid"), "a function from an item"),
    "a measure's where that is none": (lambda: count(where="paid"), "a function from an item"),  # type: ignore[arg-type]
    "a where that has no hash": (lambda: minimum("n", where=Over(3)), "has to have a hash"),
    "groups that are names": (lambda: aggregate(by=["a"]), "a group is field"),
    "groups that are one name": (lambda: aggregate(by="a"), "a list of groups"),
    "measures without names": (lambda: aggregate(measures=[count()]), "measures by their names"),
    "a measure called by a number": (lambda: aggregate(measures={3: count()}), "measure 3"),
    "a number for keep": (lambda: aggregate(by=[day("t")], keep=5), "days(90)"),
    "a list for a schema": (lambda: Collection("x", schema=[]), "not a list"),  # type: ignore[arg-type]
    "a reference to another file": (
        lambda: Collection("x", schema={"properties": {"a": {"$ref": "other.json"}}}),
        "refers to 'other.json'",
    ),
    "a pattern that is none": (lambda: Collection("x", schema={"properties": {"a": {"pattern": "("}}}), "pattern"),
    "a pattern of names that is none": (lambda: Collection("x", schema={"patternProperties": {"(": {}}}), "regex"),
    "a route called as the stack's own queue": (lambda: Route("async-failures", of=things, when=bool), "queue of this"),
    "two routes of one queue": (
        lambda: Pipeline([things], routes=[Route("a-b", of=things, when=bool), Route("a_b", of=things, when=bool)]),
        "share its queue",
    ),
    "one collection for a list": (lambda: Pipeline(things), "a list of Collection"),  # type: ignore[arg-type]
    "a measure for an aggregate": (lambda: Pipeline([things], [count()]), "a list of Aggregate"),  # type: ignore[list-item]
    "keep without a time bucket": (lambda: aggregate(keep=days(1)), "time bucket"),
    "keep for less than nothing": (lambda: aggregate(by=[day("t")], keep=days(-1)), "positive"),
    "a version of zero": (lambda: aggregate(version=0), "version"),
    "a measure called as a group": (lambda: aggregate(measures={"a": count()}), "two things are called 'a'"),
    "a measure whose parts collide": (
        lambda: aggregate(measures={"d": mean("n"), "d_total": total("n")}),
        "two things are called 'd_total'",
    ),
    "a reserved name": (lambda: aggregate(measures={"updated_at": count()}), "updated_at"),
    "an engine's name": (lambda: aggregate(measures={"~n": count()}), "'~n'"),
    "of= a name instead of a collection": (lambda: aggregate(of="things"), "Collection"),
    "a route without a predicate": (lambda: Route("r", of=things, when=None), "when="),  # type: ignore[arg-type]
    "two aggregates of one name": (lambda: Pipeline([things], [aggregate(), aggregate()]), "two aggregates"),
    "two collections of one name": (lambda: Pipeline([things, things]), "two collections"),
    "an aggregate of a stranger": (lambda: Pipeline([others], [aggregate()]), "'things'"),
    "a pipeline that is not there": (lambda: load_pipeline("tests.pipelines.nowhere:pipeline"), "nowhere"),
    "an attribute that is not there": (lambda: load_pipeline("tests.pipelines.orders:pipe"), "pipe"),
    "a name for something else": (lambda: load_pipeline("tests.pipelines.orders:orders"), "not a Pipeline"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda name: name.replace(" ", "-"))
def test_a_mistake_is_told_when_the_definition_is_made(mistake: str) -> None:
    make, told = MISTAKES[mistake]
    with pytest.raises(DefinitionError, match=".*") as caught:
        make()
    assert told in str(caught.value)


def test_a_schema_is_found_beside_the_module_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "thing.json").write_text('{"required": ["a"], "properties": {"n": {"multipleOf": 0.01}}}')
    module = tmp_path / "somebodys.py"
    module.write_text("from tailrace import Collection\nthings = Collection('things', schema='thing.json')\n")
    space: dict[str, Any] = {"__file__": str(module), "__name__": "somebodys"}
    exec(compile(module.read_text(), str(module), "exec"), space)  # noqa: S102 - a module, run as import would
    with pytest.raises(InvalidItem):
        space["things"].prepare({})
    assert space["things"].prepare({"a": 1, "n": 3}) == {"a": 1, "n": 3}


def test_a_transform_gets_its_own_copy_and_its_errors_are_the_items() -> None:
    def careless(item: dict[str, Any]) -> dict[str, Any]:
        item["tags"].append("seen")
        item["b"] = 1 / item.pop("a")
        return item

    collection = Collection("x", schema={}, transform=careless)
    item = {"a": 2, "tags": ["new"]}
    assert collection.prepare(item) == {"b": Decimal("0.5"), "tags": ["new", "seen"]}
    assert isinstance(collection.prepare(item)["b"], Decimal)
    assert item == {"a": 2, "tags": ["new"]}
    with pytest.raises(InvalidItem) as caught:
        collection.prepare({"a": 0, "tags": []})
    assert caught.value.violations[0].keyword == "transform"


def test_a_transform_reckons_as_python_does_whoever_calls_it() -> None:
    # with the 400 digits of a fold, no sum could hold a third, and nobody else would see why
    collection = Collection("x", schema={}, transform=lambda item: {"third": item["a"] / Decimal(3)})
    with localcontext(EXACT):
        assert collection.prepare({"a": 1}) == {"third": Decimal("0." + "3" * 28)}
    assert collection.prepare({"a": 1}) == {"third": Decimal("0." + "3" * 28)}


def test_a_float_without_a_value_makes_the_item_invalid() -> None:
    with pytest.raises(InvalidItem, match="undefined numbers"):
        Collection("x", schema={}, transform=lambda _item: {"a": [float("nan")]}).prepare({})


def test_a_transform_that_returns_no_item_makes_the_item_invalid() -> None:
    with pytest.raises(InvalidItem, match="not a dict"):
        Collection("x", schema={}, transform=lambda _item: None).prepare({})  # type: ignore[arg-type, return-value]


def test_names_are_looked_up_and_missing_ones_told_with_the_choice() -> None:
    pipeline = load_pipeline("tests.pipelines.orders:pipeline")
    assert pipeline.collection("orders").name == "orders"
    with pytest.raises(NotFound, match="shop_hours"):
        pipeline.aggregate("shop_days")


def test_units_and_descriptions_are_texts() -> None:
    schema = {"type": "object"}
    things = Collection("things", schema=schema, description="All things.")
    measures: Any = {"n": count(description="How many."), "x": mean("x", unit="m"), "top": top("x", 3, unit="m")}
    made = Aggregate("a", of=things, by=[field("y")], measures=measures, description="By y.")
    told = describe(made)
    units = [(one["unit"], one["description"]) for one in told["measures"]]
    assert units == [(None, "How many."), ("m", None), ("m", None)]
    assert (told["description"], told["measures"][2]["most"], told["bucket"]) == ("By y.", 3, None)
    wrong: Any = 5
    with pytest.raises(DefinitionError, match="measure 'n': unit is a text, not 5"):
        Aggregate("a", of=things, by=[field("y")], measures={"n": count(unit=wrong)})
    with pytest.raises(DefinitionError, match="description"):
        Collection("things", schema=schema, description="")


def test_violations_are_looked_for_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    things = Collection("things", schema={"type": "object", "required": ["a", "b"]})
    found = things.compiled.violations({})
    asked: list[object] = []

    def violations(_schema: object, item: object) -> tuple[Violation, ...]:
        asked.append(item)
        return found

    monkeypatch.setattr(type(things.compiled), "violations", violations)
    with pytest.raises(InvalidItem) as caught:
        things.prepare({})
    assert not asked
    assert [one.keyword for one in caught.value.violations] == ["required", "required"]
    assert "'a'" in str(caught.value)
    assert len(asked) == 1


def test_a_schema_may_refer_to_what_is_in_it_by_any_of_its_names() -> None:
    """Also where only the reference validates, as it does with uniqueItems."""
    inner = {"$id": "https://example.com/inner", "type": "integer"}
    for reference in ("#/$defs/a", "https://example.com/inner", "inner", "#"):
        schema = {
            "$id": "https://example.com/outer",
            "$defs": {"a": inner},
            "properties": {"a": {"$ref": reference}, "b": {"uniqueItems": True, "default": {"$ref": "a value"}}},
        }
        assert Collection("x", schema=schema).compiled.is_valid({"b": []})

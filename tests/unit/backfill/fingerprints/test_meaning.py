"""The fingerprint follows what decides an item's worth, and nothing else."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    day,
    days,
    distinct,
    field,
    largest,
    last,
    maximum,
    quantile,
    total,
)
from tailrace.backfill.fingerprints import sources
from tailrace.backfill.fingerprints.lock import meanings
from tailrace.backfill.fingerprints.meaning import collection_fingerprint, fingerprint
from tailrace.backfill.fingerprints.sources import describe_function
from tailrace.definition.measures.order import OrderMeasure
from tailrace.errors import DefinitionError

SCHEMA: dict[str, Any] = {"type": "object"}
ORDERS = Collection("orders", schema=SCHEMA)


def aggregate(**changes: Any) -> Aggregate:
    parts: dict[str, Any] = {
        "name": "shops",
        "of": ORDERS,
        "by": [field("shop")],
        "measures": {"n": count(), "most": maximum("amount")},
    }
    return Aggregate(**(parts | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"of": Collection("orders", schema=SCHEMA | {"required": ["shop"]})},
        {"of": Collection("orders", schema=SCHEMA, on_expiry="keep")},
        {"of": Collection("orders", schema=SCHEMA, transform=lambda item: item)},
        {"by": [field("shop", name="store")]},
        {"by": [field("shop.id", name="shop")]},
        {"measures": {"n": count(), "most": maximum("amount.value")}},
        {"by": [day("at")]},
        {"by": [day("at", tz="Europe/Berlin")]},
        {"by": [day("at")], "keep": days(3)},
        {"measures": {"n": count()}},
        {"measures": {"n": total("amount"), "most": maximum("amount")}},
        {"measures": {"n": count(where=lambda item: bool(item["paid"])), "most": maximum("amount")}},
        {"where": lambda item: bool(item["paid"])},
        {"version": 2},
        {"listed": False},
        {"lanes": 2, "measures": {"n": count()}},
    ],
)
def test_whatever_changes_an_items_worth_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert fingerprint(aggregate(**changes)) != fingerprint(aggregate())


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "changes",
    [
        {"by": [day("at", tz="Europe/Berlin")]},
        {"measures": {"n": count(), "newest": last("amount", by="at", tz="Europe/Berlin")}},
        {"of": Collection("orders", schema=SCHEMA, transform=lambda item: item | {"zone": str(BERLIN)})},
    ],
)
def test_the_rules_of_a_time_zone_belong_to_the_meaning(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update of the rules would take items back from other rows than those that they are counted in."""
    before, other = fingerprint(aggregate(**changes)), fingerprint(aggregate())
    for module in ("meaning", "sources"):
        monkeypatch.setattr(f"tailrace.backfill.fingerprints.{module}.zone_rules", lambda zone: f"new rules of {zone}")
    sources._described.cache_clear()
    assert fingerprint(aggregate(**changes)) != before
    assert fingerprint(aggregate()) == other
    sources._described.cache_clear()


@pytest.mark.parametrize(
    ("measures", "form"),
    [
        ({}, ""),
        ({"kinds": distinct("kind")}, "+counted-values"),
        ({"median": quantile("amount", 0.5)}, "+nodes"),
        ({"median": quantile("amount", 0.5), "amounts": distinct("amount")}, "+counted-values+nodes"),
    ],
)
def test_rows_in_another_form_mean_something_else_whatever_the_lock_accepts(
    measures: dict[str, OrderMeasure], form: str
) -> None:
    pipeline = Pipeline([ORDERS], [aggregate(measures={"n": count(), **measures})])
    assert meanings(pipeline) == {("shops", 1): f"{fingerprint(pipeline.aggregates[0])}{form}"}


@pytest.mark.parametrize(
    ("measure", "known"),
    [
        (maximum("amount"), "c13b851df5a7843ccc8dfef619ab9d63"),
        (last("amount", by="at", tz="Europe/Berlin"), "0deeceea6f8de4ddeb8b305d12f81e75"),
        (last("amount", by_value="number"), "a0d858590c58b21d5dc31553796e3dbf"),
        (last("amount", by="at", by_unit="ms"), "1c655aeeb240bf7dd4eeba79e380f7ad"),
        (largest("amount", 2), "669ac7f0710953aa31762ca12509c2dc"),
        (largest("amount", 2, show=["name"]), "e42c8b5a22b96821d2d427060a881758"),
        (quantile("amount", 0.5), "3b5d00b51affdd8fbc743929c310739b"),
    ],
)
def test_generations_with_order_measures_are_not_interrupted_by_a_release(
    measure: OrderMeasure, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stacks hold these fingerprints: what has another one is not fed any more, and has to be built anew."""
    monkeypatch.setattr("tailrace.backfill.fingerprints.meaning.zone_rules", lambda zone: f"rules of {zone}")
    assert fingerprint(aggregate(measures={"m": measure})) == known


def test_a_nested_field_means_something_else_than_a_name_with_a_dot() -> None:
    nested, dotted = (fingerprint(aggregate(by=[field(path, name="shop")])) for path in ("a.b", r"a\.b"))
    assert nested != dotted


def test_names_for_readers_and_the_order_of_measures_do_not() -> None:
    measures = {"most": maximum("amount", description="the most", unit="EUR"), "n": count()}
    other = Collection("orders", schema=dict(SCHEMA), description="all of them")
    assert fingerprint(aggregate(measures=measures, of=other, description="by shop")) == fingerprint(aggregate())
    assert collection_fingerprint(other) == collection_fingerprint(ORDERS)


def test_what_describes_a_schema_for_readers_does_not() -> None:
    bare: dict[str, Any] = {"properties": {"title": {"type": "string"}, "a": {"items": {"enum": [{"title": 1}]}}}}
    told: dict[str, Any] = {
        "title": "An order",
        "$comment": "one",
        "properties": {
            "title": {"type": "string", "description": "its title"},
            "a": {"items": {"enum": [{"title": 1}], "examples": [2]}},
        },
    }

    def of(schema: dict[str, Any]) -> str:
        return collection_fingerprint(Collection("orders", schema=schema))

    assert of(bare) == of(told)
    without = {"properties": {"a": bare["properties"]["a"]}}
    other = {"properties": {**bare["properties"], "a": {"items": {"enum": [{"title": 2}]}}}}
    assert len({of(bare), of(without), of(other)}) == 3


class Initial:
    """A group of one's own."""

    source = "shop"
    name = "initial"

    def __init__(self, letters: int) -> None:
        self.letters = letters

    def value(self, item: Any) -> str:
        return str(item["shop"][: self.letters])

    def text(self, value: Any) -> str:
        return str(value)


def test_a_group_of_ones_own_is_described() -> None:
    first, same, other = (fingerprint(aggregate(by=[Initial(letters)])) for letters in (1, 1, 2))
    assert first == same
    assert first != other


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    def load(text: str) -> ModuleType:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("rules", path)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "rules", loaded)
        spec.loader.exec_module(loaded)
        return loaded

    return load


TEXT = '''
import math

LIMITS = {"low": 5, "high": [80]}

class Scale:
    """How large."""
    def of(self, item):
        return math.floor(item["amount"] / 2)

def scaled(item):
    return Scale().of(item)

def is_large(item, most=3):
    """Tell whether it is large."""
    # at the limit it is
    return scaled(item) > LIMITS["low"] and item["n"] < most
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"low": 5', '"low": 6'),
        ("/ 2", "/ 3"),
        ("> LIMITS", ">= LIMITS"),
        ("most=3", "most=4"),
        ("math.floor", "math.ceil"),
    ],
)
def test_what_a_function_refers_to_in_its_package_belongs_to_it(
    module: Callable[[str], ModuleType], old: str, new: str
) -> None:
    assert old in TEXT
    before = describe_function(module(TEXT).is_large)
    assert describe_function(module(TEXT.replace(old, new)).is_large) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('    """Tell whether it is large."""\n', ""),
        ("    # at the limit it is\n", ""),
        ("LIMITS =", "# the limits\nLIMITS  ="),
        ('"low": 5, "high": [80]', '"high": [80], "low": 5'),
    ],
)
def test_comments_docstrings_and_formatting_do_not(module: Callable[[str], ModuleType], old: str, new: str) -> None:
    before = describe_function(module(TEXT).is_large)
    assert describe_function(module(TEXT.replace(old, new)).is_large) == before


def test_a_function_without_a_source_is_refused() -> None:
    names: dict[str, Any] = {"__name__": "nowhere"}
    exec("def hidden(item): return True", names)  # noqa: S102 - to have one
    with pytest.raises(DefinitionError, match="write it in a module"):
        describe_function(names["hidden"])

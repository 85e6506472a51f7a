"""Mistakes in a definition, each a clear error at import, and what a pipeline finds and describes of its parts."""

from collections.abc import Callable
from dataclasses import dataclass
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
    hop,
    hour,
    hours,
    largest,
    last,
    maximum,
    mean,
    minimum,
    minutes,
    quantile,
    ratio,
    smallest,
    top,
    total,
    variance,
)
from tailrace.definition.descriptions import describe
from tailrace.definition.pipeline import load_pipeline
from tailrace.errors import DefinitionError, NotFound

CLOSED = {"type": "object", "properties": {"a": {}, "t": {}, "n": {}}, "additionalProperties": False}
things = Collection("things", schema=CLOSED)
others = Collection("others", schema={})


@dataclass
class Over:
    """A predicate that defines equality, and so is not hashable."""

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
    "an invalid schema": (lambda: Collection("x", schema={"type": "strnig"}), "strnig"),
    "a schema file that is missing": (lambda: Collection("x", schema="missing.json"), "missing.json"),
    "an unknown value of on_expiry": (lambda: Collection("x", schema={}, on_expiry="drop"), "on_expiry"),  # type: ignore[arg-type]
    "a transform that is not a function": (lambda: Collection("x", schema={}, transform=3), "transform"),  # type: ignore[arg-type]
    "no measures": (lambda: aggregate(measures={}), "at least one measure"),
    "a measure that is not one": (lambda: aggregate(measures={"n": len}), "'n' must be a measure"),
    "an unknown field in a group": (lambda: aggregate(by=[field("b")]), "unknown field 'b'"),
    "an unknown field in a measure": (lambda: aggregate(measures={"m": mean("b")}), "unknown field 'b'"),
    "two time buckets": (lambda: aggregate(by=[hour("t"), day("t")]), "two time buckets"),
    "an unknown option of a bucket": (
        lambda: hour("t", zone="UTC"),  # type: ignore[call-arg]
        "hour: there is no option zone=; expected tz=, unit=, name=",
    ),
    "an unknown option of several minutes": (
        lambda: minutes(15, "t", timezone="UTC"),  # type: ignore[call-overload]
        "minutes: there is no option timezone=",
    ),
    "an unknown option of a window": (
        lambda: hop("t", size=hours(2), every=hours(1), zone="UTC"),  # type: ignore[call-arg]
        "hop('t'): there is no option zone=",
    ),
    "an unknown time zone": (lambda: hour("t", tz="Europe/Nowhere"), "Europe/Nowhere"),
    "more attributes than one update can write": (
        lambda: aggregate(measures={f"m{number}": mean("x") for number in range(100)}),
        "201 attributes",
    ),
    "a field name that is not a string": (lambda: field(3), "non-empty string, not 3"),  # type: ignore[arg-type]
    "a time field with an empty name": (lambda: hour(""), "non-empty string"),
    "a total without a field": (lambda: total(None), "non-empty string"),  # type: ignore[arg-type]
    "a minimum without a field": (lambda: minimum(""), "non-empty string"),
    "a first without a time": (lambda: first("a", by=None), "give by="),
    "a last by a time and by a value": (lambda: last("a", by="t", by_value="n"), "give by="),
    "a last by a value without a name": (lambda: last("a", by_value=""), "non-empty string"),
    "more than a hundred largest": (lambda: largest("n", 101), "from 1 to 100, not 101"),
    "a name instead of shown fields": (lambda: smallest("n", 3, show="a"), "a list of field names"),
    "a field shown twice": (lambda: largest("n", 3, show=["a", "b.a"]), "different names"),
    "a shown field named like the value": (lambda: largest("n", 3, show=["x.value"]), "none in 'value'"),
    "an unknown field in a list": (
        lambda: aggregate(measures={"m": largest("n", 3, show=["b"])}),
        "unknown field 'b'",
    ),
    "lists of more values than a row can hold": (
        lambda: aggregate(measures={"m": largest("n", 100, show=["t", "a"]), "k": minimum("n")}),
        "order measures of 301 values",
    ),
    "a time zone that is not a string": (lambda: hour("t", tz=None), "time zone"),  # type: ignore[arg-type]
    "a where that is not a function": (lambda: aggregate(where="paid"), "a function of an item"),
    "a measure's where that is not a function": (lambda: count(where="paid"), "a function of an item"),  # type: ignore[arg-type]
    "a where that is not hashable": (lambda: minimum("n", where=Over(3)), "hashable"),
    "names instead of groups": (lambda: aggregate(by=["a"]), "groups must be field"),
    "a name instead of a list of groups": (lambda: aggregate(by="a"), "a list of groups"),
    "measures without names": (lambda: aggregate(measures=[count()]), "a dict of measures by name"),
    "a measure name that is not a string": (lambda: aggregate(measures={3: count()}), "strings, not 3"),
    "a number for keep": (lambda: aggregate(by=[day("t")], keep=5), "days(90)"),
    "a list for a schema": (lambda: Collection("x", schema=[]), "not a list"),  # type: ignore[arg-type]
    "an example that is a text": (
        lambda: Collection("x", schema={"examples": ["ab"]}),
        "the schema's examples must be",
    ),
    "examples that are pairs": (lambda: Collection("x", schema={}, examples=[["ab"]]), "examples= must be"),  # type: ignore[list-item]
    "a reference to another file": (
        lambda: Collection("x", schema={"properties": {"a": {"$ref": "other.json"}}}),
        "reference 'other.json'",
    ),
    "an invalid pattern": (lambda: Collection("x", schema={"properties": {"a": {"pattern": "("}}}), "pattern"),
    "an invalid pattern of names": (lambda: Collection("x", schema={"patternProperties": {"(": {}}}), "regex"),
    "a route with the name of a queue of the stack": (
        lambda: Route("async-failures", of=things, when=bool),
        "reserved for a queue",
    ),
    "a route with the name of a dead-letter queue": (
        lambda: Route("intake-dead-letter", of=things, when=bool),
        "reserved for a queue",
    ),
    "a route with the name that stands for no route": (lambda: Route("none", of=things, when=bool), "reserved"),
    "two routes with one queue": (
        lambda: Pipeline([things], routes=[Route("a-b", of=things, when=bool), Route("a_b", of=things, when=bool)]),
        "shares its queue",
    ),
    "a collection instead of a list": (lambda: Pipeline(things), "a list of Collection"),  # type: ignore[arg-type]
    "a measure instead of an aggregate": (lambda: Pipeline([things], [count()]), "a list of Aggregate"),  # type: ignore[list-item]
    "keep without a time bucket": (lambda: aggregate(keep=days(1)), "time bucket"),
    "a negative keep": (lambda: aggregate(by=[day("t")], keep=days(-1)), "positive"),
    "a version of zero": (lambda: aggregate(version=0), "version"),
    "a measure with the name of a group": (lambda: aggregate(measures={"a": count()}), "duplicate attribute name 'a'"),
    "a mean with the name of a group": (lambda: aggregate(measures={"a": mean("n")}), "duplicate attribute name 'a'"),
    "a mean with a name of the row": (
        lambda: aggregate(measures={"updated_at": mean("n")}),
        "reserved attribute name 'updated_at'",
    ),
    "a variance with the name of a flag": (lambda: aggregate(measures={"inexact": variance("n")}), "reserved"),
    "a mean without a name": (lambda: aggregate(measures={"": mean("n")}), "must not be empty"),
    "two measures with a common attribute": (
        lambda: aggregate(measures={"d": mean("n"), "d_total": total("n")}),
        "duplicate attribute name 'd_total'",
    ),
    "a reserved name": (lambda: aggregate(measures={"updated_at": count()}), "reserved attribute name 'updated_at'"),
    "a name of the engine": (lambda: aggregate(measures={"~n": count()}), "'~n'"),
    "a name instead of a collection": (lambda: aggregate(of="things"), "Collection"),
    "a route without a predicate": (lambda: Route("r", of=things, when=None), "when="),  # type: ignore[arg-type]
    "a measure with the name of a quantile's nodes": (
        lambda: Pipeline([things], [aggregate(measures={"q": quantile("n", 0.5), "q.6": minimum("t")})]),
        "the measure 'q.6' has the name of rows of 'q', a quantile",
    ),
    "two aggregates with one name and version": (
        lambda: Pipeline([things], [aggregate(), aggregate(version=2), aggregate()]),
        "two aggregates are named 'sums', version 1",
    ),
    "two collections with one name": (lambda: Pipeline([things, things]), "two collections"),
    "an aggregate of an unlisted collection": (lambda: Pipeline([others], [aggregate()]), "'things'"),
    "a missing pipeline module": (lambda: load_pipeline("tests.pipelines.nowhere:pipeline"), "nowhere"),
    "a pipeline without an attribute": (lambda: load_pipeline("tests.pipelines.orders"), "must be module:attribute"),
    "a pipeline with an empty attribute": (
        lambda: load_pipeline("tests.pipelines.orders:"),
        "must be module:attribute",
    ),
    "a path for a pipeline": (lambda: load_pipeline("tests/pipelines/orders.py:pipeline"), "not 'tests/pipelines/"),
    "a pipeline of no module": (lambda: load_pipeline(":pipeline"), "such as pipeline.definition:pipeline"),
    "a missing pipeline attribute": (lambda: load_pipeline("tests.pipelines.orders:pipe"), "pipe"),
    "a group's name that is not a string": (lambda: aggregate(by=[field("a", name=3)]), "name 3 must be a string"),  # type: ignore[arg-type]
    "a group's name that is no text": (lambda: aggregate(by=[field("a", name="\ud800")]), "must be a string"),
    "a measure's name that is too long for keys": (
        lambda: aggregate(measures={"é" * 128: minimum("n")}),
        "has 256 bytes; use at most 255",
    ),
    "a measure's name that is no text": (lambda: aggregate(measures={"\ud800": count()}), "must be a string"),
    "a field name that is no text": (lambda: total("\ud800"), "unpaired surrogate"),
    "a list of time zones": (lambda: hour("t", tz=["UTC"]), "unknown time zone ['UTC']"),  # type: ignore[arg-type]
    "a duration that is a text": (lambda: days("90"), "days('90') is not a duration"),  # type: ignore[arg-type]
    "a duration without an end": (lambda: hours(float("inf")), "hours(inf) is not a duration"),
    "a number for id_from": (lambda: Collection("x", schema={}, id_from=3), "id_from= must be"),  # type: ignore[arg-type]
    "a set of fields, which have no order": (
        lambda: Collection("x", schema={}, id_from={"a", "b"}),  # type: ignore[arg-type]
        "id_from= must be the name of a field, a list of names",
    ),
    "another object instead of a pipeline": (lambda: load_pipeline("tests.pipelines.orders:orders"), "not a Pipeline"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda name: name.replace(" ", "-"))
def test_a_mistake_raises_an_error_that_explains_it(mistake: str) -> None:
    define, explanation = MISTAKES[mistake]
    with pytest.raises(DefinitionError, match=".*") as caught:
        define()
    assert explanation in str(caught.value)


def test_looking_up_an_unknown_name_lists_the_defined_ones() -> None:
    pipeline = load_pipeline("tests.pipelines.orders:pipeline")
    assert pipeline.collection("orders").name == "orders"
    with pytest.raises(NotFound, match="shop_hours"):
        pipeline.aggregate("shop_days")


def test_versions_of_one_aggregate_stand_side_by_side() -> None:
    old, new, other = aggregate(), aggregate(version=3), aggregate(name="b")
    for given in ([old, new, other], [new, old, other]):
        pipeline = Pipeline([things], given)
        assert pipeline.newest_aggregates == (new, other)
        assert pipeline.aggregate("sums") is new
        assert (pipeline.aggregate("sums", 1), pipeline.aggregate("sums", 3)) == (old, new)
        with pytest.raises(NotFound, match="'sums' has no version 2"):
            pipeline.aggregate("sums", 2)


def test_units_and_descriptions_are_strings() -> None:
    schema = {"type": "object"}
    things = Collection("things", schema=schema, description="All things.")
    measures: Any = {"n": count(description="How many."), "x": mean("x", unit="m"), "top": top("x", 3, unit="m")}
    described = describe(Aggregate("a", of=things, by=[field("y")], measures=measures, description="By y."))
    units = [(one["unit"], one["description"]) for one in described["measures"]]
    assert units == [(None, "How many."), ("m", None), ("m", None)]
    assert (described["description"], described["measures"][2]["most"], described["bucket"]) == ("By y.", 3, None)
    wrong: Any = 5
    with pytest.raises(DefinitionError, match="measure 'n': unit= must be a non-empty string, not 5"):
        Aggregate("a", of=things, by=[field("y")], measures={"n": count(unit=wrong)})
    with pytest.raises(DefinitionError, match="description"):
        Collection("things", schema=schema, description="")


def test_measures_of_the_same_items_are_told_from_others() -> None:
    things = Collection("things", schema={"type": "object"})
    measures: Any = {
        "n": count(),
        "mean": mean("x", where=bool),
        "most": maximum("x", where=any),
        "least": minimum("x", where=bool),
        "share": ratio("n", "mean"),
    }
    described = describe(Aggregate("a", of=things, by=[field("y")], measures=measures))
    assert [one.get("where") for one in described["measures"]] == [None, 1, 2, 1, None]

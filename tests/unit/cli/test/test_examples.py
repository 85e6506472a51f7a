"""A definition is tried on its examples: what counts nothing is an error, what could not be checked a warning."""

import sys
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest

from cli.test.examples import check_definition
from cli.test.findings import Findings
from cli.test.laws import problems
from cli.test.subject import Subject
from pipeline.definition import pipeline as flights
from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    day,
    days,
    distinct,
    field,
    hour,
    largest,
    last,
    maximum,
    minimum,
    ratio,
    total,
)

ORDER = {"country": "DE", "amount": 5, "tags": ["a"], "placed": "2024-01-01T10:00:00Z", "address": {"country": "DE"}}
OPEN = {"type": "object"}


def renamed(order: dict[str, Any]) -> dict[str, Any]:
    order["land"] = order.pop("country")
    return order


class Land(str, Enum):  # noqa: UP042 - its members' format() is their name
    """Members of an enum of texts."""

    GERMANY = "DE"


class Plain(StrEnum):
    """Members of an enum whose format() is their text."""

    GERMANY = "DE"


def with_member(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"country": Land(order["country"]), "plain": Plain.GERMANY}


def checked(
    *, examples: Any = (ORDER,), schema: Any = OPEN, transform: Any = None, routes: Any = (), **wanted: Any
) -> Findings:
    others = wanted.pop("collection", {})
    orders = Collection("orders", schema=schema, transform=transform, examples=examples, **others)
    wanted = {"by": [field("country")], "measures": {"n": count()}} | wanted
    aggregates = [Aggregate("a", of=orders, **wanted)]
    return check_definition(Pipeline([orders], aggregates, [Route("r", of=orders, when=one) for one in routes]))


def test_the_example_pipeline_passes_without_a_warning() -> None:
    found = check_definition(flights)
    assert (found.errors, found.warnings) == ([], [])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    {
        "a misspelt group behind a transform": (
            {"transform": renamed, "by": [field("lnd")]},
            "aggregate 'a': unknown field 'lnd' (did you mean 'land'?); 'orders' has address, amount, land",
        ),
        "a field that the transform renames": ({"transform": renamed}, "unknown field 'country'"),
        "a path": ({"by": [field("address.kountry")]}, "unknown field 'address.kountry'"),
        "a misspelt measure": ({"measures": {"m": total("amonut")}}, "unknown field 'amonut' (did you mean 'amount'?)"),
        "a misspelt by=": (
            {"measures": {"m": last("amount", by="plced")}},
            "unknown field 'plced' (did you mean 'placed'?)",
        ),
        "a sum of texts": (
            {"measures": {"m": total("country")}},
            "measure 'm', total('country') needs a number, but 'country' is a string in the examples",
        ),
        "a group by a list": (
            {"by": [field("tags")]},
            "field('tags') needs a string, number or boolean, but 'tags' is a list in the examples",
        ),
        "a member of an enum that would be ordered by its name": (
            {"transform": with_member, "measures": {"k": distinct("country"), "m": minimum("country")}},
            "aggregate 'a': measure 'm': 'country' is Land.GERMANY, a member of an enum, which would be ordered by",
        ),
        "distinct lists": ({"measures": {"m": distinct("tags")}}, "'tags' is a list in the examples"),
        "a time that is none": ({"by": [day("country")]}, "example 1 of 'orders' cannot be counted: "),
        "an example that the schema rejects": (
            {"schema": {"required": ["vat"]}},
            "example 1 of 'orders' is not a valid item: /: 'vat' is a required property",
        ),
        "an example that cannot be an item": ({"examples": [{"a": object()}]}, "example 1 of 'orders' is not a valid"),
        "a transform that fails": ({"transform": lambda item: item["vat"]}, "KeyError: 'vat', in <lambda>"),
        "a predicate that fails": (
            {"where": lambda order: order["vat"] > 1},
            "where= of aggregate 'a': fails on example 1 of 'orders': KeyError: 'vat', in <lambda>",
        ),
        "a predicate that is not called": (
            {"where": lambda order: order.get},
            "TypeError: its result is a builtin_function_or_method, which is always true: call it, await it",
        ),
        "a generator without any()": (
            {"where": lambda order: (tag == "b" for tag in order["tags"])},
            "its result is a generator, which is always true",
        ),
        "a predicate that exits": (
            {"where": lambda _: sys.exit(0)},
            "where= of aggregate 'a': fails on example 1 of 'orders': SystemExit: 0, in <lambda>",
        ),
        "a route that fails": ({"routes": [lambda order: order["vat"] > 1]}, "when= of route 'r': fails on example 1"),
        "a misspelt keep_from=": (
            {"collection": {"keep": days(1), "keep_from": "address.plced"}},
            "collection 'orders': keep_from= names 'address.plced', which no example has",
        ),
        "a misspelt id_from=": (
            {"collection": {"id_from": ("country", "nmber")}},
            "collection 'orders': id_from= names 'nmber', which no example has",
        ),
        "a predicate of a field that the schema forbids": (
            {
                "schema": {"properties": dict.fromkeys(ORDER, True), "additionalProperties": False},
                "where": lambda order: order.get("contry") != "DE",
            },
            "unknown field 'contry' (did you mean 'country'?)",
        ),
    }.values(),
)
def test_what_counts_nothing_is_an_error(wanted: dict[str, Any], expected: str) -> None:
    assert expected in "\n".join(checked(**wanted).errors)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    {
        "a transform without examples": (
            {"transform": renamed, "examples": (), "by": [field("lnd")]},
            "were not checked, since its transform may add or change them: 'lnd'",
        ),
        "an open schema without examples": (
            {"examples": ()},
            "were not checked, since its schema does not describe them: 'country'",
        ),
        "a field of elements without examples": (
            {
                "examples": (),
                "schema": {"properties": {"lines": {"items": {"properties": {"sku": {"type": "string"}}}}}},
                "each": "lines",
                "by": [field("sku")],
            },
            "field('sku') reads 'sku' of the item, which its schema does not describe; each element has 'lines.sku'",
        ),
        "predicates without examples": (
            {
                "examples": (),
                "schema": {"properties": {"country": {"type": "string"}}},
                "where": lambda order: (order.get("address") or {}).get("kountry") == "DE",
                "routes": [lambda order: order["country"] == "DE" or order["vat"]],
            },
            "were not checked, since its schema does not describe them: 'address.kountry', 'vat'.",
        ),
        "keep_from= without examples": (
            {"examples": (), "collection": {"keep": days(1), "keep_from": "plced"}},
            "collection 'orders': keep_from= names 'plced', which was not checked",
        ),
        "a predicate that is never true": (
            {"where": lambda order: order["amount"] > 100},
            "where= of aggregate 'a', <lambda> (test/test_examples.py:",
        ),
        "a route that is never taken": ({"routes": [lambda order: False]}, "true for no example of 'orders'"),
        "a predicate of a field that no example has": (
            {"where": lambda order: order.get("contry") != "DE"},
            "reads 'contry', which no example of 'orders' has",
        ),
        "a type that is not always usable": (
            {"schema": {"properties": {"amount": {"type": ["number", "string"]}}}, "measures": {"m": total("amount")}},
            "also allows a string: such an item is not counted there",
        ),
        "examples in no row": (
            {"schema": {"properties": {"vat": {"type": "number"}}}, "by": [field("vat")]},
            "aggregate 'a': no example of 'orders' is in any row",
        ),
    }.values(),
)
def test_what_was_not_checked_is_a_warning(wanted: dict[str, Any], expected: str) -> None:
    assert expected in "\n".join(checked(**wanted).warnings)


def test_the_stamp_is_there_without_an_example() -> None:
    found = checked(collection={"keep": days(1), "keep_from": "came", "received": "came"})
    assert (found.errors, found.warnings) == ([], [])


def test_the_examples_of_a_schema_count_as_well() -> None:
    assert checked(examples=(), schema={"examples": [ORDER]}, by=[field("contry")]).errors
    assert not checked(examples=(), schema={"examples": [ORDER]}).warnings


def test_an_example_with_a_member_of_an_enum_stands_for_an_item_with_its_text() -> None:
    assert not checked(examples=[with_member(ORDER)], measures={"m": minimum("country")}).errors
    things = Collection("things", schema=OPEN, key={"PK": "{c}"}, match={"land": Land.GERMANY}, examples=[{"c": "1"}])
    (item,) = Subject.of(Pipeline([things]), things).examples()
    assert type(item["land"]) is str


def test_a_member_of_an_enum_that_would_be_ordered_by_its_name_breaks_a_law() -> None:
    orders = Collection("orders", schema=OPEN, transform=with_member)
    ranked = {"a": maximum("country"), "b": largest("plain", 2, show=["country"]), "c": minimum("plain")}
    for name, measure in (ranked | {"d": distinct("country"), "e": last("plain", by_value="country")}).items():
        aggregate = Aggregate("a", of=orders, by=[field("country")], measures={"m": measure})
        found = list(problems(Subject.of(Pipeline([orders], [aggregate]), orders), ORDER))
        assert [one.law for one in found if one.is_error] == ["enum"] * (name in "abe")


def test_elements_that_cannot_be_counted_are_one_problem_wherever_they_are() -> None:
    orders = Collection("orders", schema=OPEN)
    aggregate = Aggregate("a", of=orders, each="lines", by=[field("lines.p"), day("at")], measures={"n": count()})
    subject = Subject.of(Pipeline([orders], [aggregate]), orders)
    found: list[dict[str, Any]] = [{"lines": [{"p": "a"}] * good + [{"p": []}], "at": "2024-06-01"} for good in (0, 2)]
    assert {one.where for item in found for one in problems(subject, item)} == {"aggregate 'a': /lines/*/p"}
    (outside,) = problems(subject, {"lines": [{"p": "a"}], "at": "soon"})
    assert outside.where == "aggregate 'a': /at"


def test_examples_are_not_changed_by_a_transform_and_may_have_floats() -> None:
    given = {"country": "DE", "price": 12.5, "in": {"a": [1]}}

    def spoils(order: dict[str, Any]) -> dict[str, Any]:
        order["in"]["a"].append(2)
        return order

    assert not checked(examples=[given], transform=spoils, measures={"m": total("price")}).errors
    assert given == {"country": "DE", "price": 12.5, "in": {"a": [1]}}


def nested(levels: int) -> Any:
    inner: Any = 1
    for _ in range(levels):
        inner = {"a": inner}
    return inner


CYCLE: dict[str, Any] = {"country": "DE"}
CYCLE["self"] = CYCLE
EXPIRING = {"keep": days(30), "keep_from": "placed"}
STORED: list[tuple[str, dict[str, Any], str]] = [
    ("it contains itself", {"examples": [CYCLE]}, "example 1 of 'orders' is nested too deeply, or contains itself"),
    ("it is very deep", {"examples": [ORDER | {"a": nested(3000)}]}, "is nested too deeply, or contains itself"),
    ("it is deeper than the table allows", {"examples": [ORDER | {"a": nested(33)}]}, "nested more than 32 levels"),
    ("a set is empty", {"examples": [ORDER | {"tags": set()}]}, "/tags: a set must be non-empty"),
    ("it has the key", {"examples": [ORDER | {"pk": "x"}]}, "/pk: 'pk' is an attribute of the table's key"),
    ("a number is too long", {"examples": [ORDER | {"amount": 10**40 + 1}]}, "/amount: "),
    ("its end is no time", {"examples": [ORDER | {"placed": "soon"}], "collection": EXPIRING}, "/placed: not a time"),
    ("its end is too late", {"examples": [ORDER | {"placed": "9999-12-31"}], "collection": EXPIRING}, "the year 9999"),
    ("a group is binary", {"examples": [ORDER | {"country": b"x"}]}, "'country' is binary in the examples"),
    (
        "a ratio divides texts",
        {"measures": {"n": count(), "least": minimum("country"), "share": ratio("least", "n")}},
        "'share', a ratio with 'least', needs a number, but 'country' is a string in the examples",
    ),
    (
        "a nested field is misspelt",
        {"by": [field("address.contry")]},
        "unknown field 'address.contry' (did you mean 'address.country'?); 'address' of 'orders' has country",
    ),
]


@pytest.mark.parametrize(("wanted", "expected"), [case[1:] for case in STORED], ids=[case[0] for case in STORED])
def test_an_example_that_no_entrance_would_take_or_no_row_could_count_is_an_error(
    wanted: dict[str, Any], expected: str
) -> None:
    assert expected in "\n".join(checked(**wanted).errors)


def test_numbers_in_a_smaller_unit_than_they_look_like_are_a_warning() -> None:
    by = [hour("at", unit="ms")]
    seconds = checked(by=by, examples=[ORDER | {"at": 1_700_000_000}])
    assert seconds.warnings == [
        "aggregate 'a': hour('at') has unit='ms', and the examples' numbers, such as 1700000000, look like seconds"
    ]
    others: dict[str, Any] = {
        "by": [hour("at", unit="ns")],
        "measures": {"m": last("amount", by="at", by_unit="us")},
        "collection": {"keep": days(1), "keep_from": "at", "keep_unit": "us"},
    }
    assert [text.partition(", ")[::2] for text in checked(examples=[ORDER | {"at": 10**12}], **others).warnings] == [
        (told, "and the examples' numbers, such as 1000000000000, look like milliseconds")
        for told in (
            "collection 'orders': keep_from='at' has keep_unit='us'",
            "aggregate 'a': hour('at') has unit='ns'",
            "aggregate 'a': measure 'm' has by_unit='us'",
        )
    ]
    for right in (1_700_000_000_000, Decimal("1700000000000.5"), "2024-01-01T00:00:00Z"):
        assert checked(by=by, examples=[ORDER | {"at": right}]).warnings == []
    in_seconds = checked(by=[hour("at")], examples=[ORDER | {"at": 1_700_000_000_000}])
    assert "in ms it would be a time" in "\n".join(in_seconds.errors)


KEYED: dict[str, Any] = {"key": {"PK": "C#{country}", "SK": "O#{order}"}, "match": {"paid": True}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"country": "D#E"}, "'country': each must be a non-empty text without '#', to be in the key 'PK'"),
        ({"country": ""}, "'country': each must be a non-empty text"),
        ({"order": 5}, "the key needs 'order', a text"),
        ({"order": "x" * 1100}, "the key 'SK' has 1102 bytes"),
        ({"paid": False}, "/paid: the item's id or collection gives this field another value"),
        ({"paid": 1}, "/paid: the item's id or collection gives this field another value"),
    ],
)
def test_an_example_that_no_row_can_be_is_an_error(fields: dict[str, Any], told: str) -> None:
    findings = checked(examples=[{"country": "DE", "order": "1"} | fields], collection=KEYED)
    assert len(findings.errors) == 1
    assert findings.errors[0].startswith(f"example 1 of 'orders' is not a valid item: {told}")


def test_examples_have_what_their_key_and_match_say() -> None:
    assert not checked(examples=[{"country": "DE", "order": "1"}], collection=KEYED).errors
    binary = {"key": {"PK": "{country}", "SK": "{device:binary}"}}
    assert not checked(examples=[{"country": "DE", "device": b"x"}], collection=binary).errors
    assert not checked(examples=[{"country": "DE", "device": "eA=="}], collection=binary).errors


def test_a_number_is_no_truth_value_of_match() -> None:
    orders = Collection("orders", schema=OPEN, **KEYED)
    subject = Subject.of(Pipeline([orders]), orders)
    item = {"country": "DE", "order": "1"}
    assert subject.accepts(item | {"paid": True})
    assert not subject.accepts(item | {"paid": 1})

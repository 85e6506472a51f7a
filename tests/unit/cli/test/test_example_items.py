"""An example must be an item that an entrance takes and the table can hold, with the fields of its key and match."""

from typing import Any

import pytest

from cli.definitions.subject import Subject
from tailrace import Collection, Pipeline, count, days, field, minimum, ratio
from tests.unit.cli.test.orders import OPEN, ORDER, Land, checked, with_member


def test_an_example_with_a_member_of_an_enum_stands_for_an_item_with_its_text() -> None:
    assert not checked(examples=[with_member(ORDER)], measures={"m": minimum("country")}).errors
    things = Collection("things", schema=OPEN, key={"PK": "{c}"}, match={"land": Land.GERMANY}, examples=[{"c": "1"}])
    (item,) = Subject.of(Pipeline([things]), things).examples()
    assert type(item["land"]) is str


def test_an_example_without_the_stamp_that_its_schema_requires_is_an_item_with_one() -> None:
    """`tailrace test` and `tailrace plan` generate items that are like the examples. Before, it was left out there."""
    came = {"type": "string", "format": "date-time"}
    schema = {"required": ["came"], "properties": {"came": came}}
    visits = Collection("visits", schema=schema, received="came", examples=[{"shop": "a"}])
    (item,) = Subject.of(Pipeline([visits]), visits).examples()
    assert item == {"shop": "a", "came": "1970-01-01T00:00:00.000Z"}


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

"""Entity tags and conditional requests (RFC 9110)."""

from decimal import Decimal
from typing import Any

import pytest

from tailrace.encoding.digests import entity_tag, item_digest
from tailrace.encoding.numbers import parse_number
from tailrace.errors import InvalidMessage, PreconditionFailed
from tailrace.http.preconditions import parse_preconditions


def holds(tag: str | None, if_match: str | None = None, if_none_match: str | None = None) -> bool:
    try:
        parse_preconditions(if_match, if_none_match).require(tag)
    except PreconditionFailed:
        return False
    return True


# RFC 9110, section 8.8.3.2: the table of comparisons
@pytest.mark.parametrize(
    ("one", "other", "strongly", "weakly"),
    [
        ('W/"1"', '"1"', False, True),
        ('W/"2"', '"1"', False, False),
        ('"2"', '"1"', False, False),
        ('"1"', '"1"', True, True),
    ],
)
def test_strong_and_weak_comparison(one: str, other: str, strongly: bool, weakly: bool) -> None:
    assert holds(other, if_match=one) is strongly
    assert holds(other, if_none_match=one) is not weakly


@pytest.mark.parametrize("text", ['"a", "b"', '"b","a"', ' "b" , , "a" ', '"x,y", "a"', ',"a"', '"a",', 'W/"b", "a"'])
def test_one_matching_tag_in_a_list_is_enough(text: str) -> None:
    assert holds('"a"', if_match=text)
    assert not holds('"a"', if_none_match=text)
    assert not holds('"c"', if_match=text)
    assert holds('"c"', if_none_match=text)
    assert not holds(None, if_match=text)
    assert holds(None, if_none_match=text)


def test_a_star_matches_any_existing_item() -> None:
    assert holds('"a"', if_match="*")
    assert not holds(None, if_match="*")
    assert holds(None, if_none_match=" * ")
    assert not holds('"a"', if_none_match="*")


def test_both_conditions_must_hold() -> None:
    assert not holds('"a"', if_match='"a"', if_none_match='"a"')
    assert holds('"a"', if_match='"a"', if_none_match='"b"')


@pytest.mark.parametrize("text", ["", "a", '"a', 'a"', '"a" "b"', '*, "a"', 'w/"a"', '"a""b"', '"\x00"', "," * 9])
def test_malformed_tag_lists_are_rejected(text: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_preconditions(text, None)
    with pytest.raises(InvalidMessage):
        parse_preconditions(None, text)


def test_a_long_malformed_list_is_rejected_quickly() -> None:
    with pytest.raises(InvalidMessage):
        parse_preconditions('"a",' * 100_000 + "x", None)


EQUAL: list[tuple[Any, Any]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": parse_number("1.50")}, {"a": parse_number("1.5")}),
    ({"a": parse_number("4.0")}, {"a": 4}),
    ({"a": parse_number("1E-7")}, {"a": parse_number("0.0000001")}),
    ({"a": parse_number("-0.0")}, {"a": 0}),
    ({"a": {1, Decimal("2.50")}}, {"a": {Decimal("2.5"), 1}}),
    ({"a": [{"b": {"x", "y"}}]}, {"a": [{"b": {"y", "x"}}]}),
]
DIFFERENT: list[tuple[Any, Any]] = [
    ({"a": 1}, {"a": "1"}),
    ({"a": 1}, {"a": True}),
    ({"a": None}, {}),
    ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": {"x"}}, {"a": ["x"]}),
    ({"a": b"x"}, {"a": "eA=="}),
    ({"a": int("9" * 38)}, {"a": int("9" * 37 + "8")}),
    ({"a": parse_number("0." + "1" * 38)}, {"a": parse_number("0." + "1" * 37 + "2")}),
    ({"a": {"~set": [1]}}, {"a": {1}}),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_items_equal_to_dynamodb_have_equal_digests(one: Any, other: Any) -> None:
    assert item_digest(one) == item_digest(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_items_have_different_digests(one: Any, other: Any) -> None:
    assert item_digest(one) != item_digest(other)


def test_the_digest_covers_the_expiry() -> None:
    assert (
        len({item_digest({"a": 1}), item_digest({"a": 1}, 1), item_digest({"a": 1}, 2), item_digest({"a": 1}, "1")})
        == 4
    )
    assert entity_tag("1f") == '"1f"'

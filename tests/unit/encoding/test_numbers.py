"""Numbers have one form each, and nothing else is read as one."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tailrace.encoding.numbers import normalise, parse_number
from tailrace.errors import InvalidMessage


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-007", -7),
        ("4.0", 4),
        ("1E+2", 100),
        ("12.50", Decimal("12.5")),
        (".5", Decimal("0.5")),
        ("9" * 38, int("9" * 38)),
        ("1E-130", Decimal("1E-130")),
    ],
)
def test_a_number_is_whole_or_decimal(text: str, value: object) -> None:
    assert parse_number(text) == value
    assert type(parse_number(text)) is type(value)


@pytest.mark.parametrize("text", ["9" * 5000, "1e999999999", "1" + "0" * 200])
def test_numbers_too_large_for_any_table_stay_small_in_memory(text: str) -> None:
    assert isinstance(parse_number(text), Decimal)


@pytest.mark.parametrize(
    "text", ["", "-", "1_000", "٣", " 1", "1 ", "0x1", "NaN", "Infinity", "1e99999999999999999999", "1.2.3"]
)
def test_nothing_else_is_a_number(text: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_number(text)


@pytest.mark.parametrize(
    "made",
    [datetime(2024, 1, 1, tzinfo=UTC), object(), "\ud800", 10**5000, float("nan"), {1: 2}, {"\ud800": 1}, 1j, iter("")],
    ids=["time", "object", "half", "long", "undefined", "number as name", "half a name", "complex", "iterator"],
)
def test_what_no_item_can_hold_is_told(made: object) -> None:
    for value in (made, [made], {"a": made}):
        with pytest.raises(InvalidMessage):
            normalise(value)


def test_floats_become_the_decimals_that_they_print_as() -> None:
    assert normalise({"a": [0.1, {2.0}], "b": "x"}) == {"a": [Decimal("0.1"), {2}], "b": "x"}

"""Numbers have one canonical type, and nothing else is parsed as a number."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum

import pytest

from tailrace.encoding.dynamodb import encode_value
from tailrace.encoding.numbers import is_representable, normalise, parse_number, significant_digits
from tailrace.encoding.tagged_json import canonical_json, dumps, loads
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
        *((zero, 0) for zero in ("-0", "0.0", "-0.00", "0e131", "-0E+99999", "0e-99999", "+.0e999")),
    ],
)
def test_a_number_is_parsed_as_int_or_decimal(text: str, value: object) -> None:
    assert parse_number(text) == value
    assert type(parse_number(text)) is type(value)


@pytest.mark.parametrize("text", ["9" * 4000, "1e999999999", "1" + "0" * 200])
def test_numbers_beyond_dynamodbs_range_stay_small_in_memory(text: str) -> None:
    assert isinstance(parse_number(text), Decimal)


@pytest.mark.parametrize(
    "text", ["", "-", "1_000", "٣", " 1", "1 ", "0x1", "NaN", "Infinity", "1e99999999999999999999", "1.2.3"]
)
def test_other_notations_are_rejected(text: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_number(text)


@pytest.mark.parametrize(
    "unsupported",
    [datetime(2024, 1, 1, tzinfo=UTC), object(), "\ud800", 10**5000, float("nan"), {1: 2}, {"\ud800": 1}, 1j, iter("")],
    ids=["time", "object", "surrogate", "long", "NaN", "number as name", "surrogate in name", "complex", "iterator"],
)
def test_values_that_no_item_can_contain_are_rejected(unsupported: object) -> None:
    for value in (unsupported, [unsupported], {"a": unsupported}):
        with pytest.raises(InvalidMessage):
            normalise(value)


@pytest.mark.parametrize("beside", ["", "x" * 3000])
def test_an_integer_of_more_than_8192_bits_is_rejected_in_any_item(beside: str) -> None:
    for integer in (2**8192 - 1, 1 - 2**8192):
        assert normalise({"a": integer, "b": beside}) == {"a": integer, "b": beside}
        with pytest.raises(InvalidMessage, match="more than 8192 bits"):
            normalise({"a": integer + (1 if integer > 0 else -1), "b": beside})


def test_a_number_that_could_not_be_read_back_is_rejected() -> None:
    """A transform may return it, and its archived event could not be replayed."""
    longest = Decimal("1" * 4298 + ".5")
    assert normalise({"a": longest}) == loads(dumps({"a": longest}))
    for longer in (Decimal("1" * 4299 + ".5"), Decimal("-" + "1" * 4298 + ".5"), Decimal("1." + "1" * 6000)):
        with pytest.raises(InvalidMessage, match="at most 4300"):
            normalise({"a": [longer]})


def test_texts_of_any_script_stay_as_they_are() -> None:
    item = {"größe": "ß", "b": None, "c": True, "d": 2**63}
    assert normalise(item) is item


def test_floats_become_the_decimals_that_repr_shows() -> None:
    assert normalise({"a": [0.1, {2.0}], "b": "x"}) == {"a": [Decimal("0.1"), {2}], "b": "x"}


class Level(int, Enum):
    """A number with a name, which is its text as well."""

    HIGH = 3


class Rank(IntEnum):
    """A number with a name, whose text is the number."""

    FIRST = 1


def test_members_of_an_enum_of_integers_become_plain_integers() -> None:
    found = normalise({"a": Level.HIGH, "b": [Rank.FIRST, {"c": Level.HIGH}], "d": {Level.HIGH}})
    assert repr(found) == repr({"a": 3, "b": [1, {"c": 3}], "d": {3}})


def test_a_set_of_numbers_with_equal_hashes_is_built_only_once() -> None:
    numbers = [(2**61 - 1) * number for number in range(1, 3000)]
    began = time.process_time()
    members = set(numbers)
    built = time.process_time()
    assert [len(one) for one in normalise([members, frozenset(members)])] == [len(numbers)] * 2
    assert canonical_json(members).startswith('{"~set":[')
    assert time.process_time() - built < built - began


class Rate(Decimal, Enum):
    """A fraction with a name, which is its text as well."""

    HALF = "0.5"


def test_members_of_an_enum_are_stored_as_the_numbers_that_they_are() -> None:
    assert encode_value([Level.HIGH, Rate.HALF, True]) == {"L": [{"N": "3"}, {"N": "0.5"}, {"BOOL": True}]}
    assert encode_value({Level.HIGH, Rate.HALF}) == {"NS": ["0.5", "3"]}


@pytest.mark.parametrize(
    "zero", [-0.0, 0.0, 0, Decimal(0), Decimal("-0.00"), Decimal("0E+131"), Decimal("-0E-999"), Decimal("0E+999999")]
)
def test_every_zero_is_0(zero: float | Decimal) -> None:
    found = normalise({"a": zero, "b": [zero, {"c": zero}], "d": {zero, Decimal("0E+200")}})
    assert repr(found) == repr({"a": 0, "b": [0, {"c": 0}], "d": {0}})


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 1), (1200, 2), (-12, 2), (Decimal("0.0012"), 2), (Decimal("1.05"), 3)]
)
def test_significant_digits_are_counted_as_dynamodb_counts_them(value: int | Decimal, expected: int) -> None:
    assert significant_digits(value) == expected


def test_the_range_of_dynamodbs_numbers() -> None:
    assert not is_representable(10**126)
    assert is_representable(10**125)
    assert is_representable(Decimal("1e-130"))


@pytest.mark.parametrize("text", ["9" * 4301, "0." + "1" * 4300, "1" * 4400 + "e-4400"])
def test_numbers_that_could_not_be_read_back_are_refused(text: str) -> None:
    with pytest.raises(InvalidMessage, match="the engine reads at most 4300"):
        parse_number(text)
    assert loads(dumps(parse_number("9" * 4300))) == int("9" * 4300)

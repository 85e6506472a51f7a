"""Values as texts that sort as the values do: the sort keys of value rows.

Booleans come first, then numbers, then texts. DynamoDB compares keys by their UTF-8, which orders texts as their code
points do.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tailrace.encoding.numbers import UNREPRESENTABLE, Number, is_representable
from tailrace.errors import InvalidItem, Violation

# DynamoDB's exponents run from -130 to 125; shifted, they are three digits of their own.
_EXPONENT_OFFSET = 500
_NINES_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_AFTER_DIGITS = "~"


def encode_sort_key(value: Any) -> str:
    """Return a text for a string, number or boolean; equal values have one, and texts compare as values do.

    Raises:
        TypeError: the value is of another type.
    """
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if isinstance(value, int | Decimal):
        return f"n{_encode_number(value)}"
    if isinstance(value, str):
        return f"s{value}"
    raise TypeError(f"a {type(value).__name__} has no order")


def _encode_number(value: Number) -> str:
    if not value:
        return "1"
    exact = Decimal(value)
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
    exponent = exact.adjusted() + _EXPONENT_OFFSET
    if value > 0:
        return f"2{exponent:03d}{digits}"
    # of negative numbers the longer one is the smaller one: what comes after the digits is above all of them
    return f"0{f'{exponent:03d}{digits}'.translate(_NINES_COMPLEMENT)}{_AFTER_DIGITS}"


def check_sort_value(value: Any, source: str) -> Any:
    """Return a value that :func:`encode_sort_key` takes and a row can hold.

    Raises:
        InvalidItem: it is of another type, or a number of more digits than DynamoDB holds.
    """
    if not isinstance(value, str | int | Decimal):
        text = f"a {type(value).__name__} has no order: only strings, numbers and booleans have"
        raise InvalidItem([Violation(f"/{source}", "measure", text)])
    if not isinstance(value, str) and not is_representable(value):
        raise InvalidItem([Violation(f"/{source}", "digits", UNREPRESENTABLE)])
    return value


def utc_text(moment: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds; the texts sort as time does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

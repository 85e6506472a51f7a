"""An order-preserving encoding of values as strings, for the sort keys of value rows.

Booleans sort first, then numbers, then strings. DynamoDB compares keys by their UTF-8 bytes, which order strings by
code point.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tailrace.encoding.numbers import UNREPRESENTABLE, Number, is_representable
from tailrace.errors import InvalidItem, Violation

# DynamoDB's exponents run from -130 to 125; the offset makes them three digits without a sign.
_EXPONENT_OFFSET = 500
_NINES_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_AFTER_DIGITS = "~"


def encode_sort_key(value: Any) -> str:
    """Encode a string, number or boolean; equal values get equal keys, and keys compare as the values do.

    Raises:
        TypeError: the value has another type.
    """
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if isinstance(value, int | Decimal):
        return f"n{_encode_number(value)}"
    if isinstance(value, str):
        return f"s{value}"
    raise TypeError(f"cannot order a value of type {type(value).__name__}")


def encode_sort_keys(values: Iterable[Any]) -> str:
    """Encode several values as one key, compared value by value; None sorts before every value.

    A value ends with two NUL characters, so that a shorter text sorts first and no text reads as two values.

    Raises:
        TypeError: as :func:`encode_sort_key`.
    """
    parts = ("a" if value is None else encode_sort_key(value) for value in values)
    return "".join([part.replace("\0", "\0\1") + "\0\0" for part in parts])


def _encode_number(value: Number) -> str:
    if not value:
        return "1"
    exact = Decimal(value)
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
    exponent = exact.adjusted() + _EXPONENT_OFFSET
    if value > 0:
        return f"2{exponent:03d}{digits}"
    # of two negative numbers with a common prefix, the longer is the smaller: the terminator sorts after all digits
    return f"0{f'{exponent:03d}{digits}'.translate(_NINES_COMPLEMENT)}{_AFTER_DIGITS}"


def check_sort_value(value: Any, pointer: str) -> Any:
    """Return a value if :func:`encode_sort_key` accepts it and DynamoDB can store it; ``pointer`` is that of its field.

    Raises:
        InvalidItem: it has another type, or is a number that DynamoDB cannot store.
    """
    if not isinstance(value, str | int | Decimal):
        text = f"cannot order a value of type {type(value).__name__}; expected a string, number or boolean"
        raise InvalidItem([Violation(pointer, "measure", text)])
    if not isinstance(value, str) and not is_representable(value):
        raise InvalidItem([Violation(pointer, "digits", UNREPRESENTABLE)])
    return value


def utc_text(moment: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds; the strings sort chronologically."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

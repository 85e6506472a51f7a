"""Numbers as the engine holds them: integral ones are ``int``, all others ``Decimal``, never ``float``.

DynamoDB knows one type of number, so ``4``, ``4.0`` and ``4E0`` are one value; one Python type for each value lets
``==``, ``repr`` and every validator agree on it.
"""

import re
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from tailrace.errors import InvalidMessage

type Number = int | Decimal

# Python's own readers also take "1_000", digits of other scripts and spaces.
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

EXACT = Context(prec=400, Emin=-999_999, Emax=999_999)
"""Wide enough for any sum or product of two numbers that DynamoDB can hold (38 digits, exponents -130 to 125)."""

MAX_DIGITS = 38
MIN_EXPONENT, MAX_EXPONENT = -130, 125
"""What a number of DynamoDB can be: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

UNREPRESENTABLE = f"a number that DynamoDB cannot hold: {MAX_DIGITS} digits, 1E-130 to 9.9E+125"

_MAX_BITS = 8192  # Python writes no number of more than 4,300 decimal digits

_SAFE_INTEGER = 10**MAX_DIGITS

# A larger power of ten would cost memory as an int; no table holds it, so it may stay a Decimal and be refused later.
_MAX_EXPANDED_EXPONENT = 130


@lru_cache(maxsize=16_384)  # the same few numbers come again and again
def parse_number(text: str) -> Number:
    """Read a decimal number of any notation.

    Raises:
        InvalidMessage: the text is not a finite number.
    """
    if not _DECIMAL.fullmatch(text):
        raise InvalidMessage(f"not a number: {text[:40]!r}")
    if len(text) <= _MAX_EXPANDED_EXPONENT and text.lstrip("-").isdecimal():
        return int(text)
    try:
        return canonical_number(Decimal(text))
    except InvalidOperation as error:
        raise InvalidMessage(f"not a number: {text[:40]!r}") from error


def canonical_number(value: Decimal) -> Number:
    """Return the one form of a number: ``int`` where it is integral, ``Decimal`` elsewhere.

    Raises:
        InvalidMessage: the value is infinite or not a number.
    """
    if not value.is_finite():
        raise InvalidMessage("infinite and undefined numbers are not allowed")
    if value.adjusted() <= _MAX_EXPANDED_EXPONENT and value == value.to_integral_value():
        return int(value)
    return value


def normalise(value: Any) -> Any:
    """Return what a transform has made as the engine holds it: a float as the decimal that it prints as.

    Raises:
        InvalidMessage: it holds what no item can: a number that is none or endless, half a character, an object.
    """
    if isinstance(value, str):
        return value if value.isascii() else _without_surrogates(value)
    if isinstance(value, bool | bytes | bytearray | None):
        return value
    if isinstance(value, float):
        return canonical_number(Decimal(repr(value)))
    if isinstance(value, int | Decimal):
        return _finite(value)
    if isinstance(value, dict):
        return (
            value if _is_normal_item(value) else {_field_name(name): normalise(inner) for name, inner in value.items()}
        )
    if isinstance(value, list | tuple):
        return [normalise(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return {normalise(inner) for inner in value}
    raise InvalidMessage(f"an item cannot hold a {type(value).__name__}")


def _is_normal_item(value: dict[Any, Any]) -> bool:
    """Tell of most items, in a tenth of the time, that there is nothing to look at closely."""
    try:
        if not "".join(value).isascii():
            return False
    except TypeError:  # a name that is no text
        return False
    for inner in value.values():
        kind = type(inner)
        if kind is str:
            if not inner.isascii():
                return False
        elif kind is int:
            if not -_SAFE_INTEGER < inner < _SAFE_INTEGER:
                return False
        elif inner is not None and kind is not bool:
            return False
    return True


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage("a text holds half a character (an unpaired surrogate)") from None
    return text


def _field_name(name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidMessage(f"a field's name is a text, not a {type(name).__name__}")
    return name if name.isascii() else _without_surrogates(name)


def _finite(value: Number) -> Number:
    if isinstance(value, Decimal):
        return canonical_number(value)
    if value.bit_length() > _MAX_BITS:
        raise InvalidMessage("a number of thousands of digits")
    return value


def significant_digits(value: Number) -> int:
    """Return how many significant digits a number has (trailing zeros do not count, as in DynamoDB)."""
    if isinstance(value, Decimal):
        return len("".join(map(str, value.as_tuple().digits)).strip("0")) or 1
    return len(str(abs(value)).strip("0")) or 1


def is_representable(value: Number) -> bool:
    """Tell whether DynamoDB can hold a number, to the last digit."""
    if isinstance(value, int) and -_SAFE_INTEGER < value < _SAFE_INTEGER:
        return True
    if significant_digits(value) > MAX_DIGITS:
        return False
    return not value or MIN_EXPONENT <= Decimal(value).adjusted() <= MAX_EXPONENT

"""The engine's numbers: integral ones are ``int``, all others ``Decimal``, never ``float``.

DynamoDB has a single number type, in which ``4``, ``4.0`` and ``4E0`` are the same value. One Python type for each
value makes ``==``, ``repr`` and every validator agree.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from operator import is_
from types import NoneType
from typing import Any

import msgspec

from tailrace.errors import InvalidMessage

type Number = int | Decimal

# int() and Decimal() also accept "1_000", digits of other scripts and surrounding spaces.
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

EXACT = Context(prec=400, Emin=-999_999, Emax=999_999)
"""Exact for any sum or product of two numbers that DynamoDB can store (38 digits, exponents -130 to 125)."""

MAX_DIGITS = 38
MIN_EXPONENT, MAX_EXPONENT = -130, 125
"""Limits of numbers: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

UNREPRESENTABLE = f"a number that DynamoDB cannot store (at most {MAX_DIGITS} digits, magnitude 1E-130 to 9.9E+125)"

UNPAIRED_SURROGATE = "an unpaired surrogate (U+D800 to U+DFFF)"

_NORMAL = frozenset([str, int, bool, NoneType])
_NAMES = frozenset([str])
_ENCODER = msgspec.json.Encoder()
_INT_ONLY = frozenset([int])
_MAX_BITS = 8192  # Python converts no integer of more than 4,300 decimal digits to text
_SAFE_DIGITS = 2466
"""Every integer with this many digits has at most ``_MAX_BITS`` bits."""
MAX_CHARACTERS = 4300
"""The longest number: Python converts no longer text to an integer, and an archived event has to be readable."""

_SAFE_INTEGER = 10**MAX_DIGITS

# As an int, a larger power of ten would cost memory. DynamoDB cannot store it; left as a Decimal, it is rejected later.
_MAX_EXPANDED_EXPONENT = 130


@lru_cache(maxsize=16_384)  # the same few numbers recur
def parse_number(text: str) -> Number:
    """Parse a decimal number in any notation.

    Raises:
        InvalidMessage: the text is not a finite number, or has more digits than Python reads back from JSON.
    """
    _check_length(text)
    if not _DECIMAL.fullmatch(text):
        raise InvalidMessage(f"not a number: {text[:40]!r}")
    if len(text) <= _MAX_EXPANDED_EXPONENT and text.lstrip("-").isdecimal():
        return int(text)
    try:
        return canonical_number(Decimal(text))
    except InvalidOperation as error:
        raise InvalidMessage(f"not a number: {text[:40]!r}") from error


def canonical_number(value: Decimal) -> Number:
    """Return a number in its canonical type: ``int`` if it is integral, else ``Decimal``.

    Raises:
        InvalidMessage: the value is infinite or NaN.
    """
    if not value.is_finite():
        raise InvalidMessage("NaN and infinity are not allowed")
    if not value:  # 0E+200 is zero too
        return 0
    if value.adjusted() <= _MAX_EXPANDED_EXPONENT and value == value.to_integral_value():
        return int(value)
    return value


def normalise(value: Any) -> Any:
    """Return a transform's result in the engine's types; a float becomes the decimal that ``repr`` shows.

    Raises:
        InvalidMessage: the value cannot be part of an item: NaN, infinity, an unpaired surrogate, an object.
    """
    if isinstance(value, dict):  # first, because it is what nearly all transforms return
        return (
            value if _is_normal_item(value) else {_field_name(name): normalise(inner) for name, inner in value.items()}
        )
    if isinstance(value, str):
        return value if value.isascii() else _without_surrogates(value)
    if isinstance(value, bool | bytes | bytearray | None):
        return value
    if isinstance(value, float):
        return canonical_number(Decimal(repr(value)))
    if isinstance(value, int | Decimal):
        return _finite(value)
    if isinstance(value, list | tuple):
        return [normalise(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return converted_set(value, normalise)
    raise InvalidMessage(f"an item cannot contain a value of type {type(value).__name__}")


def converted_set(members: set[Any] | frozenset[Any], convert: Callable[[Any], Any]) -> set[Any]:
    """Return a set of converted members.

    A set of numbers with equal hashes takes seconds to build and next to nothing to copy, so it is copied if it can be.
    """
    converted = [convert(one) for one in members]
    return set(members) if all(map(is_, converted, members)) else set(converted)


def _is_normal_item(value: dict[Any, Any]) -> bool:
    """Tell whether an item needs no conversion; recognizes most items, in a tenth of the time of a full pass."""
    if not (_NORMAL.issuperset(map(type, value.values())) and _NAMES.issuperset(map(type, value))):
        return False
    try:
        text = _ENCODER.encode(value)
    except ValueError:  # an unpaired surrogate, or an integer of more digits than Python writes
        return False
    if len(text) <= _SAFE_DIGITS:  # room for no integer that is too long
        return True
    return all(type(inner) is not int or -_SAFE_INTEGER < inner < _SAFE_INTEGER for inner in value.values())


def exact_sums(parts: Sequence[tuple[Number, ...]]) -> tuple[Number, ...]:
    """Return the exact sums of tuples of numbers, position by position."""
    sums = tuple(map(sum, zip(*parts, strict=True)))
    if _INT_ONLY.issuperset(map(type, sums)):
        return sums
    with localcontext(EXACT):  # integers are exact without it
        return tuple(map(sum, zip(*parts, strict=True)))


def is_encodable(text: str) -> bool:
    """Tell whether a string can be encoded as UTF-8, that is, contains no unpaired surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_surrogates(text: str) -> str:
    if not is_encodable(text):
        raise InvalidMessage(f"a string contains {UNPAIRED_SURROGATE}")
    return text


def _field_name(name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidMessage(f"field names must be strings, not {type(name).__name__}")
    return name if name.isascii() else _without_surrogates(name)


def _finite(value: Number) -> Number:
    if isinstance(value, Decimal):
        _check_length(number_text(value))
        return canonical_number(value)
    if value.bit_length() > _MAX_BITS:
        raise InvalidMessage(f"an integer of more than {_MAX_BITS} bits")
    return int(value)  # a member of an enum of integers may have another text, which is not a number to DynamoDB


def _check_length(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InvalidMessage(f"a number of {len(text)} characters; the engine reads at most {MAX_CHARACTERS}")


def number_text(value: Number) -> str:
    """Return a number as text for DynamoDB, even for a member of an enum, whose own text may be its name."""
    return Decimal.__str__(value) if isinstance(value, Decimal) else int.__repr__(value)


def significant_digits(value: Number) -> int:
    """Return the number of significant digits, without trailing zeros, as DynamoDB counts them."""
    if isinstance(value, Decimal):
        return len("".join(map(str, value.as_tuple().digits)).strip("0")) or 1
    return len(str(abs(value)).strip("0")) or 1


def is_representable(value: Number) -> bool:
    """Tell whether DynamoDB can store a number exactly."""
    if isinstance(value, int) and -_SAFE_INTEGER < value < _SAFE_INTEGER:
        return True
    if significant_digits(value) > MAX_DIGITS:
        return False
    return not value or MIN_EXPONENT <= Decimal(value).adjusted() <= MAX_EXPONENT

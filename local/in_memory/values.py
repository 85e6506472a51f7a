"""Attribute values: 38-digit numbers, arithmetic, and comparison.

Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html and
…/Constraints.html: 38 digits, magnitudes from 1E-130 to 9.99…E+125; strings are compared by their UTF-8 bytes.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from local.in_memory import errors

type Value = Mapping[str, Any]
type Row = dict[str, Value]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 38
_MIN_EXPONENT, _MAX_EXPONENT = -130, 125
_WIDE_CONTEXT = Context(prec=400, Emin=-999_999, Emax=999_999)


@lru_cache(maxsize=65_536)
def number(text: str) -> Decimal:
    """Parse a number; reject one that DynamoDB cannot store."""
    if not _NUMBER.fullmatch(text):
        raise _not_a_number(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _not_a_number(text) from None
    return _check_range(value)


def _not_a_number(text: str) -> Exception:
    return errors.invalid(f"The parameter cannot be converted to a numeric value: {text}")


def _check_range(value: Decimal) -> Decimal:
    value = value.normalize(_WIDE_CONTEXT)
    if len(value.as_tuple().digits) > _MAX_DIGITS:
        raise errors.invalid("Attempting to store more than 38 significant digits in a Number")
    if value and value.adjusted() > _MAX_EXPONENT:
        raise errors.invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if value and value.adjusted() < _MIN_EXPONENT:
        raise errors.invalid("Number underflow. Attempting to store a number with magnitude smaller than supported")
    return value


@lru_cache(maxsize=65_536)
def _number_value(value: Decimal) -> Value:
    # rows share one object for each number; values are never changed in place
    return {"N": format(value, "f") if value else "0"}


def add_numbers(left: Value, right: Value, sign: int = 1) -> Value:
    """Add two numbers, or subtract with a sign of -1, exactly: a result with too many digits is rejected."""
    if "N" not in left or "N" not in right:
        raise errors.invalid("An operand in the update expression has an incorrect data type")
    return _sum(left["N"], right["N"], sign)


@lru_cache(maxsize=65_536)
def _sum(left: str, right: str, sign: int) -> Value:
    first, second = number(left), number(right)
    return _number_value(
        _check_range(_WIDE_CONTEXT.add(first, second) if sign > 0 else _WIDE_CONTEXT.subtract(first, second))
    )


@lru_cache(maxsize=65_536)
def _canonical_number(text: str) -> Value:
    return _number_value(number(text))


def canonical(value: Value) -> Value:
    """Return a value in the form in which it is stored: numbers normalized, sets sorted."""
    if len(value) != 1:
        raise errors.invalid("Supplied AttributeValue must contain exactly one of the supported datatypes")
    ((tag, inner),) = value.items()
    match tag:
        case "NULL" if inner is not True:
            raise errors.invalid("Null attribute value types must have the value of true")
        case "S" | "B" | "BOOL" | "NULL":
            return value
        case "N":
            return _canonical_number(inner)
        case "M":
            return {"M": {name: canonical(part) for name, part in inner.items()}}
        case "L":
            return {"L": [canonical(part) for part in inner]}
        case "NS":
            return {"NS": [_number_value(part)["N"] for part in _members([number(member) for member in inner])]}
        case "SS" | "BS":
            return {tag: _members(inner)}
    raise errors.invalid(f"Supplied AttributeValue has an unknown type: {tag}")


def _members(given: Sequence[Any]) -> list[Any]:
    """Return a set's members in order; reject an empty set, and members that are equal."""
    found = sorted(set(given))
    if not found or len(found) < len(given):
        raise errors.invalid("An attribute value may not contain an empty set, or a member twice")
    return found


def equal(left: Value, right: Value) -> bool:
    """Return whether two stored values are equal."""
    return left == right


def less_than(left: Value, right: Value) -> bool | None:
    """Return whether a value is less than another; None if their types differ or have no order."""
    ((tag, first),) = left.items()
    if tag not in right:
        return None
    second = right[tag]
    if tag == "S":
        return bool(first.encode() < second.encode())
    if tag == "N":
        return number(first) < number(second)
    return bool(first < second) if tag == "B" else None

"""Keywords that compare numbers, exact and in bounded time, as custom keywords of ``jsonschema-rs``.

That compares a number with a fraction or beyond 64 bits with one option after the other, up to 20 µs each: an ``enum``
of 150 numbers took five minutes for an item with 100,000 decimals. And it compares some of them in double precision.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from operator import ge, gt, le, lt
from typing import Any

import msgspec

from tailrace.definition.json_schema.growth import count_values
from tailrace.definition.json_schema.unique_items import unique_key

_PREFIX = "exact "  # no schema of a user can have such a keyword
_REWRITTEN = re.compile(rf'"{_PREFIX}(\w+)":("(?:[^"\\]|\\.)*")')

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_EXACT = Context(prec=400, Emin=-999_999, Emax=999_999)
"""Exact for the remainder of two numbers that DynamoDB can store; others are refused for being no such number."""

_MAX_EXACT = 2**53
"""Integers up to here are doubles, too."""

_MAX_OPTIONS = 3
"""How many options a message lists; beyond that, two."""

_PLAIN = (str, bool, type(None))


def with_exact_keywords(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in which keywords that compare numbers have names of their own, and their value as JSON text.

    As a custom keyword's value, a decimal would lose its digits.
    """
    return dict(_renamed(keyword, value) for keyword, value in schema.items())


def original_keyword(keyword: str) -> str:
    """Return the keyword of a schema that was renamed."""
    return keyword.removeprefix(_PREFIX)


def with_original_keywords(message: str) -> str:
    """Return a message that quotes a renamed keyword as the schema has it."""
    return _REWRITTEN.sub(lambda found: f'"{found[1]}":{json.loads(found[2])}', message)


def _renamed(keyword: str, value: Any) -> tuple[str, Any]:
    if keyword in _COMPARES and _COMPARES[keyword](value):
        try:
            return _PREFIX + keyword, _shown(value)
        except ValueError:  # an unpaired surrogate, or an integer of more digits than are written
            pass
    return keyword, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _number(value: Any) -> int | Decimal | None:
    """Return a number of an item; None for other values. A float, as a test may have it, is what ``repr`` shows."""
    if isinstance(value, float):
        return Decimal(repr(value))
    return value if _is_number(value) else None


def _is_inexact_bound(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, Decimal) or abs(value) > _MAX_EXACT)


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_json(inner) for name, inner in value.items())
    return isinstance(value, _PLAIN) or _is_number(value)


_COMPARES: Mapping[str, Callable[[Any], bool]] = {
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "const": _is_number,
    "enum": lambda value: (
        isinstance(value, list) and not all(isinstance(option, _PLAIN) for option in value) and _is_json(value)
    ),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_inexact_bound),
}
"""The values of each keyword for which it is renamed; a value that is malformed is left to be refused."""


def _shown(value: Any) -> str:
    return _ENCODER.encode(value).decode()


def _read(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


class _Violated(ValueError):
    """A value that violates a keyword. Only a report quotes the value: alternatives refuse most, and it may be long."""

    def __str__(self) -> str:
        value, reason = self.args
        return f"{_shown(value)} {reason}"


class _MultipleOf:
    def __init__(self, _schema: Any, value: str, _path: Sequence[Any]) -> None:
        self._step, self._reason = Decimal(value), f"is not a multiple of {value}"
        self._whole_step = int(self._step) if value.isdecimal() else None

    def validate(self, instance: Any) -> None:
        if type(instance) is int and self._whole_step is not None:
            is_multiple = not instance % self._whole_step
        else:
            number = _number(instance)
            try:
                is_multiple = number is None or not _EXACT.remainder(Decimal(number), self._step)
            except InvalidOperation:
                return
        if not is_multiple:
            raise _Violated(instance, self._reason)


class _Const:
    """``const`` with a number; alternatives may compare each value of an item with dozens of them."""

    def __init__(self, _schema: Any, value: str, _path: Sequence[Any]) -> None:
        self._value, self._message = _read(value), f"{value} was expected"

    def validate(self, instance: Any) -> None:
        kind = type(instance)
        number = instance if kind is int or kind is Decimal else _number(instance)
        if number is None or number != self._value:
            raise ValueError(self._message)


class _Enum:
    def __init__(self, _schema: Any, value: str, _path: Sequence[Any]) -> None:
        options = _read(value)
        self._keys = frozenset(map(unique_key, options))
        self._most_values = max(map(count_values, options))
        self._reason = f"is not one of {_listed(options)}"

    def validate(self, instance: Any) -> None:
        kind = type(instance)
        if (kind is str or kind is int) and instance in self._keys:  # their own key, mostly
            return
        if kind is str or _is_larger(instance, self._most_values) or unique_key(instance) not in self._keys:
            raise _Violated(instance, self._reason)


def _is_larger(value: Any, values: int) -> bool:
    """Tell whether a value consists of more than some values, in a time that depends on these only."""
    level = [value] if isinstance(value, list | dict) else []
    total = 1
    while level:
        total += sum(map(len, level))
        if total > values:
            return True
        parts = (part for one in level for part in (one.values() if isinstance(one, dict) else one))
        level = [part for part in parts if isinstance(part, list | dict)]
    return False


def _listed(options: Sequence[Any]) -> str:
    if len(options) > _MAX_OPTIONS:
        shown = ", ".join(map(_shown, options[: _MAX_OPTIONS - 1]))
        return f"{shown} or {len(options) - _MAX_OPTIONS + 1} other candidates"
    *first, last = map(_shown, options)
    return f"{', '.join(first)} or {last}" if first else last


class _Bound:
    def __init__(self, _schema: Any, value: str, path: Sequence[Any]) -> None:
        self._holds, violated = _BOUNDS[original_keyword(str(path[-1]))]
        self._bound, self._reason = Decimal(value), f"is {violated} of {value}"

    def validate(self, instance: Any) -> None:
        number = _number(instance)
        if number is not None and not self._holds(number, self._bound):
            raise _Violated(instance, self._reason)


_BOUNDS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (ge, "less than the minimum"),
    "maximum": (le, "greater than the maximum"),
    "exclusiveMinimum": (gt, "less than or equal to the minimum"),
    "exclusiveMaximum": (lt, "greater than or equal to the maximum"),
}

EXACT_KEYWORDS: Mapping[str, type] = {
    f"{_PREFIX}multipleOf": _MultipleOf,
    f"{_PREFIX}const": _Const,
    f"{_PREFIX}enum": _Enum,
    **{f"{_PREFIX}{keyword}": _Bound for keyword in _BOUNDS},
}
"""The custom keywords, by the names that :func:`with_exact_keywords` gives them."""

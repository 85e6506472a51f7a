"""Filter criteria: which records and messages a mapping hands to its function.

invocation-eventfiltering: a mapping has up to ten patterns, and what satisfies any of them passes. A pattern is a JSON
object of the shape of the event; a field that it names must be there, all fields that it names must fit, and the values
of a field are alternatives. The operators are those of EventBridge
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from local.mapping.errors import MappingError

MOST_PATTERNS = 10

LONGEST_PATTERN = 4096
"""Characters of one pattern (https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html)."""

_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class Number(str):
    """A number as it is written in JSON: 300, 300.0 and 3.0e2 are three (invocation-eventfiltering)."""

    __slots__ = ()


type Test = Callable[[object], bool]
"""Whether a value fits; the value is `MISSING` where the event has none."""


class _Missing:
    pass


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Filter:
    """The patterns of a mapping; none lets everything pass."""

    patterns: tuple[Mapping[str, object], ...] = ()

    @classmethod
    def parse(cls, criteria: object) -> Self:
        """Read a FilterCriteria property. Raises MappingError where Lambda would refuse it."""
        filters = criteria.get("Filters") if isinstance(criteria, Mapping) else criteria
        if not isinstance(filters, list | None):
            raise MappingError("FilterCriteria must be an object with a list of Filters")
        if len(filters or ()) > MOST_PATTERNS:
            raise MappingError(f"FilterCriteria may hold {MOST_PATTERNS} Filters at most, not {len(filters or ())}")
        return cls(tuple(_pattern(entry) for entry in filters or ()))

    def passes(self, event: str | bytes) -> bool:
        """Whether a stream's record, as JSON, satisfies one of the patterns."""
        if not self.patterns:
            return True
        record = _loads(event)
        return any(_fits(pattern, record) for pattern in self.patterns)

    def passes_message(self, event: str | bytes) -> bool:
        """Whether a queue's message, as JSON, satisfies one of the patterns.

        with-sqs-filtering: a pattern that asks for fields in the body fits only a body that is JSON, and one that asks
        for a plain string only a body that is not.
        """
        if not self.patterns:
            return True
        message = _loads(event)
        body = _json_of(message.get("body"))
        return any(_fits_message(pattern, message, body) for pattern in self.patterns)


EVERYTHING = Filter()

# --- patterns -------------------------------------------------------------------------------------------------------


def _pattern(entry: object) -> Mapping[str, object]:
    text = entry.get("Pattern") if isinstance(entry, Mapping) else None
    if isinstance(text, str) and len(text) > LONGEST_PATTERN:
        raise MappingError(f"a filter's pattern may have {LONGEST_PATTERN} characters at most, not {len(text)}")
    try:
        pattern = _loads(text) if isinstance(text, str) else None
    except ValueError as error:
        raise MappingError(f"a filter's pattern is not JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise MappingError(f"a filter needs a Pattern that is a JSON object, not {text!r}")
    return _compiled(pattern)


def _compiled(pattern: Mapping[str, Any]) -> Mapping[str, object]:
    """A pattern with tests in place of its lists of values."""
    compiled: dict[str, object] = {}
    for name, rule in pattern.items():
        if name == "$or":
            if not isinstance(rule, list) or len(rule) < 2 or not all(isinstance(part, dict) for part in rule):  # noqa: PLR2004
                raise MappingError("$or in a filter's pattern needs a list of at least two objects")
            compiled[name] = [_compiled(part) for part in rule]
        elif isinstance(rule, dict):
            compiled[name] = _compiled(rule)
        elif isinstance(rule, list) and rule:
            compiled[name] = [_test(value) for value in rule]
        else:
            raise MappingError(f"{name} in a filter's pattern needs a list of values or an object, not {rule!r}")
    return compiled


def _test(rule: object) -> Test:
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise MappingError("a list within a list of values in a filter's pattern")
        return lambda value: _same(value, rule)
    if len(rule) != 1:
        raise MappingError(f"an operator in a filter's pattern is an object of one field, not {rule!r}")
    ((operator, operand),) = rule.items()
    maker = _OPERATORS.get(operator)
    if maker is None:
        raise MappingError(f"a filter's pattern has no operator {operator!r}: {', '.join(_OPERATORS)}")
    return maker(operand)


def _exists(operand: object) -> Test:
    if not isinstance(operand, bool):
        raise MappingError("exists needs true or false")
    return lambda value: (value is not MISSING) is operand


def _prefix(operand: object) -> Test:
    text, folded = _text(operand, "prefix")
    if folded:
        return lambda value: _is_text(value) and str(value).casefold().startswith(text)
    return lambda value: _is_text(value) and str(value).startswith(text)


def _suffix(operand: object) -> Test:
    text, folded = _text(operand, "suffix")
    if folded:
        return lambda value: _is_text(value) and str(value).casefold().endswith(text)
    return lambda value: _is_text(value) and str(value).endswith(text)


def _ignoring_case(operand: object) -> Test:
    if not _is_text(operand):
        raise MappingError("equals-ignore-case needs a string")
    text = str(operand).casefold()
    return lambda value: _is_text(value) and str(value).casefold() == text


def _anything_but(operand: object) -> Test:
    values = operand if isinstance(operand, list) else [operand]
    if not values or any(isinstance(value, dict | list | bool) or value is None for value in values):
        raise MappingError("anything-but needs strings or numbers")
    return lambda value: value is not MISSING and not any(_same(value, other) for other in values)


def _numeric(operand: object) -> Test:
    parts = operand if isinstance(operand, list) else []
    operators, bounds = parts[::2], parts[1::2]
    if (
        not bounds
        or len(operators) != len(bounds)
        or any(operator not in _COMPARISONS for operator in operators)
        or not all(isinstance(bound, Number) for bound in bounds)
    ):
        raise MappingError(f"numeric needs operators and numbers in turn, not {operand!r}")
    tests = [(_COMPARISONS[operator], Decimal(bound)) for operator, bound in zip(operators, bounds, strict=True)]
    # A number that is text is none: so the operator never fits DynamoDB's numbers (with-ddb-filtering).
    return lambda value: isinstance(value, Number) and all(test(Decimal(value), bound) for test, bound in tests)


_OPERATORS: dict[str, Callable[[object], Test]] = {
    "exists": _exists,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignoring_case,
    "anything-but": _anything_but,
    "numeric": _numeric,
}


def _text(operand: object, operator: str) -> tuple[str, bool]:
    """The text that a prefix or suffix asks for, and whether it is asked for in any case."""
    folded = isinstance(operand, dict) and operand.keys() == {"equals-ignore-case"}
    text = operand["equals-ignore-case"] if folded and isinstance(operand, dict) else operand
    if not _is_text(text):
        raise MappingError(f"{operator} needs a string")
    return (str(text).casefold(), True) if folded else (str(text), False)


# --- events ---------------------------------------------------------------------------------------------------------


def _fits_message(pattern: Mapping[str, object], message: Mapping[str, object], body: object) -> bool:
    wanted = pattern.get("body")
    if isinstance(wanted, dict):
        return isinstance(body, dict | list) and _fits(pattern, {**message, "body": body})
    if wanted is not None and isinstance(body, dict | list):
        return False
    return _fits(pattern, message)


def _fits(pattern: Mapping[str, object], event: object) -> bool:
    """Whether an object satisfies a pattern. Of a list in its place, any element may."""
    if isinstance(event, list):
        return any(_fits(pattern, element) for element in event)
    fields = event if isinstance(event, dict) else {}
    for name, rule in pattern.items():
        if name == "$or":
            fits = any(_fits(part, event) for part in rule)  # type: ignore[attr-defined]
        elif isinstance(rule, dict):
            fits = _fits(rule, fields.get(name))
        else:
            fits = any(test(value) for value in _leaves(fields.get(name, MISSING)) for test in rule)  # type: ignore[attr-defined]
        if not fits:
            return False
    return True


def _leaves(value: object) -> list[object]:
    """The values of a field: those of a list, or itself. An object or an empty list is no value."""
    if isinstance(value, list):
        return [leaf for element in value if not isinstance(element, dict) for leaf in _leaves(element)] or [MISSING]
    return [MISSING] if isinstance(value, dict) else [value]


def _same(value: object, other: object) -> bool:
    # 1, "1" and true are three, though Python would say otherwise.
    return type(value) is type(other) and value == other


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _loads(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def _json_of(body: object) -> object:
    try:
        return _loads(body) if isinstance(body, str) else body
    except ValueError:
        return None

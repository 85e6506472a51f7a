"""The operators of filter patterns: conditions on a single value.

They are the operators that EventBridge supports for both pipes and buses
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html); invocation-eventfiltering
lists no others. Where the documentation is silent, EventBridge's matching library decides
(https://github.com/aws/event-ruler).
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from local.mapping.errors import MappingError

MAX_NUMBER = 5_000_000_000
"""Numbers from -MAX_NUMBER to MAX_NUMBER are compared by value
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html)."""

_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}

_RANGES = (*((one,) for one in _COMPARISONS), (">", "<"), (">", "<="), (">=", "<"), (">=", "<="))


class Number(str):
    """A number as written in JSON."""

    __slots__ = ()


type Predicate = Callable[[object], bool]
"""Whether a value matches; the value is `MISSING` if the event has none."""

MISSING: object = object()


def value_predicate(rule: object) -> Predicate:
    """The predicate for one entry of a field's list. Raises MappingError."""
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise MappingError("a list of values in a filter pattern must not contain a list")
        return lambda value: _equal(value, rule)
    if len(rule) != 1:
        raise MappingError(f"an operator in a filter pattern must be an object with one field, not {rule!r}")
    ((operator, operand),) = rule.items()
    factory = _OPERATORS.get(operator)
    if factory is None:
        raise MappingError(f"unknown operator {operator!r} in a filter pattern: use one of {', '.join(_OPERATORS)}")
    return factory(operand)


def _exists(operand: object) -> Predicate:
    if not isinstance(operand, bool):
        raise MappingError("exists must be true or false")
    return lambda value: (value is not MISSING) is operand


def _prefix(operand: object) -> Predicate:
    text, ignore_case = _text(operand, "prefix")
    if ignore_case:
        return lambda value: _is_string(value) and str(value).casefold().startswith(text)
    return lambda value: _is_string(value) and str(value).startswith(text)


def _suffix(operand: object) -> Predicate:
    text, ignore_case = _text(operand, "suffix")
    if ignore_case:
        return lambda value: _is_string(value) and str(value).casefold().endswith(text)
    return lambda value: _is_string(value) and str(value).endswith(text)


def _equals_ignore_case(operand: object) -> Predicate:
    if not _is_string(operand):
        raise MappingError("equals-ignore-case must be a string")
    text = str(operand).casefold()
    return lambda value: _is_string(value) and str(value).casefold() == text


def _anything_but(operand: object) -> Predicate:
    values = operand if isinstance(operand, list) else [operand]
    if {type(value) for value in values} not in ({str}, {Number}):
        raise MappingError(f"anything-but must hold only strings or only numbers, not {operand!r}")
    return lambda value: value is not MISSING and not any(_equal(value, other) for other in values)


def _numeric(operand: object) -> Predicate:
    parts = operand if isinstance(operand, list) else []
    operators, bounds = parts[::2], [bound for part in parts[1::2] if (bound := _comparable(part)) is not None]
    if tuple(operators) not in _RANGES or len(parts) != 2 * len(bounds) or bounds != sorted(set(bounds)):
        raise MappingError(f"numeric must give one or both bounds of a range, the lower first, not {operand!r}")
    predicates = [(_COMPARISONS[operator], bound) for operator, bound in zip(operators, bounds, strict=True)]

    def fits(value: object) -> bool:
        number = _comparable(value)
        return number is not None and all(predicate(number, bound) for predicate, bound in predicates)

    return fits


_OPERATORS: dict[str, Callable[[object], Predicate]] = {
    "exists": _exists,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "anything-but": _anything_but,
    "numeric": _numeric,
}


def _text(operand: object, operator: str) -> tuple[str, bool]:
    """The text of a prefix or suffix, and whether to ignore case."""
    ignore_case = isinstance(operand, dict) and operand.keys() == {"equals-ignore-case"}
    text = operand["equals-ignore-case"] if ignore_case and isinstance(operand, dict) else operand
    if not _is_string(text):
        raise MappingError(f"{operator} must be a string")
    return (str(text).casefold(), True) if ignore_case else (str(text), False)


def _equal(value: object, other: object) -> bool:
    # 1, "1" and true are different values, although 1 == True in Python.
    number, wanted = _comparable(value), _comparable(other)
    if number is not None and wanted is not None:
        return number == wanted
    return type(value) is type(other) and value == other


def _comparable(value: object) -> Decimal | None:
    """The value of a number. None if it is too large, or a string, as in DynamoDB's JSON (with-ddb-filtering)."""
    if not isinstance(value, Number):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:  # JSON sets no limit to an exponent
        return None
    return number if -MAX_NUMBER <= number <= MAX_NUMBER else None  # abs() raises at a large exponent


def _is_string(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)

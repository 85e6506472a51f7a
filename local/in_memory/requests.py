"""What DynamoDB checks of a request's expressions and placeholders before it reads a row."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from local.in_memory import errors
from local.in_memory.expressions import Notes, Scope
from local.in_memory.parser import parse_condition
from local.in_memory.values import Row, Value, canonical, less_than

type Json = Mapping[str, Any]

_NAMES, _VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
_PLACEHOLDER = re.compile(r"[#:]\w+")
_KEY_OPERATORS = {"=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"}


def scope_of(row: Row | None, request: Json) -> Scope:
    """Return the scope of a request's expressions; reject placeholders that are empty."""
    for name in (_NAMES, _VALUES):
        if name in request and not request[name]:
            raise errors.invalid(f"{name} must not be empty")
    values = {name: canonical(value) for name, value in request.get(_VALUES, {}).items()}
    return Scope(row or {}, request.get(_NAMES, {}), values)


def check_placeholders(scope: Scope, expressions: Iterable[str | None]) -> None:
    """Reject names and values that no expression uses, and those that are used and not given."""
    if not scope.names and not scope.values and not any(expressions := [*filter(None, expressions)]):
        return
    used = _placeholders(tuple(filter(None, expressions)))
    given = scope.names.keys() | scope.values.keys()
    if used != given:
        unused, missing = sorted(given - used), sorted(used - given)
        what = f"unused in expressions: {unused}" if unused else f"used in expressions but not defined: {missing}"
        raise errors.invalid(f"Expression attribute names or values {what}")


@lru_cache(maxsize=4096)
def _placeholders(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(token for text in texts for token in _PLACEHOLDER.findall(text))


def check_values(notes: Notes, values: Mapping[Any, Value]) -> None:
    """Reject values whose type an operator does not take, and the bounds of an empty range."""
    for token, types in notes.types:
        (tag,) = values[token]
        if tag not in types:
            if types == "N" and tag in ("SS", "NS", "BS"):
                raise errors.Unsupported("a set that is added")
            raise errors.invalid(f"Incorrect operand type for operator or function; operand type: {tag}")
    for lower, upper in notes.bounds:
        first, second = values[lower], values[upper]
        if first.keys() != second.keys() or less_than(second, first):
            raise errors.invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")


def check_condition(text: str | None, scope: Scope) -> None:
    """Reject a condition that is invalid whatever the row."""
    if text is not None:
        check_values(parse_condition(text).notes, scope.values)


def check_key_condition(text: str, scope: Scope, key_names: Sequence[str]) -> None:
    """Reject a key condition that is not one value of the partition key, and at most one range of sort keys."""
    uses = [(operator, scope.name(token), values) for operator, token, values in parse_condition(text).notes.uses]
    names = [name for _, name, _ in uses]
    if any(operator not in _KEY_OPERATORS for operator, _, _ in uses) or len(set(names)) < len(names):
        raise errors.invalid("Query key condition not supported")
    if ("=", key_names[0]) not in [(operator, name) for operator, name, _ in uses]:
        raise errors.invalid(f"Query condition missed key schema element: {key_names[0]}")
    if not set(names) <= set(key_names):
        raise errors.invalid("Query condition names an attribute that is not part of the key")
    operands = [scope.values[token] for _, _, values in uses for token in values]
    if any(not value.get("S") for value in operands):
        raise errors.invalid("One or more parameter values were invalid: Condition parameter type does not match")


def check_filter(text: str | None, scope: Scope, key_names: Sequence[str]) -> None:
    """Reject the filter of a Query that names a key attribute."""
    uses = [] if text is None else parse_condition(text).notes.uses
    for _, token, _ in uses:
        if token and scope.name(token) in key_names:
            raise errors.invalid("Filter Expression can only contain non-primary key attributes")

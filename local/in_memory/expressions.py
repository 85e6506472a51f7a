"""What update and condition expressions mean, on top-level attributes.

Grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html and
…/Expressions.OperatorsAndFunctions.html. Every operand reads the row as it was before the update.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from local.in_memory import errors
from local.in_memory.values import Row, Value, add_numbers, equal, less_than


class Scope(Struct, frozen=True):
    """The context of an expression: the row before the update, and the values of its placeholders."""

    row: Row
    names: Mapping[str, str]
    values: Mapping[Any, Value]

    def name(self, token: str) -> str:
        """Return the attribute name that a token refers to."""
        if not token.startswith("#"):
            return token
        try:
            return self.names[token]
        except KeyError:
            raise errors.invalid(f"An expression attribute name used in expression is not defined: {token}") from None


type Operand = Callable[[Scope], Value | None]
type Condition = Callable[[Scope], bool]
type Action = tuple[str, Operand]


class Notes(Struct):
    """What an expression says before it is applied to a row.

    Attributes:
        types: the types that a value may have, by its placeholder, for each operator that it is an operand of.
        bounds: the placeholders of each BETWEEN with two values, the lower first.
        uses: each operator with the attribute that it is applied to, and its other operands.
    """

    types: list[tuple[str | int, str]] = field(default_factory=list)
    bounds: list[tuple[str, str]] = field(default_factory=list)
    uses: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)


class ParsedCondition(Struct):
    """A condition with its notes."""

    holds: Condition
    notes: Notes


class Update(Struct, dict=True):
    """The actions of an update, by attribute token: values to set, numbers to add, attributes to remove."""

    notes: Notes = field(default_factory=Notes)
    sets: list[Action] = field(default_factory=list)
    adds: list[Action] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)

    def apply(self, scope: Scope) -> Row:
        """Return the row after the update."""
        row, names = dict(scope.row), scope.names
        for token, operand in self.sets:
            value = operand(scope)
            if value is None:
                raise _missing()
            row[names[token] if token in names else scope.name(token)] = value
        for token, operand in self.adds:
            name = names[token] if token in names else scope.name(token)
            row[name] = add_numbers(scope.row.get(name, {"N": "0"}), operand(scope) or {})
        for token in self.removes:
            row.pop(scope.name(token), None)
        return row

    def written_attributes(self, scope: Scope) -> list[str]:
        """Return the attributes that the update writes, one for each action."""
        names = scope.names
        return [names[token] if token in names else scope.name(token) for token in self._tokens]

    @cached_property
    def _tokens(self) -> tuple[str, ...]:
        return (*dict(self.sets), *dict(self.adds), *self.removes)

    def actions(self) -> int:
        """Return the number of actions."""
        return len(self.sets) + len(self.adds) + len(self.removes)


def parameter(key: Any) -> Operand:
    """Return an operand that reads a parameter of the request."""

    def read(scope: Scope) -> Value:
        try:
            return scope.values[key]
        except (KeyError, IndexError):
            raise errors.invalid(f"An expression attribute value used in expression is not defined: {key}") from None

    return read


def attribute(token: str) -> Operand:
    """Return an operand that reads an attribute; its value is None if the row lacks it."""
    return lambda scope: scope.row.get(scope.name(token))


def addition(left: Operand, sign: int, right: Operand) -> Operand:
    """Return an operand that adds or subtracts two others."""

    def read(scope: Scope) -> Value:
        first, second = left(scope), right(scope)
        if first is None or second is None:
            raise _missing()
        return add_numbers(first, second, sign)

    return read


def if_not_exists(path: Operand, otherwise: Operand) -> Operand:
    """Return an operand that reads an attribute, or another operand, which must exist in any case."""

    def read(scope: Scope) -> Value:
        found, other = path(scope), otherwise(scope)
        if other is None:
            raise _missing()
        return other if found is None else found

    return read


def _missing() -> Exception:
    return errors.invalid("The provided expression refers to an attribute that does not exist in the item")


def comparison(left: Operand, sign: str, right: Operand) -> Condition:
    """Return a comparison. If an attribute is missing or of another type, only ``<>`` holds."""

    def is_equal(scope: Scope) -> bool:
        first, second = left(scope), right(scope)
        if first is None or second is None:
            return sign == "<>"
        return equal(first, second) == (sign == "=")

    smaller, larger = (left, right) if sign in ("<", ">=") else (right, left)
    strict = sign in ("<", ">")

    def is_ordered(scope: Scope) -> bool:
        first, second = smaller(scope), larger(scope)
        # None, for two that have no order, is neither
        return first is not None and second is not None and less_than(first, second) is strict

    return is_equal if sign in ("=", "<>") else is_ordered


def begins_with(path: Operand, prefix: Operand) -> Condition:
    """Return whether one operand begins with another; not if one is missing or they differ in type."""

    def begins(scope: Scope) -> bool:
        value, start = path(scope), prefix(scope)
        if value is None or start is None:
            return False
        return any(tag in value and tag in start and value[tag].startswith(start[tag]) for tag in ("S", "B"))

    return begins

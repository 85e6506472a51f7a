"""Update and condition expressions on top-level attributes, parsed once and cached.

Grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html and
…/Expressions.OperatorsAndFunctions.html. Every operand reads the row as it was before the update.
"""

import re
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
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


class Update(Struct, dict=True):
    """The actions of an update, by attribute token: values to set, numbers to add, attributes to remove."""

    sets: list[Action] = field(default_factory=list)
    adds: list[Action] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)

    def apply(self, scope: Scope) -> Row:
        """Return the row after the update."""
        row, names = dict(scope.row), scope.names
        for token, operand in self.sets:
            value = operand(scope)
            if value is None:
                raise errors.invalid("The provided expression refers to an attribute that does not exist in the item")
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
            raise errors.invalid("The provided expression refers to an attribute that does not exist in the item")
        return add_numbers(first, second, sign)

    return read


def comparison(left: Operand, sign: str, right: Operand) -> Condition:
    """Return a comparison. If an attribute is missing or of another type, only ``<>`` holds."""

    def is_equal(scope: Scope) -> bool:
        first, second = left(scope), right(scope)
        if first is None or second is None:
            return sign == "<>" and first is not second
        return equal(first, second) == (sign == "=")

    smaller, larger = (left, right) if sign in ("<", ">=") else (right, left)
    strict = sign in ("<", ">")

    def is_ordered(scope: Scope) -> bool:
        first, second = smaller(scope), larger(scope)
        # None, for two that have no order, is neither
        return first is not None and second is not None and less_than(first, second) is strict

    return is_equal if sign in ("=", "<>") else is_ordered


_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>()+,-]|[#:]?\w+)")
_PLACEHOLDER = re.compile(r"[#:]\w+")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


class Tokens:
    """The tokens of an expression, consumed one by one."""

    def __init__(self, text: str, pattern: re.Pattern[str] = _TOKEN) -> None:
        self.all: list[str] = []
        position = 0
        while text[position:].strip():
            match = pattern.match(text, position)
            if match is None:
                raise errors.Unsupported(f"cannot read {text[position:]!r}")
            self.all.append(match[1])
            position = match.end()
        self._next = 0

    @property
    def peek(self) -> str:
        """The next token, or "" at the end."""
        return self.all[self._next] if self._next < len(self.all) else ""

    def expect(self, *expected: str) -> str:
        """Consume the next token, which must be one of `expected` (in any case) if any are given."""
        token = self.peek
        if not token or (expected and token.upper() not in expected):
            raise errors.invalid(f'Syntax error; token: "{token or "<EOF>"}"')
        self._next += 1
        return token

    def accept(self, *expected: str) -> bool:
        """Consume the next token if it is one of `expected`."""
        if self.peek.upper() not in expected:
            return False
        self._next += 1
        return True


@lru_cache(maxsize=4096)
def parse_update(text: str) -> Update:
    """Parse an update expression with SET, ADD and REMOVE clauses."""
    tokens = Tokens(text)
    update = Update()
    while tokens.peek:
        clause = tokens.expect("SET", "ADD", "REMOVE").upper()
        while True:
            token = tokens.expect()
            if clause == "SET":
                tokens.expect("=")
                update.sets.append((token, _sum(tokens)))
            elif clause == "ADD":
                update.adds.append((token, _operand(tokens)))
            else:
                update.removes.append(token)
            if not tokens.accept(","):
                break
    return update


def _sum(tokens: Tokens) -> Operand:
    left = _operand(tokens)
    if tokens.peek not in ("+", "-"):
        return left
    sign = 1 if tokens.expect() == "+" else -1
    return addition(left, sign, _operand(tokens))


def _operand(tokens: Tokens) -> Operand:
    if tokens.accept("IF_NOT_EXISTS"):
        tokens.expect("(")
        path = attribute(tokens.expect())
        tokens.expect(",")
        otherwise = _operand(tokens)
        tokens.expect(")")
        return lambda scope: found if (found := path(scope)) is not None else otherwise(scope)
    token = tokens.expect()
    return parameter(token) if token.startswith(":") else attribute(token)


@lru_cache(maxsize=4096)
def placeholders(text: str) -> frozenset[str]:
    """Return the names and values that an expression uses."""
    return frozenset(_PLACEHOLDER.findall(text))


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Condition:
    """Parse a condition: comparisons, BETWEEN and functions, combined with AND, OR, NOT and parentheses."""
    tokens = Tokens(text)
    condition = _disjunction(tokens)
    if tokens.peek:
        raise errors.invalid(f'Syntax error; token: "{tokens.peek}"')
    return condition


def _disjunction(tokens: Tokens) -> Condition:
    parts = [_conjunction(tokens)]
    while tokens.accept("OR"):
        parts.append(_conjunction(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)


def _conjunction(tokens: Tokens) -> Condition:
    parts = [_negation(tokens)]
    while tokens.accept("AND"):
        parts.append(_negation(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)


def _negation(tokens: Tokens) -> Condition:
    if tokens.accept("NOT"):
        inner = _negation(tokens)
        return lambda scope: not inner(scope)
    if tokens.accept("("):
        inner = _disjunction(tokens)
        tokens.expect(")")
        return inner
    if tokens.peek in ("attribute_exists", "attribute_not_exists"):
        wanted = tokens.expect() == "attribute_exists"
        tokens.expect("(")
        path = attribute(tokens.expect())
        tokens.expect(")")
        return lambda scope: (path(scope) is not None) == wanted
    if tokens.accept("BEGINS_WITH"):
        tokens.expect("(")
        path = attribute(tokens.expect())
        tokens.expect(",")
        prefix = _operand(tokens)
        tokens.expect(")")
        return lambda scope: _begins_with(path(scope), prefix(scope))
    left = _operand(tokens)
    if tokens.accept("BETWEEN"):
        low = comparison(left, ">=", _operand(tokens))
        tokens.expect("AND")
        high = comparison(left, "<=", _operand(tokens))
        return lambda scope: low(scope) and high(scope)
    sign = tokens.expect(*COMPARISONS)
    return comparison(left, sign, _operand(tokens))


def _begins_with(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    return "S" in value and "S" in prefix and value["S"].startswith(prefix["S"])

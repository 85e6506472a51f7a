"""Update and condition expressions on top-level attributes, parsed once and then applied as often as wanted.

Grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html and
…/Expressions.OperatorsAndFunctions.html. Every operand sees the row as it was before the update.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from local.in_memory import errors
from local.in_memory.values import Row, Value, less, plus, same


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression sees: the row before the update, and what its placeholders stand for."""

    row: Row
    names: Mapping[str, str]
    values: Mapping[Any, Value]

    def name(self, token: str) -> str:
        """Return the attribute that a token stands for."""
        if not token.startswith("#"):
            return token
        try:
            return self.names[token]
        except KeyError:
            raise errors.invalid(f"An expression attribute name used in expression is not defined: {token}") from None


type Operand = Callable[[Scope], Value | None]
type Condition = Callable[[Scope], bool]
type Action = tuple[str, Operand]


@dataclass(slots=True)
class Update:
    """What an update does, by attribute token: values to set, numbers to add, attributes to remove."""

    sets: list[Action] = field(default_factory=list)
    adds: list[Action] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)

    def apply(self, scope: Scope) -> Row:
        """Return the row after the update."""
        row = dict(scope.row)
        for token, operand in self.sets:
            value = operand(scope)
            if value is None:
                raise errors.invalid("The provided expression refers to an attribute that does not exist in the item")
            row[scope.name(token)] = value
        for token, operand in self.adds:
            name = scope.name(token)
            row[name] = plus(scope.row.get(name, {"N": "0"}), operand(scope) or {})
        for token in self.removes:
            row.pop(scope.name(token), None)
        return row

    def touched(self, scope: Scope) -> list[str]:
        """Return the attributes that the update names, one for each action."""
        return [scope.name(token) for token in (*dict(self.sets), *dict(self.adds), *self.removes)]

    def actions(self) -> int:
        """Return how many actions there are."""
        return len(self.sets) + len(self.adds) + len(self.removes)


def value_of(key: Any) -> Operand:
    """Return an operand that is a parameter of the request."""

    def read(scope: Scope) -> Value:
        try:
            return scope.values[key]
        except (KeyError, IndexError):
            raise errors.invalid(f"An expression attribute value used in expression is not defined: {key}") from None

    return read


def attribute(token: str) -> Operand:
    """Return an operand that is an attribute of the row; None where the row has none."""
    return lambda scope: scope.row.get(scope.name(token))


def summed(left: Operand, sign: int, right: Operand) -> Operand:
    """Return an operand that is the sum or difference of two."""

    def read(scope: Scope) -> Value:
        first, second = left(scope), right(scope)
        if first is None or second is None:
            raise errors.invalid("The provided expression refers to an attribute that does not exist in the item")
        return plus(first, second, sign)

    return read


def compared(left: Operand, sign: str, right: Operand) -> Condition:
    """Return a comparison; with an attribute that is missing, or of another type, only ``<>`` holds."""

    def holds(scope: Scope) -> bool:
        first, second = left(scope), right(scope)
        if first is None or second is None:
            return sign == "<>" and first is not second
        if sign in ("=", "<>"):
            return same(first, second) == (sign == "=")
        below, above = less(first, second), less(second, first)
        if below is None or above is None:
            return False
        return {"<": below, ">": above, "<=": not above, ">=": not below}[sign]

    return holds


_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>()+,-]|[#:]?\w+)")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


class Tokens:
    """The tokens of an expression, taken one by one."""

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
    def head(self) -> str:
        """The next token, "" at the end."""
        return self.all[self._next] if self._next < len(self.all) else ""

    def take(self, *expected: str) -> str:
        """Take the next token, which has to be one of these, in upper or lower case, if any are given."""
        token = self.head
        if not token or (expected and token.upper() not in expected):
            raise errors.invalid(f'Syntax error; token: "{token or "<EOF>"}"')
        self._next += 1
        return token

    def took(self, *expected: str) -> bool:
        """Take the next token if it is one of these."""
        if self.head.upper() not in expected:
            return False
        self._next += 1
        return True


@lru_cache(maxsize=4096)
def parse_update(text: str) -> Update:
    """Read an update expression with SET, ADD and REMOVE clauses."""
    tokens = Tokens(text)
    update = Update()
    while tokens.head:
        clause = tokens.take("SET", "ADD", "REMOVE").upper()
        while True:
            token = tokens.take()
            if clause == "SET":
                tokens.take("=")
                update.sets.append((token, _sum(tokens)))
            elif clause == "ADD":
                update.adds.append((token, _operand(tokens)))
            else:
                update.removes.append(token)
            if not tokens.took(","):
                break
    return update


def _sum(tokens: Tokens) -> Operand:
    left = _operand(tokens)
    if tokens.head not in ("+", "-"):
        return left
    sign = 1 if tokens.take() == "+" else -1
    return summed(left, sign, _operand(tokens))


def _operand(tokens: Tokens) -> Operand:
    if tokens.took("IF_NOT_EXISTS"):
        tokens.take("(")
        path = attribute(tokens.take())
        tokens.take(",")
        otherwise = _operand(tokens)
        tokens.take(")")
        return lambda scope: found if (found := path(scope)) is not None else otherwise(scope)
    token = tokens.take()
    return value_of(token) if token.startswith(":") else attribute(token)


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Condition:
    """Read a condition: comparisons, BETWEEN and functions of attributes, joined by AND, OR, NOT and brackets."""
    tokens = Tokens(text)
    condition = _either(tokens)
    if tokens.head:
        raise errors.invalid(f'Syntax error; token: "{tokens.head}"')
    return condition


def _either(tokens: Tokens) -> Condition:
    parts = [_both(tokens)]
    while tokens.took("OR"):
        parts.append(_both(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)


def _both(tokens: Tokens) -> Condition:
    parts = [_negated(tokens)]
    while tokens.took("AND"):
        parts.append(_negated(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)


def _negated(tokens: Tokens) -> Condition:
    if tokens.took("NOT"):
        inner = _negated(tokens)
        return lambda scope: not inner(scope)
    if tokens.took("("):
        inner = _either(tokens)
        tokens.take(")")
        return inner
    if tokens.head in ("attribute_exists", "attribute_not_exists"):
        wanted = tokens.take() == "attribute_exists"
        tokens.take("(")
        path = attribute(tokens.take())
        tokens.take(")")
        return lambda scope: (path(scope) is not None) == wanted
    if tokens.took("BEGINS_WITH"):
        tokens.take("(")
        path = attribute(tokens.take())
        tokens.take(",")
        prefix = _operand(tokens)
        tokens.take(")")
        return lambda scope: _begins(path(scope), prefix(scope))
    left = _operand(tokens)
    if tokens.took("BETWEEN"):
        low = compared(left, ">=", _operand(tokens))
        tokens.take("AND")
        high = compared(left, "<=", _operand(tokens))
        return lambda scope: low(scope) and high(scope)
    sign = tokens.take(*COMPARISONS)
    return compared(left, sign, _operand(tokens))


def _begins(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    return "S" in value and "S" in prefix and value["S"].startswith(prefix["S"])

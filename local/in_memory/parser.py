"""The grammar of update and condition expressions, on top-level attributes."""

import re
from collections.abc import Callable
from functools import lru_cache

from local.in_memory import errors
from local.in_memory.expressions import (
    Condition,
    Notes,
    Operand,
    ParsedCondition,
    Update,
    addition,
    attribute,
    begins_with,
    comparison,
    if_not_exists,
    parameter,
)
from local.in_memory.names import checked_name

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>()+,-]|[#:]?\w+)")
_CLAUSES = ("SET", "ADD", "REMOVE", "DELETE")
_OTHER_FUNCTIONS = ("attribute_type", "contains", "size", "list_append")
_FUNCTIONS = ("attribute_exists", "attribute_not_exists", "begins_with", "if_not_exists", *_OTHER_FUNCTIONS)
ORDERED = "SNB"
"""The types of values that have an order."""

_MAX_BYTES = 4096
"""Of an expression."""

SAME_OPERANDS = "The first operand must be distinct from the remaining operands for this operator or function"


class Tokens:
    """The tokens of an expression, consumed one by one, and notes on what was read."""

    def __init__(self, text: str, pattern: re.Pattern[str] = _TOKEN, max_bytes: int = _MAX_BYTES) -> None:
        if (size := len(text.encode())) > max_bytes:
            text = "Expression size has exceeded the maximum allowed size"
            raise errors.invalid(f"{text}; expression size: {size}")
        self.all: list[str] = []
        self.notes = Notes()
        position = 0
        while text[position:].strip():
            match = pattern.match(text, position)
            if match is None:
                raise errors.Unsupported(f"cannot read {text[position:]!r}")
            self.all.append(match[1])
            position = match.end()
        if not self.all:
            raise errors.invalid("The expression can not be empty")
        self._next = 0
        self._ends: dict[int, int] = {}  # of the parentheses, by where they begin

    @property
    def peek(self) -> str:
        """The next token, or "" at the end."""
        return self.all[self._next] if self._next < len(self.all) else ""

    @property
    def function(self) -> str:
        """The function that is called next, or ""."""
        return self.peek if self.all[self._next + 1 : self._next + 2] == ["("] and self.peek != "(" else ""

    def expect(self, *expected: str) -> str:
        """Consume the next token, which must be one of `expected` (in any case) if any are given."""
        token = self.peek
        if not token or (expected and token.upper() not in expected):
            raise syntax_error(token)
        self._next += 1
        return token

    def group(self, parse: Callable[["Tokens"], Condition]) -> Condition:
        """Parse what is in parentheses, which must not be in parentheses as a whole."""
        begin = self._next
        self.expect("(")
        inner = parse(self)
        self._ends[begin] = self._next
        self.expect(")")
        if self._ends.get(begin + 1) == self._ends[begin] - 1:
            raise errors.invalid("The expression has redundant parentheses")
        return inner

    def accept(self, *expected: str) -> bool:
        """Consume the next token if it is one of `expected`."""
        if self.peek.upper() not in expected:
            return False
        self._next += 1
        return True


def syntax_error(token: str) -> Exception:
    """Return the error of a token that nothing allows where it is."""
    return errors.invalid(f'Syntax error; token: "{token or "<EOF>"}"')


@lru_cache(maxsize=4096)
def parse_update(text: str) -> Update:
    """Parse an update expression with SET, ADD and REMOVE clauses."""
    tokens = Tokens(text)
    update = Update(notes=tokens.notes)
    seen: set[str] = set()
    while tokens.peek:
        clause = tokens.expect(*_CLAUSES).upper()
        if clause == "DELETE":
            raise errors.Unsupported("a DELETE clause")
        if clause in seen:
            raise errors.invalid(f'The "{clause}" section can only be used once in an update expression')
        seen.add(clause)
        while True:
            token = checked_name(tokens.expect())
            if clause == "SET":
                tokens.expect("=")
                update.sets.append((token, _sum(tokens)))
            elif clause == "ADD":
                update.adds.append((token, _added(tokens)))
            else:
                update.removes.append(token)
            if not tokens.accept(","):
                break
    return update


def _added(tokens: Tokens) -> Operand:
    token = tokens.expect()
    if not token.startswith(":"):
        raise syntax_error(token)
    tokens.notes.types.append((token, "N"))
    return parameter(token)


def _sum(tokens: Tokens) -> Operand:
    first = tokens.peek
    left = _value(tokens)
    if tokens.peek not in ("+", "-"):
        return left
    sign = 1 if tokens.expect() == "+" else -1
    tokens.notes.types += [(token, "N") for token in (first, tokens.peek) if token.startswith(":")]
    return addition(left, sign, _value(tokens))


def _value(tokens: Tokens) -> Operand:
    """Parse an operand of an update."""
    if tokens.peek == "(":
        raise errors.Unsupported("parentheses in an update")
    if tokens.function != "if_not_exists":
        return _operand(tokens)
    tokens.expect()
    tokens.expect("(")
    token = checked_name(tokens.expect())
    tokens.expect(",")
    if tokens.peek == token:
        raise errors.invalid(SAME_OPERANDS)
    otherwise = _value(tokens)
    tokens.expect(")")
    return if_not_exists(attribute(token), otherwise)


def _operand(tokens: Tokens) -> Operand:
    if tokens.function in _OTHER_FUNCTIONS:
        raise errors.Unsupported(f"the function {tokens.function}")
    if tokens.function:
        known = "not allowed here" if tokens.function in _FUNCTIONS else "invalid"
        raise errors.invalid(f"Invalid function name; function: {tokens.function} is {known}")
    token = tokens.expect()
    return parameter(token) if token.startswith(":") else attribute(checked_name(token))


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> ParsedCondition:
    """Parse a condition: comparisons, BETWEEN and functions, combined with AND, OR, NOT and parentheses."""
    tokens = Tokens(text)
    condition = _disjunction(tokens)
    if tokens.peek:
        raise syntax_error(tokens.peek)
    return ParsedCondition(condition, tokens.notes)


def _disjunction(tokens: Tokens) -> Condition:
    parts = [_conjunction(tokens)]
    while tokens.accept("OR"):
        tokens.notes.uses.append(("OR", "", ()))
        parts.append(_conjunction(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: any(part(scope) for part in parts)


def _conjunction(tokens: Tokens) -> Condition:
    parts = [_negation(tokens)]
    while tokens.accept("AND"):
        parts.append(_negation(tokens))
    return parts[0] if len(parts) == 1 else lambda scope: all(part(scope) for part in parts)


def _negation(tokens: Tokens) -> Condition:
    if tokens.accept("NOT"):
        tokens.notes.uses.append(("NOT", "", ()))
        inner = _negation(tokens)
        return lambda scope: not inner(scope)
    if tokens.peek == "(":
        return tokens.group(_disjunction)
    if tokens.function in ("attribute_exists", "attribute_not_exists"):
        wanted = tokens.expect() == "attribute_exists"
        tokens.expect("(")
        token = checked_name(tokens.expect())
        tokens.expect(")")
        path = attribute(token)
        tokens.notes.uses.append(("attribute_exists", token, ()))
        return lambda scope: (path(scope) is not None) == wanted
    return _begins_with(tokens) if tokens.function == "begins_with" else _comparison(tokens)


def _begins_with(tokens: Tokens) -> Condition:
    tokens.expect()
    tokens.expect("(")
    first, path = tokens.peek, _operand(tokens)
    tokens.expect(",")
    second, prefix = tokens.peek, _operand(tokens)
    tokens.expect(")")
    _note(tokens, "begins_with", (first, second), "SB")
    return begins_with(path, prefix)


def _comparison(tokens: Tokens) -> Condition:
    first, left = tokens.peek, _operand(tokens)
    if tokens.peek.upper() == "IN":
        raise errors.Unsupported("IN")
    if tokens.accept("BETWEEN"):
        lower, low = tokens.peek, _operand(tokens)
        tokens.expect("AND")
        upper, high = tokens.peek, _operand(tokens)
        _note(tokens, "BETWEEN", (first, lower, upper), ORDERED)
        if lower.startswith(":") and upper.startswith(":"):
            tokens.notes.bounds.append((lower, upper))
        above, below = comparison(left, ">=", low), comparison(left, "<=", high)
        return lambda scope: above(scope) and below(scope)
    sign = tokens.expect(*COMPARISONS)
    second, right = tokens.peek, _operand(tokens)
    _note(tokens, sign, (first, second), "" if sign in ("=", "<>") else ORDERED)
    return comparison(left, sign, right)


def _note(tokens: Tokens, operator: str, operands: tuple[str, ...], types: str) -> None:
    """Note an operator's operands; its values may only have these types, if there are any."""
    paths = [token for token in operands if not token.startswith(":")]
    if operands[0] in paths and operands[0] in operands[1:]:
        raise errors.invalid(SAME_OPERANDS)
    values = tuple(token for token in operands if token.startswith(":"))
    tokens.notes.types += [(token, types) for token in values if types]
    reverse = operands[0] in values and len(operands) == 2  # noqa: PLR2004 - ":v = a" is the same as "a = :v"
    for token in paths if reverse else paths[:1]:
        tokens.notes.uses.append((operator, token, values))
    tokens.notes.uses += [(operator, token, ()) for token in ([] if reverse else paths[1:])]

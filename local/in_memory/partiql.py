"""PartiQL UPDATE statements with a full key and further conditions.

Grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.update.html.
"""

import re
from functools import lru_cache

from msgspec import Struct, field

from local.in_memory import errors
from local.in_memory.expressions import Condition, Notes, Operand, Update, addition, attribute, comparison, parameter
from local.in_memory.names import RESERVED
from local.in_memory.parser import COMPARISONS, ORDERED, SAME_OPERANDS, Tokens, syntax_error

_MAX_BYTES = 8192  # of a statement
_TOKEN = re.compile(r"""\s*("(?:[^"]|"")+"|<=|>=|<>|[=<>()+,?-]|\w+)""")


class Statement(Struct):
    """An UPDATE: its table, its actions, the parameter of each key attribute, and all conditions.

    The notes name a parameter by its index; `written` holds the attributes of all actions.
    """

    table: str
    update: Update = field(default_factory=Update)
    equal: dict[str, int] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    parameters: int = 0
    notes: Notes = field(default_factory=Notes)
    written: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def parse_statement(text: str) -> Statement:
    """Parse an UPDATE statement."""
    tokens = Tokens(text, _TOKEN, _MAX_BYTES)
    tokens.expect("UPDATE")
    statement = Statement(_name(tokens.expect()))
    while tokens.peek.upper() in ("SET", "REMOVE"):
        if tokens.expect().upper() == "REMOVE":
            statement.update.removes.append(_name(tokens.expect()))
            continue
        name = _name(tokens.expect())
        tokens.expect("=")
        first, operand = statement.parameters, _operand(tokens, statement)
        if tokens.peek in ("+", "-"):
            sign = 1 if tokens.expect() == "+" else -1
            operand = addition(operand, sign, _operand(tokens, statement))
            statement.notes.types += [(index, "N") for index in range(first, statement.parameters)]
        statement.update.sets.append((name, operand))
    tokens.expect("WHERE")
    _where(tokens, statement)
    if tokens.peek:
        raise errors.Unsupported(f"cannot read {tokens.peek!r} in a statement")
    statement.written = frozenset([name for name, _ in statement.update.sets] + statement.update.removes)
    return statement


def _where(tokens: Tokens, statement: Statement) -> None:
    while True:
        statement.conditions.append(_condition(tokens, statement))
        if not tokens.accept("AND"):
            return


def _condition(tokens: Tokens, statement: Statement) -> Condition:
    negated = tokens.accept("NOT")
    name = _name(tokens.expect())
    if tokens.accept("IS"):
        negated ^= tokens.accept("NOT")
        tokens.expect("MISSING")
        return lambda scope: (name in scope.row) == negated
    sign = tokens.expect(*COMPARISONS)
    if sign == "=" and tokens.peek == "?" and not negated:
        statement.equal[name] = statement.parameters
    if tokens.peek != "?" and _name(tokens.peek) == name:
        raise errors.invalid(SAME_OPERANDS)
    if tokens.peek == "?" and sign not in ("=", "<>"):
        statement.notes.types.append((statement.parameters, ORDERED))
    found = comparison(attribute(name), sign, _operand(tokens, statement))
    return (lambda scope: not found(scope)) if negated else found


def _operand(tokens: Tokens, statement: Statement) -> Operand:
    if tokens.accept("?"):
        statement.parameters += 1
        return parameter(statement.parameters - 1)
    return attribute(_name(tokens.expect()))


def _name(token: str) -> str:
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    if token.upper() in RESERVED:
        raise syntax_error(token)
    return token

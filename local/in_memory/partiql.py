"""PartiQL UPDATE statements on one whole key, with further conditions.

Grammar: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.update.html.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from local.in_memory import errors
from local.in_memory.expressions import (
    COMPARISONS,
    Condition,
    Operand,
    Tokens,
    Update,
    attribute,
    compared,
    summed,
    value_of,
)

_TOKEN = re.compile(r"""\s*("(?:[^"]|"")+"|<=|>=|<>|[=<>()+,?-]|\w+)""")


@dataclass(slots=True)
class Statement:
    """An UPDATE: its table, what it does, the parameter of each key attribute, and the conditions beside the key."""

    table: str
    update: Update = field(default_factory=Update)
    equal: dict[str, int] = field(default_factory=dict)
    conditions: list[tuple[str, Condition]] = field(default_factory=list)
    parameters: int = 0


@lru_cache(maxsize=4096)
def parse_statement(text: str) -> Statement:
    """Read an UPDATE statement."""
    tokens = Tokens(text, _TOKEN)
    tokens.take("UPDATE")
    statement = Statement(_name(tokens.take()))
    while tokens.head.upper() in ("SET", "REMOVE"):
        if tokens.take().upper() == "REMOVE":
            statement.update.removes.append(_name(tokens.take()))
            continue
        name = _name(tokens.take())
        tokens.take("=")
        operand = _operand(tokens, statement)
        if tokens.head in ("+", "-"):
            sign = 1 if tokens.take() == "+" else -1
            operand = summed(operand, sign, _operand(tokens, statement))
        statement.update.sets.append((name, operand))
    tokens.take("WHERE")
    _where(tokens, statement)
    if tokens.head:
        raise errors.Unsupported(f"cannot read {tokens.head!r} in a statement")
    return statement


def _where(tokens: Tokens, statement: Statement) -> None:
    while True:
        name = _name(tokens.take())
        sign = tokens.take(*COMPARISONS)
        if sign == "=" and tokens.head == "?":
            statement.equal[name] = statement.parameters
        statement.conditions.append((name, compared(attribute(name), sign, _operand(tokens, statement))))
        if not tokens.took("AND"):
            return


def _operand(tokens: Tokens, statement: Statement) -> Operand:
    if tokens.took("?"):
        statement.parameters += 1
        return value_of(statement.parameters - 1)
    return attribute(_name(tokens.take()))


def _name(token: str) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else token

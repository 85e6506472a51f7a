"""Requests that write a folded row; built here, sent elsewhere.

UpdateItem and the PartiQL statement do the same thing under the same condition: add the row's deltas and move the mark,
if the mark is missing or below the first change that touches the row. UpdateItem also creates a missing row; the
statement requires one with counters, and one call carries 25 of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tailrace.aggregation.marks import Lineage, encode_sequence
from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.frequent_values import FrequentValues, frequent_kinds
from tailrace.aws.aggregates.expressions import Expression
from tailrace.definition.aggregate import Layout
from tailrace.definition.row_attributes import EXPIRES_AT, INEXACT, ITEM_COUNT, UPDATED_AT
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import RowKey
from tailrace.encoding.numbers import number_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

_MAX_STATEMENT_BYTES = 8192
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html"""

_RESERVED_BYTES = 1500
"""Maximum size of a statement without its counters: a table name of 255 bytes, the key, and 33 marks."""

REPAIRS, ORDER_VERSION = "~repairs", "~v"
"""The attributes that count a row's repairs, and the writes of its order measures."""

RESERVE, RESERVE_VERSION = "~r", "~w"
"""The candidates of top that are not shown, by kind of value rows, and the version of the row for which they hold."""

COUNTED = "~c"
"""The attribute of a value row that is counted in its main row: there, or not."""


class OrderState(Struct, frozen=True):
    """The order measures of a main row, read from its value rows after the row was seen at ``version``.

    They may be written only while the row still has this version: another shard that has written in between may have
    seen newer value rows.

    Attributes:
        version: how often the order measures were written before.
        state: the row's attributes; None for those to remove.
        reserve: what else the row stores of its candidates; None for a row that has no such measures.
        frequent: its candidates, by kind of value rows, as far as it stores them.
    """

    version: int
    state: Mapping[str, Any]
    reserve: Mapping[str, Any] | None = None
    frequent: Mapping[str, FrequentValues] = field(default_factory=dict)


def update_request(
    table: str, row: RowChange, lineage: Lineage | None, now: datetime, order_state: OrderState | None = None
) -> Json:
    """Return the UpdateItem request for a row; without a lineage it is unconditional.

    For an inexact row, only the items are counted and the row is flagged; its linear measures stay unchanged. With
    ``order_state``, the order measures are written as well.
    """
    return _update(row, lineage, now, order_state).request(table, row.key)


def request_without(  # noqa: PLR0913, PLR0917 - what is written, on which conditions, and what is not
    table: str, row: RowChange, lineage: Lineage | None, now: datetime, version: int | None, attributes: Sequence[str]
) -> Json:
    """Return the UpdateItem request for a row that these attributes make too large: it loses them, and is flagged."""
    expression = _update(row, lineage, now, None if version is None else OrderState(version, {}))
    if not row.inexact:  # which flags it already
        expression.add(INEXACT, 1)
    for attribute in attributes:
        expression.remove(attribute)
    return expression.request(table, row.key)


def _update(row: RowChange, lineage: Lineage | None, now: datetime, order_state: OrderState | None) -> Expression:
    expression = Expression()
    expression.set(UPDATED_AT, _timestamp(now))
    for label, value in zip(row.layout.labels, row.labels, strict=True):
        expression.set(label, value)
    _set_expiry(expression, row.expires_at)
    deltas = row.deltas()
    added = ((ITEM_COUNT, deltas[0]), (INEXACT, 1)) if row.inexact else zip(row.layout.counters, deltas, strict=True)
    for counter, delta in added:
        expression.add(counter, delta)
    if lineage is not None:
        mark = expression.set(lineage.mark, encode_sequence(row.last))
        expression.conditions.append(
            f"(attribute_not_exists({mark}) OR {mark} < {expression.value(encode_sequence(row.first))})"
        )
        for retired_mark in lineage.retired(now):
            expression.remove(retired_mark)
    if order_state is not None:
        _set_order_state(expression, order_state)
    return expression


def _set_expiry(expression: Expression, expires_at: int | None) -> None:
    # the row may have been empty and about to expire: every write restores its regular expiry
    if expires_at is None:
        expression.remove(EXPIRES_AT)
    else:
        expression.set(EXPIRES_AT, expires_at)


def _set_order_state(expression: Expression, order_state: OrderState) -> None:
    for attribute, value in order_state.state.items():
        if value is None:
            expression.remove(attribute)
        else:
            expression.set(attribute, value)
    version = expression.set(ORDER_VERSION, order_state.version + 1)
    if order_state.reserve is not None:
        expression.set(RESERVE, order_state.reserve)
        expression.set(RESERVE_VERSION, order_state.version + 1)
    condition = (
        f"{version} = {expression.value(order_state.version)}"
        if order_state.version
        else f"attribute_not_exists({version})"
    )
    expression.conditions.append(condition)


def repair_request(  # noqa: PLR0913 - what is written, and what was read
    table: str, row: RowChange, repairs: int, now: datetime, *, existed: bool, inexact: int
) -> Json:
    """Return the request that adds what a row lacks, if nobody has repaired it since it was read.

    A row that existed must still exist: one that was removed and made again lacks what the first one had. One that was
    ``inexact``, as it says itself, is so no more, if it has not come to lack another change since.
    """
    expression = Expression()
    expression.set(UPDATED_AT, _timestamp(now))
    for label, value in zip(row.layout.labels, row.labels, strict=False):
        expression.set(label, value)
    _set_expiry(expression, row.expires_at)
    if inexact:
        expression.conditions.append(f"{expression.remove(INEXACT)} = {expression.value(inexact)}")
    for counter, delta in zip(row.layout.counters, row.deltas(), strict=True):
        expression.add(counter, delta)
    count = expression.set(REPAIRS, repairs + 1)
    expression.conditions.append(
        f"{count} = {expression.value(repairs)}" if repairs else f"attribute_not_exists({count})"
    )
    if existed:
        expression.conditions.append(f"attribute_exists({expression.name('pk')})")
    return expression.request(table, row.key)


def flag_request(table: str, key: RowKey) -> Json:
    """Return the request that marks a row as inexact, if it still exists."""
    expression = Expression()
    expression.add(INEXACT, 1)
    expression.conditions.append(f"attribute_exists({expression.name('pk')})")
    return expression.request(table, key)


def order_request(table: str, row: RowChange, order_state: OrderState, now: datetime) -> Json:
    """Return the request that writes a main row's order attributes and nothing else, if the row still exists."""
    expression = Expression()
    expression.set(UPDATED_AT, _timestamp(now))
    _set_order_state(expression, order_state)
    expression.conditions.append(f"attribute_exists({expression.name('pk')})")
    return expression.request(table, row.key)


def count_value_request(table: str, value: RowChange) -> Json:
    """Return the request that counts a value row, if it has items and is not counted yet."""
    expression = Expression()
    name = expression.set(COUNTED, 1)
    expression.conditions += [
        f"attribute_not_exists({name})",
        f"{expression.name(ITEM_COUNT)} > {expression.value(0)}",
    ]
    return expression.request(table, value.key)


def discount_value_request(table: str, value: RowChange, expires_at: int | None) -> Json:
    """Return the request that takes a value row out of the count, if it is counted and has no items any more.

    ``expires_at`` is when the empty row may be deleted; None leaves that as it is.
    """
    expression = Expression()
    name = expression.remove(COUNTED)
    if expires_at is not None:
        expression.set(EXPIRES_AT, expires_at)
    expression.conditions += [
        f"attribute_exists({name})",
        f"{expression.name(ITEM_COUNT)} <= {expression.value(0)}",
    ]
    return expression.request(table, value.key)


def move_counts_request(table: str, row: RowChange, counts: Mapping[str, int], now: datetime) -> Json:
    """Return the request that moves the counts of values in a main row.

    It may create the row, and a row that was empty must not be deleted with its counts. The version rises, for whoever
    reads the value rows; the candidates hold as before.
    """
    expression = Expression()
    expression.set(UPDATED_AT, _timestamp(now))
    _set_expiry(expression, row.expires_at)
    for name, delta in counts.items():
        if delta:
            expression.add(name, delta)
    expression.add(ORDER_VERSION, 1)
    if frequent_kinds(row.layout.aggregate):
        expression.add(RESERVE_VERSION, 1)
    return expression.request(table, row.key)


def expire_request(table: str, row: RowChange, expires_at: int) -> Json:
    """Return the request that expires a row at a given second, if it is still empty and would stay longer."""
    expression = Expression()
    name = expression.set(EXPIRES_AT, expires_at)
    expression.conditions.append(f"(attribute_not_exists({name}) OR {name} > {expression.value(expires_at)})")
    for counter in zero_counters(row.layout):
        expression.conditions.append(f"{expression.name(counter)} = {expression.value(0)}")
    return expression.request(table, row.key)


def zero_counters(layout: Layout) -> Sequence[str]:
    """Return the counters that are 0 in an empty row: all of them for a lane, as other lanes may offset one of them."""
    return layout.counters if layout.aggregate.lanes > 1 else (ITEM_COUNT,)


def partiql_statement(table: str, row: RowChange, lineage: Lineage, now: datetime) -> "BatchStatementRequestTypeDef":
    """Return the conditional PartiQL update of a row that exists."""
    # a parameter costs the client more than the rest of the statement, so zero deltas are left out
    added = [(name, delta) for name, delta in zip(row.layout.counters, row.deltas(), strict=True) if delta]
    parameters: list[Any] = [{"N": number_text(delta)} for _, delta in added]
    if row.expires_at is not None:
        parameters.append({"N": str(row.expires_at)})
    parameters += [
        {"S": text} for text in (_timestamp(now), encode_sequence(row.last), *row.key, encode_sequence(row.first))
    ]
    retired = tuple(lineage.retired(now))
    names = tuple([name for name, _ in added])
    text = _statement_text(table, names, lineage.mark, retired, never_expires=row.expires_at is None)
    return {"Statement": text, "Parameters": parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


@lru_cache(maxsize=4096)
def fits_statement(layout: Layout) -> bool:
    """Tell whether every statement for such a row fits DynamoDB's limit."""
    text = _statement_text("", layout.counters, "", (), never_expires=True)
    return len(text.encode()) + _RESERVED_BYTES <= _MAX_STATEMENT_BYTES


@lru_cache(maxsize=4096)
def _statement_text(
    table: str, added: tuple[str, ...], mark: str, retired: tuple[str, ...], *, never_expires: bool
) -> str:
    changes = [f"SET {_quoted(name)} = {_quoted(name)} + ?" for name in added]
    if not never_expires:
        changes.append(f"SET {_quoted(EXPIRES_AT)} = ?")
    changes += [f"SET {_quoted(name)} = ?" for name in (UPDATED_AT, mark)]
    changes += [f"REMOVE {_quoted(name)}" for name in ((EXPIRES_AT,) if never_expires else ()) + retired]
    # NOT >= also accepts a row without the mark, which another shard has made
    condition = f'"pk" = ? AND "sk" = ? AND {_quoted(ITEM_COUNT)} IS NOT MISSING AND NOT {_quoted(mark)} >= ?'
    return f"UPDATE {_quoted(table)} {' '.join(changes)} WHERE {condition}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


@lru_cache(maxsize=16)
def _timestamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")

"""What can happen to a batch's rows besides being written."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aggregation.marks import Lineage, decode_sequence
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient


class Failed(Struct, frozen=True):
    """A row that could not be written; ``sequence`` is the first change that it has not absorbed."""

    sequence: int
    key: RowKey
    error: Transient


class SumOverflow(Struct, frozen=True):
    """A change that a row can never absorb because DynamoDB cannot hold the sum; the row is inexact from then on."""

    sequence: int
    key: RowKey


class RowTooLarge(SumOverflow, frozen=True):
    """Changes with which a row's order measures would exceed 400 KB; it counts them without these, and is inexact."""


class LateChanges(Struct, frozen=True):
    """Changes to a row whose ``keep`` has passed: the row is deleted or about to be, so they are not counted."""

    aggregate: str
    changes: int


type Outcome = Failed | SumOverflow | LateChanges
type Call = Callable[[], list[Outcome]]


def checkpoint(outcomes: Iterable[Outcome]) -> int | None:
    """Return the sequence number from which the shard must be redelivered: the lowest of the failed rows."""
    return min((outcome.sequence for outcome in outcomes if isinstance(outcome, Failed)), default=None)


def is_late(row: RowChange, now: datetime) -> bool:
    """Tell whether a row's ``keep`` has passed."""
    return row.expires_at is not None and row.expires_at <= now.timestamp()


def late(rows: Iterable[RowChange], now: datetime) -> Iterator[LateChanges]:
    """Yield the changes that come too late for their rows."""
    for row in rows:
        if is_late(row, now):
            yield LateChanges(row.layout.aggregate.name, row.changes)


def row_in(error: ClientError | BotoCoreError) -> dict[str, Any] | None:
    """Return the row (in DynamoDB's JSON) for which the condition failed; None for any other error."""
    if not isinstance(error, ClientError) or not has_code(error, CONDITION_FAILED):
        return None
    found: dict[str, Any] = dict(error.response).get("Item", {})  # type: ignore[assignment]
    return found


def mark_of(found: dict[str, Any], lineage: Lineage | None) -> int:
    """Return the mark of a lineage in a row; a value below every change if there is none."""
    return decode_sequence(found[lineage.mark]["S"]) if lineage is not None and lineage.mark in found else -1

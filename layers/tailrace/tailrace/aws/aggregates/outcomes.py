"""What can happen to a batch's rows besides being written."""

from collections.abc import Callable, Iterable

from msgspec import Struct

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


class LateChanges(Struct, frozen=True):
    """Changes to a row whose ``keep`` has passed: the row is deleted or about to be, so they are not counted."""

    aggregate: str
    changes: int


type Outcome = Failed | SumOverflow | LateChanges
type Call = Callable[[], list[Outcome]]


def checkpoint(outcomes: Iterable[Outcome]) -> int | None:
    """Return the sequence number from which the shard must be redelivered: the lowest of the failed rows."""
    return min((outcome.sequence for outcome in outcomes if isinstance(outcome, Failed)), default=None)

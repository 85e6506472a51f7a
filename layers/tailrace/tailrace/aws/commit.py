"""Folded rows into the aggregates table: one conditional write for each row, each change absorbed exactly once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.clients import translate
from tailrace.aws.writes import statement, update
from tailrace.errors import Transient
from tailrace.fold import RowChange, RowKey
from tailrace.marks import mark_attribute

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CONDITION_FAILED = "ConditionalCheckFailedException"
_REFUSED = "ValidationException"

# Each failed condition shows a mark that is further on than the one before; more than a few in a row can only
# mean that another invocation works on the same shard at this moment, and then the mapping's retry is the better wait.
_MOST_ATTEMPTS = 5

_MOST_STATEMENTS = 25
_MOST_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be written; ``sequence`` is its first change that is not absorbed."""

    sequence: int
    error: Transient


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that a row can never absorb, since DynamoDB could not hold the sum; the row is inexact from then on."""

    sequence: int
    key: RowKey


@dataclass(slots=True)
class Known:
    """The rows that this process has written, with their marks: they exist.

    Only ever a hint: whatever a batch refuses is written by itself, under the same condition.
    """

    rows: set[tuple[RowKey, str]] = field(default_factory=set)

    def remember(self, key: RowKey, mark: str) -> None:
        """Remember a row that was written."""
        if len(self.rows) >= _MOST_REMEMBERED:
            self.rows.clear()
        self.rows.add((key, mark))


@dataclass(frozen=True, slots=True)
class Committer:
    """Writes rows on a few threads: known ones in batches of 25 PartiQL updates, the others by UpdateItem.

    A row costs one write either way; the batch costs about a tenth of the client's CPU time.

    Attributes:
        client: a DynamoDB client; shared by the threads.
        table: the aggregates table.
        clock: the time now, in UTC; stamped on each row that is written.
        batches: whether the table reads PartiQL as AWS does; the emulators that were tried do not.
        threads: how many calls are under way at once.
        pool: makes the executor of one batch's calls, given the number of threads; a simulation gives one without.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]
    batches: bool = False
    threads: int = 8
    known: Known = field(default_factory=Known)
    pool: Callable[[int], Executor] = ThreadPoolExecutor

    def commit(self, rows: Sequence[RowChange], shard: str | None) -> list[Failed | Refused]:
        """Write all rows and return what could not be written, now or ever; all else is absorbed for good.

        Without a shard the rows are added to without marks: at least once.

        Raises:
            Permanent: a write was refused in a way that no retry can mend. All other rows were tried.
        """
        mark = None if shard is None else mark_attribute(shard)
        batched: list[RowChange] = []
        single: list[RowChange] = []
        for row in rows:
            fast = self.batches and mark is not None and (row.key, mark) in self.known.rows
            (batched if fast else single).append(row)
        batches = [batched[start : start + _MOST_STATEMENTS] for start in range(0, len(batched), _MOST_STATEMENTS)]
        with self.pool(self.threads) as pool:
            pending = [pool.submit(self._commit_batch, batch, mark) for batch in batches if mark is not None]
            pending += [pool.submit(self._commit_row, row, mark) for row in single]
        return list(chain.from_iterable(future.result() for future in pending))

    def _commit_batch(self, rows: Sequence[RowChange], mark: str) -> list[Failed | Refused]:
        now = self.clock()
        statements = [statement(self.table, row, mark, now) for row in rows]
        try:
            responses = self.client.batch_execute_statement(Statements=statements)["Responses"]
        except (ClientError, BotoCoreError) as error:
            failure = translate(error)
            if isinstance(failure, Transient):
                return [Failed(row.first, failure) for row in rows]
            raise failure from error
        # whatever was refused, and why, is found out by writing the row by itself
        refused = [row for row, response in zip(rows, responses, strict=True) if "Error" in response]
        return list(chain.from_iterable(self._commit_row(row, mark) for row in refused))

    def _commit_row(self, row: RowChange, mark: str | None, *, inexact: bool = False) -> list[Failed | Refused]:
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.client.update_item(**update(self.table, row, mark, self.clock(), inexact=inexact))
            except (ClientError, BotoCoreError) as error:
                absorbed = _mark_found(error, mark)
                if absorbed is None:
                    failure = translate(error)
                    if isinstance(failure, Transient):
                        return [Failed(row.first, failure)]
                    if inexact or not _is_refusal(error):
                        raise failure from error
                    return self._commit_steps(row, mark)
                if absorbed >= row.last:
                    return []
                row = row.above(absorbed)
            else:
                if mark is not None:
                    self.known.remember(row.key, mark)
                return []
        return [Failed(row.first, Transient(f"the mark of {row.key} keeps moving: another delivery is under way"))]

    def _commit_steps(self, row: RowChange, mark: str | None) -> list[Failed | Refused]:
        """Write a row's changes one by one, since the table could not hold their sum with its own.

        Of the one that it really cannot hold, only the item is counted: the row is marked as inexact, and the change is
        told, so that it stops neither its neighbours nor the shard.
        """
        if len(row.steps) == 1:
            return self._commit_row(row, mark, inexact=True) or [Refused(row.first, row.key)]
        outcomes: list[Failed | Refused] = []
        for step in row.steps:
            outcomes += self._commit_row(RowChange(row.aggregate, row.key, row.groups, [step]), mark)
            if any(isinstance(outcome, Failed) for outcome in outcomes):
                break  # the later ones would move the mark past it
        return outcomes


def _is_refusal(error: ClientError | BotoCoreError) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == _REFUSED


def _mark_found(error: Exception, mark: str | None) -> int | None:
    """Return the mark that made the condition fail; None where the error is another one."""
    if mark is None or not isinstance(error, ClientError) or error.response["Error"]["Code"] != _CONDITION_FAILED:
        return None
    found: Any = error.response.get("Item", {})
    return int(found[mark]["S"]) if mark in found else None


def checkpoint(outcomes: Iterable[Failed | Refused]) -> int | None:
    """Return the sequence number from which the shard has to be delivered again: the lowest of the failed rows."""
    return min((outcome.sequence for outcome in outcomes if isinstance(outcome, Failed)), default=None)

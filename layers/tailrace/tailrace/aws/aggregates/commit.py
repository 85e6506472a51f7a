"""Folded rows into the aggregates table: one conditional write for each row, each change absorbed exactly once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import batched, chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aggregation.marks import Lineage, decode_sequence
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.expiry import MAX_KEYS_PER_READ, EmptyRowExpiry, may_be_empty
from tailrace.aws.aggregates.order_state import OrderReader, version_of
from tailrace.aws.aggregates.update_expressions import OrderState, fits_statement, partiql_statement, update_request
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, translate
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_REFUSED = "ValidationException"

# Each failed condition shows a mark or a version that is further on than the one before; more than a few in a row can
# only mean that others write this row at this moment, and then the mapping's retry is the better wait.
_MAX_ATTEMPTS = 5

_MAX_STATEMENTS = 25
_MAX_KNOWN_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be written; ``sequence`` is its first change that is not absorbed."""

    sequence: int
    key: RowKey
    error: Transient


@dataclass(frozen=True, slots=True)
class SumOverflow:
    """A change that a row can never absorb, since DynamoDB could not hold the sum; the row is inexact from then on."""

    sequence: int
    key: RowKey


@dataclass(frozen=True, slots=True)
class LateChanges:
    """A row whose ``keep`` had passed when changes to it came: it is gone or going, and they are not counted."""

    aggregate: str
    changes: int


type Outcome = Failed | SumOverflow | LateChanges
type Call = Callable[[], list[Outcome]]


@dataclass(slots=True)
class KnownRows:
    """What this process knows of rows that it has written: that they exist with their marks, and at which version.

    Only ever a hint: whatever a batch refuses is written by itself, under the same condition.
    """

    rows: set[tuple[RowKey, str]] = field(default_factory=set)
    versions: dict[RowKey, int] = field(default_factory=dict)

    def remember(self, key: RowKey, mark: str) -> None:
        """Remember a row that was written."""
        if len(self.rows) >= _MAX_KNOWN_ROWS:
            self.rows.clear()
        self.rows.add((key, mark))

    def remember_version(self, key: RowKey, version: int) -> None:
        """Remember the version of a row's order measures."""
        if len(self.versions) >= _MAX_KNOWN_ROWS:
            self.versions.clear()
        self.versions[key] = version


@dataclass(frozen=True, slots=True)
class Committer:
    """Writes rows on a few threads: known ones in batches of 25 PartiQL updates, the others by UpdateItem.

    A row costs one write either way; the batch costs about a tenth of the client's CPU time. Value rows go first; then
    each main row is written together with the order measures that are read back from them.

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
    known: KnownRows = field(default_factory=KnownRows)
    pool: Callable[[int], Executor] = ThreadPoolExecutor

    def commit(self, rows: Sequence[RowChange], lineage: Lineage | None) -> list[Outcome]:
        """Write all rows and return what could not be written, now or ever; all else is absorbed for good.

        Without a lineage the rows are added to without marks: at least once.

        Raises:
            Permanent: a write was refused in a way that no retry can mend. All other rows were tried.
        """
        now = self.clock()
        outcomes: list[Outcome] = [*_late(rows, now)]
        kept = [row for row in rows if not _is_late(row, now)]
        main = [row for row in kept if row.value_changes]
        below = [value for row in main for value in row.value_changes.values()]
        outcomes += self._write([*below, *(row for row in kept if not row.value_changes)], lineage)
        failed = {outcome.key: outcome for outcome in outcomes if isinstance(outcome, Failed)}
        # a main row whose mark moved past a value that is not written would be passed over for good
        outcomes += [
            Failed(row.first, row.key, _error_of_values(row, failed)) for row in main if _has_failed_values(row, failed)
        ]
        ready = [row for row in main if not _has_failed_values(row, failed)]
        outcomes += self._run(partial(self._commit_row, row, lineage) for row in ready)
        losing = [row for row in chain(kept, below) if row.key not in failed and may_be_empty(row)]
        outcomes += self._run(
            partial(self._expire_empty_rows, part, now) for part in batched(losing, MAX_KEYS_PER_READ, strict=False)
        )
        return outcomes

    def _write(self, rows: Iterable[RowChange], lineage: Lineage | None) -> list[Outcome]:
        """Write rows that rest on no others."""
        known: list[RowChange] = []
        single: list[RowChange] = []
        for row in rows:
            fast = self.batches and lineage is not None and (row.key, lineage.mark) in self.known.rows
            (known if fast and fits_statement(row.layout) else single).append(row)
        calls: list[Call] = [partial(self._commit_row, row, lineage) for row in single]
        if lineage is not None:
            parts = batched(known, _MAX_STATEMENTS, strict=False)
            calls += [partial(self._commit_batch, part, lineage) for part in parts]
        return self._run(calls)

    def _run(self, calls: Iterable[Call]) -> list[Outcome]:
        """Make some calls at a time, all of them, and return what comes of them."""
        with self.pool(self.threads) as pool:
            pending = [pool.submit(call) for call in calls]
        return list(chain.from_iterable(future.result() for future in pending))

    def _commit_batch(self, rows: Sequence[RowChange], lineage: Lineage) -> list[Outcome]:
        now = self.clock()
        statements = [partiql_statement(self.table, row, lineage, now) for row in rows]
        try:
            responses = self.client.batch_execute_statement(Statements=statements)["Responses"]
        except (ClientError, BotoCoreError) as error:
            failure = translate(error)
            if isinstance(failure, Transient):
                return [Failed(row.first, row.key, failure) for row in rows]
            raise failure from error
        outcomes: list[Outcome] = []
        for row, response in zip(rows, responses, strict=True):
            if "Error" in response:
                found: Any = response["Error"].get("Item")
                left = row if found is None else row.after_mark(_mark_of(found, lineage))
                # what the row that refused has not absorbed, and why, is found out by writing it by itself
                outcomes += self._commit_row(left, lineage) if left.steps else []
        return outcomes

    def _commit_row(self, row: RowChange, lineage: Lineage | None) -> list[Outcome]:
        try:
            return self._attempt(row, lineage)
        except Transient as error:
            return [Failed(row.first, row.key, error)]

    def _attempt(self, row: RowChange, lineage: Lineage | None) -> list[Outcome]:
        reader = OrderReader(self.client, self.table)
        order: OrderState | None = None
        if row.value_changes:
            version = self.known.versions.get(row.key)
            order = reader.state(row, reader.version(row.key) if version is None else version)
        for _ in range(_MAX_ATTEMPTS):
            try:
                self.client.update_item(**update_request(self.table, row, lineage, self.clock(), order))
            except (ClientError, BotoCoreError) as error:
                found = _row_in(error)
                if found is None:
                    if row.inexact or not has_code(error, _REFUSED):
                        raise translate(error) from error
                    return self._commit_steps(row, lineage)
                row = row.after_mark(_mark_of(found, lineage))
                if not row.steps:
                    return []
                if row.value_changes:
                    order = reader.state(row, version_of(found))
            else:
                self._remember(row, lineage, order)
                return []
        raise Transient("the row keeps moving: another delivery is under way")

    def _remember(self, row: RowChange, lineage: Lineage | None, order: OrderState | None) -> None:
        if lineage is not None:
            self.known.remember(row.key, lineage.mark)
        if order is not None:
            self.known.remember_version(row.key, order.version + 1)

    def _commit_steps(self, row: RowChange, lineage: Lineage | None) -> list[Outcome]:
        """Write a row's changes one by one, since the table could not hold their sum with its own.

        Of the one that it really cannot hold, only the item is counted: the row is marked as inexact, and the change is
        told, so that it stops neither its neighbours nor the shard.
        """
        if len(row.steps) == 1:
            return self._commit_row(replace(row, inexact=True), lineage) or [SumOverflow(row.first, row.key)]
        outcomes: list[Outcome] = []
        for step in row.steps:
            outcomes += self._commit_row(row.with_steps([step]), lineage)
            if any(isinstance(outcome, Failed) for outcome in outcomes):
                break  # the later ones would move the mark past it
        return outcomes

    def _expire_empty_rows(self, rows: Sequence[RowChange], now: datetime) -> list[Outcome]:
        try:
            EmptyRowExpiry(self.client, self.table).expire_empty_rows(rows, now)
        except Transient as error:
            return [Failed(row.first, row.key, error) for row in rows]
        return []


def _is_late(row: RowChange, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now.timestamp()


def _late(rows: Iterable[RowChange], now: datetime) -> Iterator[LateChanges]:
    for row in rows:
        if _is_late(row, now):
            yield LateChanges(row.layout.aggregate.name, len(row.steps))


def _has_failed_values(row: RowChange, failed: dict[RowKey, Failed]) -> bool:
    return not failed.keys().isdisjoint(row.value_changes)


def _error_of_values(row: RowChange, failed: dict[RowKey, Failed]) -> Transient:
    return next(failed[key].error for key in row.value_changes if key in failed)


def _row_in(error: ClientError | BotoCoreError) -> dict[str, Any] | None:
    """Return the row, in DynamoDB's JSON, for which the condition failed; None where the error is another one."""
    if not isinstance(error, ClientError) or not has_code(error, CONDITION_FAILED):
        return None
    found: dict[str, Any] = dict(error.response).get("Item", {})  # type: ignore[assignment]
    return found


def _mark_of(found: dict[str, Any], lineage: Lineage | None) -> int:
    """Return the mark of a lineage in a row; one below every change where there is none."""
    return decode_sequence(found[lineage.mark]["S"]) if lineage is not None and lineage.mark in found else -1


def checkpoint(outcomes: Iterable[Outcome]) -> int | None:
    """Return the sequence number from which the shard has to be delivered again: the lowest of the failed rows."""
    return min((outcome.sequence for outcome in outcomes if isinstance(outcome, Failed)), default=None)

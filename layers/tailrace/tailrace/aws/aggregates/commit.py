"""Commits folded rows to the aggregates table: one conditional write per row, each change absorbed exactly once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import batched, chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.row_changes import PartlyAbsorbed, RowChange
from tailrace.aws.aggregates.batch_reads import MAX_KEYS_PER_READ
from tailrace.aws.aggregates.expiry import EmptyRowExpiry, may_be_empty
from tailrace.aws.aggregates.known_rows import KnownRows
from tailrace.aws.aggregates.order_measures import OrderMeasures
from tailrace.aws.aggregates.order_state import order_attributes
from tailrace.aws.aggregates.outcomes import (
    Call,
    Failed,
    Outcome,
    RowTooLarge,
    SumOverflow,
    is_late,
    late,
    mark_of,
    row_in,
)
from tailrace.aws.aggregates.update_expressions import (
    OrderState,
    fits_statement,
    partiql_statement,
    request_without,
    update_request,
)
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.runtime.parallel import run_all
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_IN_TRANSACTION = "TransactionConflictException"
_VALIDATION_ERROR = "ValidationException"

# Each failed condition reveals a mark or version beyond the previous one. Several in a row mean that other writers are
# busy with this row, and then the mapping's retry is the better wait.
_MAX_ATTEMPTS = 5

_MAX_STATEMENTS = 25


class Committer(Struct, frozen=True):
    """Writes rows on several threads: known rows in batches of 25 PartiQL updates, the others by UpdateItem.

    A row costs one write either way; the batch takes about a tenth of the client's CPU time. Value rows are written
    first, then each main row together with the order measures that are read back from them.

    Attributes:
        client: a DynamoDB client; the threads share it. What a Transient of it leaves unwritten has failed.
        table: the aggregates table.
        clock: the current time, in UTC; stamped on each written row.
        use_partiql: whether known rows are written in batches; without, all rows are written one by one.
        threads: the number of concurrent calls.
        executor: makes the executor for the calls of one batch from the number of threads; simulations use none.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]
    use_partiql: bool = True
    threads: int = 8
    known: KnownRows = field(default_factory=KnownRows)
    executor: Callable[[int], Executor] = ThreadPoolExecutor

    def commit(self, rows: Sequence[RowChange], lineage: Lineage | None, *, expire_empty: bool = True) -> list[Outcome]:
        """Write all rows and return what could not be written, now or ever; everything else is durably absorbed.

        Without a lineage, deltas are added without marks: at least once. Rows of a generation that is being built must
        not expire when they are empty, because their base is still to come.

        Raises:
            Permanent: a write was rejected in a way that no retry can fix. All other rows were tried.
        """
        now = self.clock()
        outcomes: list[Outcome] = [*late(rows, now)]
        on_time = [row for row in rows if not is_late(row, now)]
        main_rows = [row for row in on_time if row.value_changes]
        value_rows = [value for row in main_rows for value in row.value_changes.values()]
        outcomes += self._write([*value_rows, *(row for row in on_time if not row.value_changes)], lineage)
        failed_keys = {outcome.key for outcome in outcomes if isinstance(outcome, Failed)}
        orders = OrderMeasures(self.client, self.table, self.clock, self._run, self.known.orders)
        pending = [row for row in main_rows if not self.known.have_absorbed(row, lineage)]
        outcomes += orders.prepare(pending, failed_keys, expire_empty=expire_empty)
        failed = {outcome.key: outcome for outcome in outcomes if isinstance(outcome, Failed)}
        # if a main row's mark moved past a value row that was not written, redelivery would skip that value
        outcomes += [
            Failed(row.first, row.key, _error_of_values(row, failed))
            for row in main_rows
            if _has_failed_values(row, failed)
        ]
        ready = [row for row in pending if row.key not in failed and not _has_failed_values(row, failed)]
        outcomes += self._run(partial(self._commit_row, row, lineage, orders) for row in ready if row.reads_values)
        outcomes += self._write((row for row in ready if not row.reads_values), lineage)
        if not expire_empty:
            return outcomes
        others = [value for row in main_rows for value in row.uncounted_values]
        maybe_empty = [row for row in chain(on_time, others) if row.key not in failed and may_be_empty(row)]
        return outcomes + self._expire(maybe_empty, orders, now)

    def _expire(self, rows: Sequence[RowChange], orders: OrderMeasures, now: datetime) -> list[Outcome]:
        """Let those rows expire that are empty; value rows that were read after their write are known."""
        unknown = [row for row in rows if row.key not in orders.values]
        empty = [row for row in rows if row.key in orders.values and not orders.values[row.key].items]
        expiry = EmptyRowExpiry(self.client, self.table)
        calls: list[Call] = [
            partial(self._try_to_expire, part, expiry.expire_empty_rows, now)
            for part in batched(unknown, MAX_KEYS_PER_READ, strict=False)
        ]
        calls += [partial(self._try_to_expire, [row], lambda one, at: expiry.expire(one[0], at), now) for row in empty]
        return self._run(calls)

    def _write(self, rows: Iterable[RowChange], lineage: Lineage | None) -> list[Outcome]:
        """Write rows that do not depend on others."""
        known: list[RowChange] = []
        single: list[RowChange] = []
        for row in rows:
            if self.known.have_absorbed(row, lineage):
                continue
            as_statement = self.use_partiql and lineage is not None and row.key in self.known.keys
            (known if as_statement and fits_statement(row.layout) else single).append(row)
        calls: list[Call] = [partial(self._commit_row, row, lineage) for row in single]
        if lineage is not None:
            parts = batched(known, _MAX_STATEMENTS, strict=False)
            calls += [partial(self._commit_batch, part, lineage) for part in parts]
        return self._run(calls)

    def _run(self, calls: Iterable[Call]) -> list[Outcome]:
        """Run all calls, several at a time, and return their outcomes."""
        return list(chain.from_iterable(run_all(list(calls), self.threads, self.executor)))

    def _commit_batch(self, rows: Sequence[RowChange], lineage: Lineage) -> list[Outcome]:
        now = self.clock()
        statements = [partiql_statement(self.table, row, lineage, now) for row in rows]
        try:
            responses = self.client.batch_execute_statement(Statements=statements)["Responses"]
        except Transient as error:
            return [Failed(row.first, row.key, error) for row in rows]
        except (ClientError, BotoCoreError) as error:
            if has_code(error, _VALIDATION_ERROR):  # of one statement: the rows of the others must not wait for it
                return list(chain.from_iterable(self._commit_row(row, lineage) for row in rows))
            failure = translate(error)
            if isinstance(failure, Transient):
                return [Failed(row.first, row.key, failure) for row in rows]
            raise failure from error
        outcomes: list[Outcome] = []
        for row, response in zip(rows, responses, strict=True):
            if "Error" in response:
                outcomes += self._commit_row(row, lineage, found=response["Error"].get("Item"))
            else:
                self.known.remember(row.key, lineage.mark, row.last)
        return outcomes

    def _commit_row(
        self, row: RowChange, lineage: Lineage | None, orders: OrderMeasures | None = None, found: Any = None
    ) -> list[Outcome]:
        """Write one row; ``orders`` are prepared for a main row that reads its values, and None for any other.

        ``found`` is what a rejected statement has found in the row's place, if it says.
        """
        try:
            remaining = row if found is None else row.after_mark(mark_of(found, lineage))
            # an individual write shows what the rejected row has not absorbed, and why
            return self._attempt(remaining, lineage, orders) if remaining.steps else self._absorbed(row, lineage)
        except Transient as error:
            return [Failed(row.first, row.key, error)]

    def _attempt(self, row: RowChange, lineage: Lineage | None, orders: OrderMeasures | None) -> list[Outcome]:
        order_state = None if orders is None else orders.state(row)
        for _ in range(_MAX_ATTEMPTS):
            try:
                self.client.update_item(**update_request(self.table, row, lineage, self.clock(), order_state))
            except (ClientError, BotoCoreError) as error:
                found = row_in(error)
                if has_code(error, _IN_TRANSACTION):
                    continue
                if found is None:
                    if not has_code(error, _VALIDATION_ERROR):
                        raise translate(error) from error
                    return self._refused(row, lineage, orders, error)
                remaining = row.after_mark(mark_of(found, lineage))
                if not remaining.steps:
                    return self._absorbed(row, lineage)
                row = remaining
                if orders is not None:
                    order_state = orders.state_again(row, found)
            else:
                self._remember(row, lineage, orders, order_state)
                return []
        raise Transient("the row keeps changing: another delivery is in progress")

    def _refused(
        self,
        row: RowChange,
        lineage: Lineage | None,
        orders: OrderMeasures | None,
        refusal: ClientError | BotoCoreError,
    ) -> list[Outcome]:
        """Write a row that the table rejects: its order measures make it too large, or it cannot hold a sum.

        Only writes show which. Without its order measures, a row always has room.
        """
        is_main = row.layout is row.layout.aggregate.layout
        lost = order_attributes(row.layout.aggregate) if is_main else ()
        if lost:
            version = None if orders is None else orders.stored[row.key].version
            try:
                self.client.update_item(**request_without(self.table, row, lineage, self.clock(), version, lost))
            except (ClientError, BotoCoreError) as error:
                if row_in(error) is not None or has_code(error, _IN_TRANSACTION):
                    raise Transient("the row keeps changing: another delivery is in progress") from error
                if not has_code(error, _VALIDATION_ERROR):
                    raise translate(error) from error
            else:
                self.known.orders.forget(row.key)
                self._absorbed(row, lineage)
                return [RowTooLarge(row.first, row.key)]
        if row.inexact:  # neither: it is written without the sum already
            raise translate(refusal) from refusal
        return self._commit_steps(row, lineage, orders)

    def _remember(
        self, row: RowChange, lineage: Lineage | None, orders: OrderMeasures | None, order_state: OrderState | None
    ) -> None:
        self._absorbed(row, lineage)
        if orders is not None and order_state is not None:
            orders.remember(row, order_state)

    def _absorbed(self, row: RowChange, lineage: Lineage | None) -> list[Outcome]:
        if lineage is not None:
            self.known.remember(row.key, lineage.mark, row.last)
        return []

    def _commit_steps(self, row: RowChange, lineage: Lineage | None, orders: OrderMeasures | None) -> list[Outcome]:
        """Write a row's changes one by one, because the table could not hold their sum added to its own.

        For the change that it cannot hold, only the item is counted: the row is marked as inexact and the change is
        reported, so that it stops neither other rows nor the shard.

        Raises:
            PartlyAbsorbed: a step folds several changes, and not all of them may be too much.
        """
        if row.folded is not None:
            raise PartlyAbsorbed("the table cannot hold the sum of what was carried")
        if len(row.steps) == 1:
            outcomes = self._commit_row(replace(row, inexact=True), lineage, orders)
            is_written = not any(isinstance(outcome, Failed) for outcome in outcomes)
            return [*outcomes, SumOverflow(row.first, row.key)] if is_written else outcomes
        outcomes = []
        for step in row.steps:
            outcomes += self._commit_row(row.with_steps([step]), lineage, orders)
            if any(isinstance(outcome, Failed) for outcome in outcomes):
                break  # later changes would move the mark past this one
        return outcomes

    def _try_to_expire(
        self, rows: Sequence[RowChange], expire: Callable[[Sequence[RowChange], datetime], None], now: datetime
    ) -> list[Outcome]:
        try:
            expire(rows, now)
        except Transient as error:
            return [Failed(row.first, row.key, error) for row in rows]
        return []


def _has_failed_values(row: RowChange, failed: dict[RowKey, Failed]) -> bool:
    return not failed.keys().isdisjoint(row.value_changes)


def _error_of_values(row: RowChange, failed: dict[RowKey, Failed]) -> Transient:
    return next(failed[key].error for key in row.value_changes if key in failed)

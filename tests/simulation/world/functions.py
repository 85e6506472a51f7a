"""The functions as Lambda runs them: the real stages, in processes that can die."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from copy import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from local.in_memory import Database
from local.mapping import Failed, InvocationResult, Returned, Throttled
from tailrace.aggregation.row_changes import MAX_ROWS, RowChange
from tailrace.aggregation.values import frequent_values
from tailrace.aws.aggregates import commit
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.aggregates.order_measures import OrderMeasures
from tailrace.aws.aggregates.order_state import OrderReader
from tailrace.aws.aggregates.update_expressions import OrderState
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.feeder import assemble_feeder, fingerprints
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.stages import aggregate as aggregating
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.aws.stages.archive import Archiver
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.backfill.generations import created
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import Transient
from tailrace.queries.freshness import AGGREGATE, FANOUT
from tests.simulation.world.clients import Bucket, Queues, Streams, Table
from tests.simulation.world.faults import Crash, FaultInjector, Faults
from tests.simulation.world.serial_executor import SerialExecutor
from tests.simulation.world.steps import Function, History, Run

type Stage = Callable[[Mapping[str, Any]], dict[str, Any]]

TABLE, PROGRESS = "aggregates", "progress"
_RELEASES_MEET_EVERY = 3
_RESERVES = 2
_PARTS_EVERY, _PARTS_REMAINDER = 9, 5
_FEW_ROWS = 3

ARCHIVE_QUEUE, ROUTE_QUEUE, FAILURES = "archive", "large-orders", "failures"


class OrdersOfTheReleaseBefore(OrderMeasures, frozen=True):
    """Order measures as earlier releases write them, in processes that run on while a new one is deployed."""

    def state(self, row: RowChange) -> OrderState:
        """Return all order measures, read from all value rows, without what the row says beside them."""
        found = OrderReader(self.client, self.table).recomputed(row, self.stored[row.key].version)
        return replace(found, reserve=None, frequent={})


@contextmanager
def _replaced(attributes: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Replace attributes of modules within a context; unittest.mock would take a fiftieth of a history's time."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in attributes]
    for attribute in attributes:
        setattr(*attribute)
    try:
        yield
    finally:
        for attribute in before:
            setattr(*attribute)


class Functions:
    """The functions, each in a few processes; a new process replaces one that dies."""

    def __init__(
        self,
        injector: FaultInjector,
        clock: Callable[[], float],
        streams: Streams,
        history: History,
        pipeline: Pipeline,
    ) -> None:
        self.pipeline = pipeline
        self.database = Database(returns_rejected_item=bool(history.seed % 2))
        self.database.create(TABLE, "pk", "sk")
        self.database.create(PROGRESS, "pk", "sk")
        database: Any = self.database
        known = [created(name, version, of) for (name, version), of in fingerprints(pipeline).items()]
        ControlTable(database, TABLE).create(known, since_creation=True)
        self.queues = Queues(injector)
        self.bucket = Bucket(injector)
        self.streams = streams
        self.raised: list[str] = []
        self._injector = injector
        self._clock = clock
        self._batches, self._seed = history.batches, history.seed
        self._carries_s = history.carries_s
        self._processes: dict[tuple[Function, int], Stage] = {}

    def invoke(self, function: Function, event: Mapping[str, Any], run: Run) -> InvocationResult:
        """Run a function with the faults of ``run``; return the result that its mapping gets."""
        if run.outcome == "throttled":
            return Throttled()
        if run.outcome == "stillborn":
            return Failed("the process did not start")
        process = (function, run.environment)
        interrupted, self._injector.faults = self._injector.faults, Faults(run)
        try:
            value = self._stage(process)(event)
        except Crash:
            self._processes.pop(process, None)
            return Failed("the process died")
        except Exception as error:  # noqa: BLE001 - as Lambda does; the invariants check that nothing was raised
            if event["Records"] or not isinstance(error, Transient):  # the end of a window can only be repeated so
                self.raised.append(f"{function} raised {type(error).__name__}: {error}")
            return Failed(str(error))
        finally:
            self._injector.faults = interrupted
        if run.outcome == "times out":
            self._processes.pop(process, None)
            return Failed("time is up")
        return Returned(value)

    def expire(self) -> None:
        """Delete expired rows of the aggregates table, as TTL does."""
        for row in self.database.rows(TABLE):
            if "expires_at" in row and int(row["expires_at"]["N"]) < self._clock():
                self.database.delete_item(TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})

    def _stage(self, process: tuple[Function, int]) -> Stage:
        stage = self._processes.get(process)
        if stage is None:
            makers = {
                "aggregate": lambda: self._aggregate(process[1]),
                "fanout": self._fanout,
                "archive": self._archive,
            }
            stage = self._processes[process] = makers[process[0]]()
        return stage

    def _aggregate(self, process: int) -> Stage:
        before = self._seed % _RELEASES_MEET_EVERY == 1 and process == 1
        stage, orders = self._aggregator(), OrdersOfTheReleaseBefore if before else OrderMeasures
        reserve = self._seed % _RESERVES
        in_parts = self._seed % _PARTS_EVERY == _PARTS_REMAINDER
        most_rows = _FEW_ROWS if in_parts else MAX_ROWS
        # one process has time for all parts of a batch, the other one for the first
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 0 if process and in_parts else 10**6)
        own = [
            (commit, "OrderMeasures", orders),
            (frequent_values, "reserve_size", lambda _shown: reserve),
            (aggregating, "MAX_ROWS", most_rows),
        ]

        def invoke(event: Mapping[str, Any]) -> dict[str, Any]:
            with _replaced(own):
                return stage(event, context)

        return invoke

    def _aggregator(self) -> Aggregator:
        table: Any = Table(self._injector, self.database)
        committer = Committer(table, TABLE, clock=self._now, use_partiql=self._batches, executor=self._executor)
        streams: Any = self.streams
        lineages = Lineages(table, streams=lambda: streams, table=TABLE, clock=self._now)
        s3: Any = self.bucket
        feeder = assemble_feeder(table, lambda: s3, TABLE, PROGRESS, "history", lineages, self._now)
        progress = self._progress(AGGREGATE)
        return Aggregator(self.pipeline, committer, lineages, feeder, progress, self._carries_s)

    def outstanding(self) -> list[str]:
        """Return the shards with changes that are acknowledged and not committed."""
        return [row["sk"]["S"] for row in self.database.rows(PROGRESS) if "outstanding" in row]

    def _fanout(self) -> Stage:
        sqs: Any = self.queues
        s3: Any = self.bucket
        destinations = Destinations(ARCHIVE_QUEUE, {route.name: route.name for route in self.pipeline.routes}, FAILURES)
        return Fanout(self.pipeline, sqs, lambda: s3, destinations, self._progress(FANOUT))

    def _archive(self) -> Stage:
        s3: Any = self.bucket
        return partial(Archiver(s3, "archive", FAILURES), remaining_time_ms=remaining_time_ms(None))

    def _progress(self, stage: str) -> ProgressWriter:
        table: Any = Table(self._injector, self.database)
        return ProgressWriter(table, PROGRESS, stage, clock=self._now)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _executor(self, _threads: int) -> Executor:
        return SerialExecutor(self._injector.faults.run.order)

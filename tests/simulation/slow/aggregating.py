"""The aggregate stage on slow services: it receives batches and windows until all are absorbed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from msgspec import Struct

from local.in_memory import Database
from tailrace import Collection, Pipeline
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.feeder import assemble_feeder, fingerprints
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.backfill.generations import created
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.errors import Transient
from tailrace.testing import event, rows
from tests.simulation.slow.services import Clock, Killed, SlowBucket, SlowCalls, SlowTable, Speed
from tests.simulation.world.serial_executor import SerialExecutor

TIMEOUT_S = 120
AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
ORDERS = Collection("orders", schema={"type": "object"})


class Outcome(Struct):
    """The cost: deliveries, and processes that were killed."""

    deliveries: int = 0
    killed: int = 0


class SlowStage:
    """The stage with its services, in one process after another."""

    def __init__(
        self, pipeline: Pipeline, records: Sequence[Json], seed: int, speed: Speed, carries_s: int = 0
    ) -> None:
        self.pipeline, self.records, self.carries_s = pipeline, records, carries_s
        self.clock, self.outcome = Clock(), Outcome()
        self.database = Database()
        for name in ("aggregates", "progress"):
            self.database.create(name, "pk", "sk")
        known = [created(name, version, of) for (name, version), of in fingerprints(pipeline).items()]
        database: Any = self.database
        ControlTable(database, "aggregates").create(known, since_creation=True)
        chance = Random(seed)  # noqa: S311 - not a secret
        self.table: Any = SlowTable(SlowCalls(self.clock, chance, speed), self.database, records)
        self.bucket: Any = SlowBucket(SlowCalls(self.clock, chance, speed, lanes=8))
        self._stage = self._started()

    def deliver(self, records: Sequence[Json], most: int) -> None:
        """Deliver a batch until all of it is absorbed."""
        left = list(records)
        for _ in range(most):
            answer = self._invoke(event(left))
            if answer is not None:
                left = left[_absorbed(left, answer) :]
            if not left:
                return
        raise AssertionError(f"{len(left)} changes are left after {most} deliveries")

    def deliver_windows(self, size: int, batches: int, most: int) -> None:
        """Deliver all records in windows of some batches."""
        start = 0
        for _ in range(-(-len(self.records) // (size * batches))):
            state: Any = {}
            for final in (*[False] * batches, True):
                left = [] if final else list(self.records[start : start + size])
                start += len(left)
                state = self._deliver_in_window(left, state, most, final=final)

    def _deliver_in_window(self, left: list[Json], state: Any, most: int, *, final: bool) -> Any:
        for _ in range(most):
            answer = self._invoke(event(left) | {"state": state, "isFinalInvokeForWindow": final})
            if answer is not None:
                done = _absorbed(left, answer)
                left, state = left[done:], answer.get("state", {}) if done or not left else state
                if not left:
                    return state
        raise AssertionError(f"{len(left)} changes of a window are left after {most} deliveries")

    def rows(self) -> dict[str, list[Json]]:
        """Return each aggregate's rows, as readers see them."""
        found: dict[str, list[Json]] = {}
        stored = [decode_item(row) for row in self.database.rows("aggregates")]
        for aggregate in self.pipeline.newest_aggregates:
            of = [aggregate.render(row) for row in stored if row["pk"].startswith(f"{aggregate.name}@")]
            found[aggregate.name] = [_plain(row) for row in of if row is not None]
        return found

    def recomputed(self) -> dict[str, list[Json]]:
        """Return the expected rows."""
        found = rows(self.records, self.pipeline)
        return {name: [_plain(row) for row in of] for name, of in found.items()}

    def _invoke(self, one: Json) -> Json | None:
        self.clock.begin(TIMEOUT_S)
        self.outcome.deliveries += 1
        try:
            return self._stage(one, self.clock)
        except Killed:
            self.outcome.killed += 1
            self._stage = self._started()
        except Transient:
            assert not one["Records"]
        return None

    def _started(self) -> Aggregator:
        committer = Committer(self.table, "aggregates", self._now, executor=lambda _threads: SerialExecutor(0))
        lineages = Lineages(self.table, lambda: self.table, "aggregates", self._now)
        bucket: Callable[[], Any] = lambda: self.bucket  # noqa: E731
        feeder = assemble_feeder(self.table, bucket, "aggregates", "progress", "history", lineages, self._now)
        progress = ProgressWriter(self.table, "progress", "aggregate", self._now)
        return Aggregator(self.pipeline, committer, lineages, feeder, progress, self.carries_s)

    def _now(self) -> datetime:
        return AT + timedelta(milliseconds=self.clock.now_ms)


def _absorbed(left: Sequence[Json], answer: Json) -> int:
    numbers = [one["dynamodb"]["SequenceNumber"] for one in left]
    failures = answer["batchItemFailures"]
    return numbers.index(failures[0]["itemIdentifier"]) if failures else len(left)


def _plain(row: Json) -> Json:
    return {name: value for name, value in row.items() if name != "updated_at"}

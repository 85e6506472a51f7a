"""A table that takes long for each call: an invocation ends in time, and the next one goes on."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, maximum, total
from tailrace.aggregation.row_changes import MAX_ROWS
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.feeder import Feeder, assemble_feeder
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.aws.stages.pace import Pace
from tailrace.encoding.dynamodb import decode_item
from tailrace.testing import SHARD, event, record
from tests.simulation.world.serial_executor import SerialExecutor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIMEOUT_MS, WRITE_MS = 120_000, 400
SHOPS = 450
MOST = 14
"""Deliveries: each has the time of 200 writes, and the batch with order measures needs twelve times as many."""
LINEAR: Any = {"amount": total("amount")}
ORDERED: Any = {"orders": count(), "most": maximum("amount"), "amounts": distinct("amount")}
ORDERS = Collection("orders", schema={"type": "object"})


class TimedOut(BaseException):
    """Lambda has killed the process, and what it remembered is gone."""


class SlowTable:
    """Tables in memory, and the time that an invocation has left: each write takes some of it."""

    def __init__(self) -> None:
        self.left_ms = TIMEOUT_MS
        self.database = Database()
        for name in ("aggregates", "progress"):
            self.database.create(name, "pk", "sk")

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms

    def describe_stream(self, **_request: Any) -> Any:
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD, "SequenceNumberRange": {}}]}}

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            if name in ("update_item", "transact_write_items", "batch_execute_statement"):
                self.left_ms -= WRITE_MS
            if self.left_ms < 0:
                raise TimedOut
            return getattr(self.database, name)(**request)

        return call

    def rows(self) -> list[Any]:
        rows = map(decode_item, self.database.rows("aggregates"))
        return [row for row in rows if row["pk"].startswith("shops@")]


def started(table: Any, pipeline: Pipeline) -> Aggregator:
    """Return the stage in a new process."""
    clock = lambda: NOW  # noqa: E731
    committer = Committer(table, "aggregates", clock, executor=lambda _threads: SerialExecutor(0))
    lineages = Lineages(table, lambda: table, "aggregates", clock)
    no_bucket: Any = None
    feeder = assemble_feeder(table, lambda: no_bucket, "aggregates", "progress", "history", lineages, clock)
    return Aggregator(pipeline, committer, lineages, feeder, ProgressWriter(table, "progress", "aggregate", clock))


@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
def test_a_batch_whose_rows_take_longer_than_an_invocation_is_absorbed_in_a_few(measures: Any) -> None:
    """A process that runs out of time would be killed with what it remembers, and the next would begin again."""
    shops = Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=False)
    pipeline, table = Pipeline([ORDERS], [shops]), SlowTable()
    records = [record(n, "orders", (str(n), None, {"shop": str(n), "amount": n})) for n in range(1, SHOPS + 1)]
    moved = [
        record(SHOPS + n, "orders", (str(n), {"shop": str(n), "amount": n}, {"shop": "all", "amount": n}))
        for n in range(1, SHOPS + 1)
    ]
    for batch, there in ((records, SHOPS), (moved, 1)):
        stage, left, deliveries = started(table, pipeline), batch, 0
        while left:
            table.left_ms, deliveries = TIMEOUT_MS, deliveries + 1
            failures = stage(event(left), table)["batchItemFailures"]
            numbers = [one["dynamodb"]["SequenceNumber"] for one in left]
            left = left[numbers.index(failures[0]["itemIdentifier"]) :] if failures else []
            assert deliveries <= MOST
        assert sum(row["~n"] for row in table.rows()) == SHOPS
        assert len([row for row in table.rows() if row["~n"]]) == there
    assert all("expires_at" in row for row in table.rows() if not row["~n"])


class Refusing(SlowTable):
    """A quick table that takes no writes to the row of one shop."""

    refuses = True

    def update_item(self, **request: Any) -> Any:
        if self.refuses and request["Key"]["pk"] == {"S": "shops@1#1"}:
            raise client_error("UpdateItem", "ProvisionedThroughputExceededException", "")
        return self.database.update_item(**request)


def test_a_row_that_cannot_be_written_does_not_make_parts_smaller() -> None:
    """Other shards of the process would be slowed down, and the batch itself when its row can be written again."""
    shops = Aggregate("shops", of=ORDERS, by=[field("shop")], measures=LINEAR, listed=False)
    table = Refusing()
    stage = started(table, Pipeline([ORDERS], [shops]))
    batch = [record(n, "orders", (str(n), None, {"shop": str(n), "amount": n})) for n in range(1, 101)]
    for _ in range(5):
        table.left_ms = TIMEOUT_MS
        (failure,) = stage(event(batch), table)["batchItemFailures"]
        assert failure["itemIdentifier"] == batch[0]["dynamodb"]["SequenceNumber"]
    assert stage.pace.rows == MAX_ROWS
    table.refuses = False
    assert stage(event(batch), table)["batchItemFailures"] == []
    assert sum(row["~n"] for row in table.rows()) == len(batch)


def test_a_later_part_begins_no_write_in_the_last_seconds_either(monkeypatch: pytest.MonkeyPatch) -> None:
    shops = Aggregate("shops", of=ORDERS, by=[field("shop")], measures=LINEAR, listed=False)
    table, checked = SlowTable(), list[bool]()
    write: Any = Feeder.write

    def late(self: Feeder, *what: Any) -> None:
        *others, has_time = what
        table.left_ms = 30_000 if checked else 65_000  # after the first part, there is time for another one
        checked.append(has_time())
        write(self, *others, has_time)

    monkeypatch.setattr(Feeder, "write", late)
    stage = replace(started(table, Pipeline([ORDERS], [shops])), pace=Pace(rows=1))
    stage(event([record(n, "orders", (str(n), None, {"shop": str(n), "amount": n})) for n in (1, 2)]), table)
    assert checked == [True, False]

"""A constantly updated row stays small: a month of a table with ten partitions whose shards roll."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from local.in_memory import Database
from pipeline.definition import pipeline
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import SHARDS, Lineages
from tailrace.aws.backfill.feeder import assemble_feeder
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.testing import event, record
from tests.simulation.world.isolation import isolated
from tests.simulation.world.serial_executor import SerialExecutor

PARTITIONS = 10
LIFE = timedelta(hours=4)
MONTH = timedelta(days=30)
WRITE_UNIT_BYTES = 1024
FLIGHT = {
    "carrier": "UA",
    "flight": 1545,
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400,
    "scheduled_departure": "2013-01-01T05:15:00-05:00",
    "sched_arr_time": 819,
    "status": "departed",
    "dep_time": 517,
    "dep_delay": 2,
}


class Month:
    """A month's stream, and the aggregate stage that reads it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.sequence = count(4 * 10**20, 7)
        self.shards: dict[str, dict[str, Any]] = {}
        self.open = [self.open_shard(None) for _ in range(PARTITIONS)]
        self.database = Database()
        self.database.create("aggregates", "pk", "sk")
        self.database.create("progress", "pk", "sk")
        client: Any = self.database
        clock = lambda: self.now  # noqa: E731
        committer = Committer(client, "aggregates", clock=clock, executor=lambda _threads: SerialExecutor(0))
        streams: Any = self
        lineages = Lineages(client, lambda: streams, "aggregates", clock)
        no_bucket: Any = None
        feeder = assemble_feeder(client, lambda: no_bucket, "aggregates", "progress", "history", lineages, clock)
        progress = ProgressWriter(client, "progress", "aggregate", clock)
        self.stage = Aggregator(pipeline, committer, lineages, feeder, progress)

    def open_shard(self, parent: str | None) -> str:
        """Open a shard; return its id."""
        shard = f"shardId-{int(self.now.timestamp() * 1000):020d}-{len(self.shards):08x}"
        known = {"ShardId": shard, "SequenceNumberRange": {"StartingSequenceNumber": str(next(self.sequence))}}
        self.shards[shard] = known | ({"ParentShardId": parent} if parent else {})
        return shard

    def close_shard(self) -> None:
        """Close every shard and open its child."""
        for index, shard in enumerate(self.open):
            self.shards[shard]["SequenceNumberRange"]["EndingSequenceNumber"] = str(next(self.sequence))
            self.open[index] = self.open_shard(shard)

    def split(self) -> None:
        """Replace an open shard, which gets no more writes, with a second child of another shard's parent."""
        self.open[-1] = self.open_shard(self.shards[self.open[0]]["ParentShardId"])

    def describe_stream(self, **_request: Any) -> dict[str, Any]:
        """Describe the shards that the stream still retains: those of the last day."""
        return {"StreamDescription": {"Shards": list(self.shards.values())[-8 * PARTITIONS :]}}

    def touch(self) -> None:
        """Deliver one new flight of the same airport and day from every shard."""
        for shard in self.open:
            number = next(self.sequence)
            batch = event([record(number, "flights", (str(number), None, FLIGHT))], shard=shard)
            assert self.stage(batch)["batchItemFailures"] == []

    def row(self) -> dict[str, Any]:
        """Return the row of the airport and day."""
        key = {"pk": {"S": "origin_days@1#EWR"}, "sk": {"S": "2013-01-01"}}
        row: dict[str, Any] = self.database.get_item(TableName="aggregates", Key=key, ConsistentRead=True)["Item"]
        return row


def size(row: dict[str, Any]) -> int:
    """Return the bytes of a row as DynamoDB bills them: names, texts, and numbers at two digits per byte plus one.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    total = 0
    for name, value in row.items():
        ((kind, text),) = value.items()
        total += len(name.encode()) + (len(text) // 2 + 2 if kind == "N" else len(text.encode()))
    return total


def is_night(at: datetime) -> bool:
    """Tell whether it is in the daily twelve hours without writes."""
    return at.hour < 12


def is_weekend(at: datetime) -> bool:
    """Tell whether it is in the weekly three days without writes, which exceed the stream's retention."""
    return at.weekday() > 3


@pytest.mark.parametrize("quiet", [is_night, is_weekend])
def test_idle_shards_leave_no_marks_behind(quiet: Callable[[datetime], bool]) -> None:
    with isolated():
        month = Month()
        touched = 0
        while month.now < datetime(2026, 1, 31, tzinfo=UTC):
            if not quiet(month.now):
                month.touch()
                touched += PARTITIONS
            month.now += LIFE
            month.close_shard()
        month.touch()
        row = month.row()
    assert int(row["flights"]["N"]) == touched + PARTITIONS
    # per partition the mark of its lineage, and at most one that is too recent to drop
    assert sum(name.startswith("~") for name in row) <= 2 * PARTITIONS + 1
    assert size(row) < 2 * WRITE_UNIT_BYTES


def test_a_month_of_rolling_shards_leaves_a_row_below_one_write_unit() -> None:
    touched = largest = 0
    with isolated():
        month = Month()
        begin = month.now
        while month.now < begin + MONTH:
            month.touch()
            touched += PARTITIONS
            largest = max(largest, size(month.row()))
            month.now += LIFE
            month.close_shard()
            if month.now - begin in (MONTH / 3, MONTH * 2 / 3):
                month.split()
        row = month.row()
    assert int(row["flights"]["N"]) == touched
    assert largest < WRITE_UNIT_BYTES
    assert sum(name.startswith("~") for name in row) <= PARTITIONS + 2 + 1, "more than a mark per lineage and the count"
    lineages = [one for one in month.database.rows("aggregates") if one["pk"]["S"] == SHARDS]
    assert all("expires_at" in one for one in lineages)

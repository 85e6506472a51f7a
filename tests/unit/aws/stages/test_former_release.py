"""Rows, control rows and a window's state that an earlier release has written, continued by this one.

`former_release.json` is what the code of 30 November 2026 left in its tables after it had committed the first of three
records and carried the others. An update must neither interrupt the aggregate nor count anything twice.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.in_memory import Database
from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    distinct,
    field,
    last,
    minimum,
    quantile,
    top,
    total,
)
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.feeder import assemble_feeder
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.encoding.dynamodb import decode_item

ORDERS = Collection("orders", schema={"type": "object", "required": ["shop"]})
MEASURES: Any = {
    "orders": count(),
    "revenue": total("amount"),
    "least": minimum("amount"),
    "median": quantile("amount", 0.5),
    "usual": top("amount", 2),
    "cities": distinct("city"),
    "latest": last("amount", by="placed"),
}
PIPELINE = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=[field("shop")], measures=MEASURES)])
FORMER = json.loads(Path(__file__).with_name("former_release.json").read_text(encoding="utf-8"))
EXPECTED = {
    "orders": 2,
    "revenue": "5.25",
    "least": "0.25",
    "median": "0.25",
    "cities": 1,
    "latest": 5,
    "usual": [{"value": "0.25", "count": 1}, {"value": 5, "count": 1}],
}


class Stream:
    """The stream, which still has the three records; counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def describe_stream(self, **_request: Any) -> Any:
        """Describe its only shard."""
        return {"StreamDescription": {"Shards": [{"ShardId": "s0", "SequenceNumberRange": {}}]}}

    def get_shard_iterator(self, *, SequenceNumber: str, **_request: Any) -> Any:  # noqa: N803 - boto3's name
        """Open the shard at a record."""
        return {"ShardIterator": SequenceNumber}

    def get_records(self, *, ShardIterator: str) -> Any:  # noqa: N803
        """Return the records from there on."""
        self.reads += 1
        return {"Records": list(_records(int(ShardIterator)))}


def _records(start: int) -> Iterator[Any]:
    for record in FORMER["records"]:
        change = record["dynamodb"]
        if int(change["SequenceNumber"]) >= start:
            created = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
            yield record | {"dynamodb": change | {"ApproximateCreationDateTime": created}}


@pytest.mark.parametrize("state", [FORMER["state"], {}])
def test_what_a_former_release_has_carried_is_committed_once(state: dict[str, Any]) -> None:
    database, stream = Database(), Stream()
    for name in ("aggregates", "progress"):
        database.create(name, "pk", "sk")
        for row in FORMER[name]:
            database.put_item(TableName=name, Item=row)
    stage = _stage(database, stream)
    for _ in range(2):  # the final call of the window comes twice
        event = {"Records": [], "shardId": "s0", "eventSourceARN": "stream", "state": state}
        stage(event | {"isFinalInvokeForWindow": True, "isWindowTerminatedEarly": False})
    assert stream.reads == (0 if state else 1)
    records = {"Records": FORMER["records"], "shardId": "s0", "eventSourceARN": "stream", "state": {}}
    assert stage(records)["batchItemFailures"] == []  # and all records once more
    (row,) = [one for one in map(decode_item, database.rows("aggregates")) if one["pk"] == "shops@1#a"]
    assert json.loads(json.dumps({name: row[name] for name in EXPECTED}, default=_plain)) == EXPECTED
    assert ControlTable(_any(database), "aggregates").read().generations["shops", 1].exact


def _stage(database: Database, stream: Stream) -> Aggregator:
    clock = lambda: datetime(2024, 10, 27, 3, 34, tzinfo=UTC)  # noqa: E731
    client = _any(database)
    committer = Committer(client, "aggregates", clock)
    lineages = Lineages(client, lambda: _any(stream), "aggregates", clock)
    feeder = assemble_feeder(client, lambda: _any(None), "aggregates", "progress", "history", lineages, clock)
    return Aggregator(PIPELINE, committer, lineages, feeder, ProgressWriter(client, "progress", "aggregate", clock), 60)


def _any(client: Any) -> Any:
    return client


def _plain(number: Any) -> Any:
    return int(number) if number == int(number) else str(number)

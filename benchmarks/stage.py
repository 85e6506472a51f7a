"""The aggregate stage on an in-memory table that counts its requests."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from local.in_memory import Database
from pipeline.definition import pipeline
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.feeder import assemble_feeder
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.encoding.json_types import Json
from tailrace.queries.freshness import AGGREGATE

TABLE, PROGRESS = "aggregates", "progress"
_UNIT = 1024


class CountingClient:
    """A client of the in-memory table that counts calls, writes and write units, including rejected writes."""

    def __init__(self) -> None:
        self.database = Database(returns_rejected_item=True)
        self.database.create(TABLE, "pk", "sk")
        self.database.create(PROGRESS, "pk", "sk")
        self.counts: Counter[str] = Counter()

    def update_item(self, **request: Any) -> Json:
        """Write one row."""
        self._count("UpdateItem", [request["Key"]], request["TableName"])
        return self.database.update_item(**request)

    def batch_execute_statement(self, *, Statements: list[Json]) -> Json:  # noqa: N803 - boto3's name
        """Write existing rows."""
        keys = [dict(zip(("pk", "sk"), entry["Parameters"][-3:-1], strict=True)) for entry in Statements]
        self._count("BatchExecuteStatement", keys)
        return self.database.batch_execute_statement(Statements=Statements)

    def __getattr__(self, operation: str) -> Any:
        self.counts["other calls"] += 1
        return getattr(self.database, operation)

    def _count(self, operation: str, keys: list[Json], table: str = TABLE) -> None:
        self.counts[operation] += 1
        self.counts["writes"] += len(keys)
        for key in keys:
            row = self.database.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
            self.counts["units"] += 1 + _size(row) // _UNIT


def _size(row: Json) -> int:
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in row.items())


class NoStreams:
    """A DynamoDB Streams client without shards."""

    def describe_stream(self, **_request: Any) -> Json:
        """Describe a stream without shards."""
        return {"StreamDescription": {"Shards": []}}


def stage(client: Any, s3: Callable[[], Any] | None = None, write_behind_s: int = 0) -> Aggregator:
    """Assemble the stage on a client; ``s3`` makes that of the journal's bucket."""
    os.environ |= {"POWERTOOLS_LOG_LEVEL": "CRITICAL", "POWERTOOLS_METRICS_DISABLED": "true"}
    streams: Any = NoStreams()
    # one thread: the in-memory table is not thread-safe, and never blocks
    committer = Committer(client, TABLE, clock=_now, executor=lambda _threads: ThreadPoolExecutor(1))
    lineages = Lineages(client, lambda: streams, TABLE, _now)
    feeder = assemble_feeder(client, s3 or _no_bucket, TABLE, PROGRESS, "history", lineages, _now)
    progress = ProgressWriter(client, PROGRESS, AGGREGATE, _now)
    return Aggregator(pipeline, committer, lineages, feeder, progress, write_behind_s)


def _no_bucket() -> Any:
    raise AssertionError("nothing is journaled while no job runs")


def _now() -> datetime:
    return datetime.now(UTC)

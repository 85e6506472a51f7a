"""api: items, aggregate rows and the health of the stages, over HTTP."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from time import perf_counter
from typing import Any

from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.api.idempotency import Idempotency
from tailrace.aws.api.router import Router
from tailrace.aws.api.server_timing import timed
from tailrace.aws.api.snapshots import load_before_snapshot
from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.health import HealthMonitor, sources
from tailrace.aws.monitoring.progress import ProgressReader
from tailrace.aws.monitoring.throughput import count_requests, for_process
from tailrace.aws.runtime.clients import client, impatient_client
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.definition.pipeline import load_pipeline

load_before_snapshot(os.environ)


@cache
def stage(given: ApiSettings) -> Callable[..., dict[str, Any]]:
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    pipeline, db, now = load_pipeline(given.tailrace_pipeline), client("dynamodb"), partial(datetime.now, UTC)
    items, rows = ItemStore(db, given.items_table, pipeline, given.writes_items), RowReader(db, given.aggregates_table)
    lag = CachedProgress(ProgressReader(impatient_client("dynamodb"), given.progress_table), now)
    health = HealthMonitor(partial(sources, given, pipeline), lag, now)
    api = Router(pipeline, items, rows, health, Idempotency(db, given.idempotency_table), given.scopes)
    return count_requests(api, for_process(given.progress_table, "api", now))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Respond to a request of the HTTP API."""
    return timed(stage(ApiSettings.parse(os.environ)), perf_counter)(event, context)

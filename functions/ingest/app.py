"""ingest: from the intake queue (FIFO) to the items table, in order for each item."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.throughput import count_messages, for_process
from tailrace.aws.runtime.clients import client, storing_client
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.settings import IngestSettings
from tailrace.aws.stages.ingest import Ingester
from tailrace.definition.pipeline import load_pipeline


@cache
def stage(settings: IngestSettings) -> Callable[..., dict[str, Any]]:
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    pipeline = load_pipeline(settings.tailrace_pipeline)
    items = ItemStore(client("dynamodb"), settings.items_table, pipeline, settings.writes_items)
    throughput = for_process(settings.progress_table, "ingest", lambda: datetime.now(UTC))
    return count_messages(Ingester(items, storing_client, settings.failures_bucket), throughput)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Ingest a batch of messages; the response names those to redeliver."""
    return stage(IngestSettings.parse(os.environ))(event, remaining_time_ms(context))

"""ingest: from the intake queue (FIFO) to the items table, in order for each item."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.throughput import counting_messages, for_process
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.deadlines import time_left_ms
from tailrace.aws.runtime.settings import IngestSettings
from tailrace.aws.stages.ingest import Intake
from tailrace.definition.pipeline import load_pipeline


@cache
def stage(settings: IngestSettings) -> Callable[..., dict[str, Any]]:
    """Put the stage together; once for each environment, since Lambda calls the handler many times."""
    items = ItemStore(client("dynamodb"), settings.items_table, load_pipeline(settings.tailrace_pipeline))
    told = for_process(settings.progress_table, "ingest", lambda: datetime.now(UTC))
    return counting_messages(Intake(items, client("s3"), settings.failures_bucket), told)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take a batch of messages; the answer names those that have to be delivered again."""
    return stage(IngestSettings.parse(os.environ))(event, time_left_ms(context))

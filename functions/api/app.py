"""api: items in and out of the items table, rows out of the aggregates table, by HTTP."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.clients import client
from tailrace.aws.idempotency import Idempotency
from tailrace.aws.items import ItemStore
from tailrace.aws.progress import ProgressReader
from tailrace.aws.rows import RowReader
from tailrace.aws.serving.api import Api
from tailrace.aws.settings import ApiSettings
from tailrace.aws.watching import Watch
from tailrace.definitions import load_pipeline


@cache
def stage(settings: ApiSettings) -> Api:
    """Put the stage together; once for each environment, since Lambda calls the handler many times."""
    pipeline, dynamodb = load_pipeline(settings.tailrace_pipeline), client("dynamodb")
    items = ItemStore(dynamodb, settings.items_table, pipeline)
    watch = Watch(ProgressReader(dynamodb, settings.progress_table), lambda: datetime.now(UTC))
    rows = RowReader(dynamodb, settings.aggregates_table)
    return Api(pipeline, items, rows, watch, Idempotency(dynamodb, settings.idempotency_table))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request of the HTTP API."""
    return stage(ApiSettings.parse(os.environ))(event, context)

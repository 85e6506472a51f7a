"""load: from files in the bucket's inbox to the items table, with a receipt per file."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from tailrace.aws.monitoring.throughput import count_lines, for_process
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.invocations import invoke_later
from tailrace.aws.runtime.settings import LoadSettings
from tailrace.aws.stages.load import Loader
from tailrace.definition.pipeline import load_pipeline


@cache
def stage(settings: LoadSettings) -> Callable[..., list[dict[str, Any]]]:
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    clock = partial(datetime.now, UTC)
    throughput = for_process(settings.progress_table, "load", clock)
    loader = Loader(
        pipeline=load_pipeline(settings.tailrace_pipeline),
        dynamodb=client("dynamodb"),
        s3=client("s3"),
        items_table=settings.items_table,
        failures_bucket=settings.failures_bucket,
        clock=clock,
        hand_on=lambda event: invoke_later(client("lambda"), settings.load_function, event),
        count_accepted=throughput.count,
        writes_items=settings.writes_items,
    )
    return count_lines(loader, throughput)


def handler(event: dict[str, Any], context: Any) -> list[dict[str, Any]]:
    """Load the files of an S3 notification, and return their receipts."""
    return stage(LoadSettings.parse(os.environ))(event, remaining_time_ms(context))

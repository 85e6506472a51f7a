"""archive: from the archive's queue to objects in the archive bucket, by collection and hour."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.monitoring.throughput import count_messages, for_process
from tailrace.aws.runtime.clients import storing_client
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.garbage import collect_seldom
from tailrace.aws.runtime.settings import ArchiveSettings
from tailrace.aws.stages.archive import Archiver


@cache
def stage(settings: ArchiveSettings) -> Callable[..., dict[str, Any]]:
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    collect_seldom()
    throughput = for_process(settings.progress_table, "archive", lambda: datetime.now(UTC))
    return count_messages(Archiver(storing_client(), settings.archive_bucket, settings.failures_bucket), throughput)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Archive a batch of messages; the response names those to redeliver."""
    return stage(ArchiveSettings.parse(os.environ))(event, remaining_time_ms(context))

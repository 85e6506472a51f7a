"""aggregate: from the items table's stream to the aggregates table, each change counted exactly once."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.aggregating import Aggregator
from tailrace.aws.clients import client
from tailrace.aws.commit import Committer
from tailrace.aws.settings import AggregateSettings, on_aws
from tailrace.definitions import load_pipeline


@cache
def stage(settings: AggregateSettings) -> Aggregator:
    """Put the stage together; once for each environment, since Lambda calls the handler many times."""
    committer = Committer(
        client("dynamodb"), settings.aggregates_table, clock=lambda: datetime.now(UTC), batches=on_aws(os.environ)
    )
    return Aggregator(load_pipeline(settings.tailrace_pipeline), committer)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Absorb a batch of the stream; the answer names the first change that has to be delivered again."""
    return stage(AggregateSettings.parse(os.environ))(event)

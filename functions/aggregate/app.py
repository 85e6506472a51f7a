"""aggregate: from the items table's stream to the aggregates table, each change counted exactly once."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.feeder import assemble_feeder
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.clients import client, storing_client
from tailrace.aws.runtime.garbage import collect_seldom
from tailrace.aws.runtime.settings import AggregateSettings, in_function
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.definition.pipeline import load_pipeline
from tailrace.queries.freshness import AGGREGATE


@cache
def stage(settings: AggregateSettings) -> Aggregator:
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    collect_seldom()
    dynamodb, table = client("dynamodb"), settings.aggregates_table
    committer = Committer(dynamodb, table, clock=_now, use_partiql=in_function(os.environ))
    lineages = Lineages(dynamodb, lambda: client("dynamodbstreams"), table, _now)
    bucket = settings.history_bucket
    feeder = assemble_feeder(dynamodb, storing_client, table, settings.progress_table, bucket, lineages, _now)
    progress = ProgressWriter(dynamodb, settings.progress_table, AGGREGATE, clock=_now)
    pipeline = load_pipeline(settings.tailrace_pipeline)
    return Aggregator(pipeline, committer, lineages, feeder, progress, settings.write_behind_s)


def _now() -> datetime:
    return datetime.now(UTC)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Fold a batch of the stream; the response names the first change to redeliver."""
    return stage(AggregateSettings.parse(os.environ))(event, context)

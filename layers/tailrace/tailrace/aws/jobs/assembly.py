"""Assembles what jobs work with, from the settings of the history function."""

import os
from datetime import UTC, datetime
from functools import cache

from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.deployment import Deployment
from tailrace.aws.jobs.job import JobTable
from tailrace.aws.jobs.shards import StreamShards
from tailrace.aws.jobs.timing import ONE_MACHINE, Timing
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.settings import HistorySettings, in_function, on_aws
from tailrace.definition.pipeline import load_pipeline


@cache
def job_context(settings: HistorySettings) -> JobContext:
    """Assemble what jobs work with, once per settings."""
    dynamodb, table, bucket = client("dynamodb"), settings.aggregates_table, settings.history_bucket
    s3 = lambda: client("s3")  # noqa: E731
    lineages = Lineages(dynamodb, streams=lambda: client("dynamodbstreams"), table=table, clock=_now)
    pipeline = load_pipeline(settings.tailrace_pipeline)
    fingerprints(pipeline)  # now: functions may change what they refer to, such as a cache
    virtual = tuple(name for name in settings.virtual_shards.split(",") if name)
    return JobContext(
        pipeline=pipeline,
        dynamodb=dynamodb,
        s3=s3,
        items_table=settings.items_table,
        aggregates_table=table,
        history_bucket=bucket,
        failures_bucket=settings.failures_bucket,
        jobs=JobTable(dynamodb, table, _now),
        control=ControlTable(dynamodb, table),
        progress=ProgressRows(dynamodb, settings.progress_table),
        firsts=BoundaryFirsts(dynamodb, table, _now),
        journal=JournalBucket(s3, bucket),
        expired=ExpiredImages(s3, bucket),
        lineages=lineages,
        committer=Committer(dynamodb, table, clock=_now, use_partiql=in_function(os.environ)),
        shards=StreamShards(dynamodb, settings.items_table, lineages, lambda: virtual),
        deployment=Deployment(lambda: client("lambda"), settings.aggregate_function),
        timing=Timing() if on_aws(os.environ) else ONE_MACHINE,
        clock=_now,
        attached_stream=settings.attached_stream,
    )


def _now() -> datetime:
    return datetime.now(UTC)

"""history: builds, verifies and repairs aggregates beside the running stream, one step or part at a time."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.deployment import Deployment
from tailrace.aws.jobs.genesis import answer_cloudformation, write_first_control_rows
from tailrace.aws.jobs.job import JobTable
from tailrace.aws.jobs.machine import abandon, advance, work_on
from tailrace.aws.jobs.shards import StreamShards
from tailrace.aws.jobs.timing import ONE_MACHINE, Timing
from tailrace.aws.jobs.workshop import JobEnded, Workshop
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.settings import HistorySettings, on_aws
from tailrace.backfill.generations import WrongState
from tailrace.definition.pipeline import load_pipeline
from tailrace.errors import NotFound


@cache
def workshop(settings: HistorySettings) -> Workshop:
    """Assemble what jobs work with, once per settings."""
    dynamodb, table, bucket = client("dynamodb"), settings.aggregates_table, settings.history_bucket
    s3 = lambda: client("s3")  # noqa: E731
    lineages = Lineages(dynamodb, streams=lambda: client("dynamodbstreams"), table=table, clock=_now)
    virtual = tuple(name for name in settings.virtual_shards.split(",") if name)
    return Workshop(
        pipeline=load_pipeline(settings.tailrace_pipeline),
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
        committer=Committer(dynamodb, table, clock=_now, use_partiql=on_aws(os.environ)),
        shards=StreamShards(dynamodb, settings.items_table, lineages, lambda: virtual),
        deployment=Deployment(lambda: client("lambda"), settings.aggregate_function),
        timing=Timing() if on_aws(os.environ) else ONE_MACHINE,
        clock=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Do one task: a step or part of a job, an operator's command, or CloudFormation's request at the creation."""
    settings = HistorySettings.parse(os.environ)
    shop = workshop(settings)
    if "ResponseURL" in event:
        tables = (settings.items_table, settings.aggregates_table, settings.progress_table)
        answer_cloudformation(event, lambda: write_first_control_rows(shop, tables))
        return {}
    commands = Commands(shop, settings.history_machine, lambda: client("stepfunctions"))
    try:
        return _do(shop, commands, event)
    except (JobEnded, NotFound, WrongState) as error:
        return {"error": str(error)}


def _do(shop: Workshop, commands: Commands, event: dict[str, Any]) -> dict[str, Any]:
    match event.get("task"):
        case "advance":
            return advance(shop, event["job"], worked=event.get("worked", ""))
        case "part":
            work_on(shop, event["job"], event["number"])
            return {}
        case "abandon":
            abandon(shop, event["job"], "its execution failed; see the log of the history function")
            return {}
        case "start":
            return commands.start(
                event["kind"],
                event.get("names", ()),
                repairs=bool(event.get("repairs")),
                sample=float(event.get("sample", 1)),
            )
        case "undo":
            return commands.undo(event["name"])
        case "job":
            return commands.job(event["job"])
        case "status":
            return commands.status()
    return {"error": f"unknown task {event.get('task')!r}"}

"""The tasks of the history function: a step or part of a job, an operator's command, or a notification from S3."""

from collections.abc import Mapping
from typing import Any

from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.context import JobContext, JobEnded
from tailrace.aws.jobs.steps.discarded import tell_readers
from tailrace.aws.jobs.steps.machine import abandon, advance, work_on
from tailrace.backfill.generations import WrongState
from tailrace.errors import NotFound


def do_task(context: JobContext, commands: Commands, event: Mapping[str, Any]) -> dict[str, Any]:
    """Do one task, and return its answer; ``error`` in it says why a command was refused.

    Raises:
        Transient: a service cannot be used now; the task may be repeated.
        Permanent: a service rejects a request; or the schedule's command was refused. Nobody reads the answer to the
            schedule, but an alarm fires if its calls fail.
    """
    try:
        return _do(context, commands, event)
    except (JobEnded, NotFound, WrongState) as error:
        if event.get("scheduled"):
            raise
        return {"error": str(error)}


def _do(context: JobContext, commands: Commands, event: Mapping[str, Any]) -> dict[str, Any]:
    if "Records" in event:
        tell_readers(context, event)
        return {}
    match event.get("task"):
        case "advance":
            return advance(context, event["job"], worked=event.get("worked", ""))
        case "part":
            work_on(context, event["job"], event["number"])
            return {}
        case "abandon":
            abandon(context, event["job"], "its execution failed; see the log of the history function")
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

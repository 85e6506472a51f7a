"""history: builds, verifies and repairs aggregates alongside the running stream, one step or part at a time."""

import os
from functools import cache
from typing import Any

from tailrace.aws.custom_resources.requests import serve
from tailrace.aws.jobs.assembly import job_context
from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.steps.tasks import do_task
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.settings import HistorySettings

_RESERVE_MS = 300_000
"""A part begins nothing in the last five of its fifteen minutes: the next invocation continues."""


@cache
def stage(settings: HistorySettings) -> Commands:
    """Assemble the commands, once per settings."""
    states = lambda: client("stepfunctions")  # noqa: E731
    return Commands(job_context(settings), settings.history_machine, states)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Do one task, or answer CloudFormation when it creates or updates the stack."""
    settings = HistorySettings.parse(os.environ)
    if "ResponseURL" in event:
        serve(event, settings)
        return {}
    commands, time_left = stage(settings), remaining_time_ms(context)
    return do_task(commands.context.within(lambda: time_left() > _RESERVE_MS), commands, event)

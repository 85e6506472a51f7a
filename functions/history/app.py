"""history: builds, verifies and repairs aggregates beside the running stream, one step or part at a time."""

import os
from functools import cache
from typing import Any

from tailrace.aws.jobs.assembly import workshop
from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.genesis import answer_cloudformation, write_first_control_rows
from tailrace.aws.jobs.steps.tasks import do_task
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.settings import HistorySettings


@cache
def stage(settings: HistorySettings) -> Commands:
    """Assemble the commands, once per settings."""
    return Commands(workshop(settings), settings.history_machine, lambda: client("stepfunctions"))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Do one task, or answer CloudFormation when it creates the stack."""
    settings = HistorySettings.parse(os.environ)
    commands = stage(settings)
    if "ResponseURL" not in event:
        return do_task(commands.shop, commands, event)
    tables = (settings.items_table, settings.aggregates_table, settings.progress_table)
    answer_cloudformation(event, lambda: write_first_control_rows(commands.shop, tables))
    return {}

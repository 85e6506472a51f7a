"""Calls to the stack's history function, and the progress of its jobs."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.console import show_progress
from cli.errors import CommandError
from cli.stacks import DeployedStack, explained
from tailrace.aws.runtime.errors import translate
from tailrace.backfill.job_progress import JobStatus
from tailrace.errors import Transient

_POLL_S = 1.0
_PAUSE_S = 5.0
_PATIENCE_S = 900.0
"""The longest that a part of a job runs."""

SILENCE_S = 3600.0
"""A job whose execution is alive is written more often: each minute while it waits, and after each part."""

_BAR_WIDTH = 30
_INVOKE_TIMEOUT_S = 120


class NoAnswerNow(CommandError):
    """The same call may succeed later."""


def invoke(stack: DeployedStack, **task: Any) -> dict[str, Any]:
    """Invoke the stack's history function.

    Raises:
        NoAnswerNow: it cannot be invoked now, or AWS does not answer it.
        CommandError: it cannot be invoked, or it refuses.
    """
    try:
        with explained():
            answer = stack.client("lambda", read_timeout_s=_INVOKE_TIMEOUT_S).invoke(
                FunctionName=stack.output("HistoryFunction"), Payload=json.dumps(task)
            )
            body = json.loads(answer["Payload"].read())
    except CommandError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError | BotoCoreError) and isinstance(translate(cause), Transient):
            raise NoAnswerNow(str(error)) from cause
        raise
    if "FunctionError" in answer:
        kind = NoAnswerNow if body.get("errorType") == Transient.__name__ else CommandError
        raise kind(f"The history function failed: {body.get('errorMessage', 'see its log')}")
    if "error" in body:
        raise CommandError(body["error"])
    result: dict[str, Any] = body
    return result


def follow(stack: DeployedStack, job: str) -> dict[str, Any]:
    """Show a job's progress until it ends. Ctrl-C stops the display, not the job.

    Raises:
        CommandError: the job failed, or its progress cannot be read.
    """
    phase, began, before = "", 0.0, 0
    last, changed = None, time.monotonic()
    try:
        while True:
            found = _seen(stack, job)
            if found["state"] != "running":
                break
            if found["phase"] != phase:
                phase, began, before = found["phase"], time.monotonic(), found["done"]
            # functions of earlier releases do not report the changes
            if found != last or "changes" not in found:
                last, changed = found, time.monotonic()
            if time.monotonic() - changed > SILENCE_S:
                break
            show_progress(_progress(found, time.monotonic() - began, before))
            time.sleep(_POLL_S)
    except (KeyboardInterrupt, CommandError):
        show_progress("")
        sys.stderr.write(f"The job continues; `tailrace status` shows the progress of {job}.\n")
        raise
    show_progress("")
    if found["state"] == "running":
        raise CommandError(f"{job} has made no progress for an hour: run the command again to resume it.")
    if found["state"] == "failed":
        raise CommandError(f"{job} failed: {found['reason']}.")
    return found


def _seen(stack: DeployedStack, job: str) -> dict[str, Any]:
    """Return the progress of a job. Its parts can use up the account's concurrency, so that this call has to wait."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return invoke(stack, task="job", job=job)
        except NoAnswerNow:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE_S)


def _progress(job: Mapping[str, Any], elapsed_s: float, before: int = 0) -> str:
    """Return the bar; ``before`` are the parts that were done when the phase was first seen."""
    done, total = job["done"], job["total"]
    status = JobStatus(job["job"], job["kind"], job["state"], phase=job["phase"], done=done, total=total)
    filled = int((status.fraction or 0) * _BAR_WIDTH)
    left = f", {_remaining(total - done, elapsed_s / (done - before))}" if total > 1 and done > before else ""
    return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {job['phase']}{parts_of(job)}{left}"


def parts_of(job: Mapping[str, Any]) -> str:
    """Return how many parts of its phase a job has done, after a space; empty where they cannot be counted."""
    done, total = job["done"], job["total"]
    return f" ({min(done, total):,} of {total:,})" if total > 1 else ""  # a part that was repeated counts twice


def _remaining(parts: int, seconds_per_part: float) -> str:
    # for this phase only: how long the next ones take is not known
    seconds = int(max(parts, 0) * seconds_per_part)
    return f"{seconds // 60} min {seconds % 60} s left in this phase"

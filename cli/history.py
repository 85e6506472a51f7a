"""``tailrace rebuild``, ``verify`` and ``status``: build, check and repair aggregates alongside the running stream."""

import argparse
import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.console import counted, say
from cli.errors import CommandError, UsageError
from cli.jobs import SILENCE_S, follow, invoke, parts_of
from cli.options import add_endpoint_option, add_stack_options, stack_of
from cli.stacks import DeployedStack, explained

_REBUILD_HELP = """\
Build the generations of aggregates that are not live: new ones, new versions,
and those that other code has interrupted. The stream keeps running; readers
see the old generation until the new one is complete. An interrupted rebuild
resumes where it stopped."""

_VERIFY_HELP = """\
Compare the rows of aggregates with the items, each row at its own marks, while
the stream keeps running. --repair corrects the rows that differ.

exit status: 0 all rows are right, or repaired, or the command did not wait
(--no-wait); 1 the verification failed, or continues but cannot be followed;
2 an argument is invalid; 3 some rows differ, or cannot hold a sum; 4 some could
not be judged, or the sample has no row; 130 Ctrl-C ended the display, and the
job continues."""

_DIFFERENT, _NOT_JUDGED = 3, 4


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommands."""
    raw = argparse.RawDescriptionHelpFormatter
    rebuild = commands.add_parser(
        "rebuild", help="build aggregates from the items", description=_REBUILD_HELP, formatter_class=raw
    )
    rebuild.add_argument("names", nargs="*", metavar="NAME", help="aggregates to build")
    rebuild.add_argument("--all", action="store_true", help="build all that are not live")
    rebuild.add_argument("--undo", action="store_true", help="show readers the previous generation, if it is still fed")
    _add_common(rebuild)
    rebuild.set_defaults(run=run_rebuild)
    verify = commands.add_parser(
        "verify", help="compare aggregates with the items", description=_VERIFY_HELP, formatter_class=raw
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="aggregates to verify (default: all)")
    verify.add_argument("--repair", action="store_true", help="repair rows that differ")
    verify.add_argument("--sample", type=_share, default=1.0, metavar="F", help="compare this share of the rows")
    verify.add_argument("--report", type=Path, metavar="FILE", help="write the findings to a file, one JSON per line")
    _add_common(verify)
    verify.set_defaults(run=run_verify)
    status = commands.add_parser("status", help="show generations, jobs and progress")
    status.add_argument("--json", action="store_true", help="print JSON")
    add_stack_options(status)
    add_endpoint_option(status)
    status.set_defaults(run=run_status)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", dest="wait", action="store_false", help="do not wait for the end")
    parser.add_argument("--wait", dest="wait", action="store_true", default=True, help="wait for the end (default)")
    add_stack_options(parser)
    add_endpoint_option(parser)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, not {text[:20]!r}")
    return share


def run_rebuild(options: argparse.Namespace) -> int:
    """Start or resume a rebuild, and wait for its end.

    Raises:
        CommandError: the stack cannot be found, or the rebuild failed.
    """
    if options.all and (options.names or options.undo):
        other = "--undo" if options.undo else "the names of aggregates"
        raise UsageError(f"--all and {other} cannot be combined: omit one of them.")
    if not options.names and not options.all:
        raise UsageError(f"Name the aggregates to {'show as before' if options.undo else 'rebuild, or pass --all'}.")
    stack = stack_of(options)
    if options.undo:
        for name in dict.fromkeys(options.names):
            undone = invoke(stack, task="undo", name=name)
            say(f"Readers see {undone['shown']} again.")
        return 0
    started = invoke(stack, task="start", kind="build", names=options.names)
    shown = started.get("shown", [])
    if shown:
        say(f"Live already, and shown to readers again: {', '.join(shown)}.")
    if started["job"] is None:
        if not shown:
            say("Everything is live: there is nothing to build.")
        return 0
    _say_started(started, "Building")
    if not options.wait:
        return 0
    found = follow(stack, started["job"])
    say(f"Live, and shown to readers: {', '.join(found['targets'])}.")
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Start or resume a verification, wait for its end, and report what it found.

    Raises:
        CommandError: the stack cannot be found, or the verification failed.
    """
    if options.report is not None:
        if not options.wait:
            raise UsageError("--report and --no-wait cannot be combined: the report is complete when the job ends.")
        _check_writable(options.report)
    stack = stack_of(options)
    started = invoke(
        stack, task="start", kind="verify", names=options.names, repairs=options.repair, sample=options.sample
    )
    if started["job"] is None:
        raise CommandError("No aggregate is live: run `tailrace rebuild --all` first.")
    _say_started(started, "Verifying")
    if not options.wait:
        return 0
    found = follow(stack, started["job"])
    status = _say_verdict(found)
    if not found["counts"]["rows"] and options.sample < 1 and not status:
        say("The sample has no row, so nothing was compared: use a larger sample, or omit --sample.")
        status = _NOT_JUDGED
    if options.report is not None:
        _save_report(stack, found["report"], options.report)
    return status


def run_status(options: argparse.Namespace) -> int:
    """Show generations, jobs and progress."""
    status = invoke(stack_of(options), task="status")
    if options.json:
        say(json.dumps(status, indent=2))
        return 0
    for one in status["generations"]:
        say(f"{one['aggregate']}@{one['version']}  {_describe(one)}")
    running = [job for job in status["jobs"] if job["state"] == "running"]
    for job in running:
        say(f"{job['job']}  {job['kind']} of {', '.join(job['targets'])}: {job['phase']}{parts_of(job)}{_stalled(job)}")
    for job in [job for job in status["jobs"] if job["state"] == "failed"][:3]:
        say(f"{job['job']}  failed: {job['reason']}")
    say(f"{counted(len(status['shards']), 'shard')} read; newest change {_newest(status['shards'])}")
    return 0


def _describe(one: Mapping[str, Any]) -> str:
    parts = [one["state"]]
    # readers get no rows of what the definition lacks, even if nothing else is shown in its place
    parts.append("shown to readers" if one["shown"] and one["defined"] else "not shown")
    if one["state"] == "live":
        parts.append("exact" if one["exact"] else "not verified")
    parts += [f"{name} {_time(one[name])}" for name in ("frontier", "floor") if name in one]
    if not one["defined"]:
        parts.append("no longer in the definition")
    if one["reason"]:
        parts.append(one["reason"])
    if one["state"] in {"declared", "interrupted"} and one["defined"]:
        parts.append(f"run `tailrace rebuild {one['aggregate']}`")
    return ", ".join(parts)


def _stalled(job: Mapping[str, Any]) -> str:
    """Return a note if a running job has made no progress for an hour: its execution has died or was stopped."""
    at = job.get("updated_at")  # functions of earlier releases do not report it
    if not at or (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds() <= SILENCE_S:
        return ""
    return f"; no progress since {at}: run its command again to resume it"


def _newest(shards: Mapping[str, Mapping[str, Any]]) -> str:
    newest = max((one["created"] for one in shards.values()), default=None)
    return "unknown" if newest is None else _time(newest)


def _time(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _say_started(started: Mapping[str, Any], verb: str) -> None:
    resumed = "Resuming" if started["resumed"] else verb
    say(f"{resumed} {', '.join(started['targets'])} (job {started['job']})")


def _check_writable(path: Path) -> None:
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"The report cannot be written to {path}: name a file in a folder that you can write to.")


def _save_report(stack: DeployedStack, key: str, path: Path) -> None:
    with explained():
        body = stack.client("s3").get_object(Bucket=stack.output("HistoryBucket"), Key=key)["Body"]
    try:
        with path.open("wb") as file, explained():
            shutil.copyfileobj(body, file)
    except OSError as error:
        raise CommandError(f"The report cannot be written to {path}: {error.strerror}.") from error


def _say_verdict(found: Mapping[str, Any]) -> int:
    counts = found["counts"]
    say(
        f"{counted(counts['rows'], 'row')} compared, {counts['different']:,} differed, {counts['repaired']:,} repaired."
    )
    unknown = found.get("not_judged") or []
    if counts.get("inexact"):
        say(f"{counted(counts['inexact'], 'row')} marked as inexact: the table refused a sum or the order measures.")
    if unknown:
        say(
            "Not judged, because items expired before their images were kept, in a discarded batch that cannot be "
            f"read, or under another name of their collection: {', '.join(unknown)}."
        )
    if counts.get("not_judged"):
        say(f"{counted(counts['not_judged'], 'row')} changed too often to compare the order measures.")
    if found["report"] and (counts["different"] or counts.get("inexact")):
        say(f"Report: {found['report']} in the history bucket.")
    # jobs of earlier releases do not count what is left
    if counts.get("left", counts["different"] + counts.get("inexact", 0) - counts["repaired"]) > 0:
        return _DIFFERENT
    return _NOT_JUDGED if unknown or counts.get("not_judged") else 0

"""``tailrace plan``: what the definition needs on AWS at a rate of changes."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from cli.console import say, show_progress
from cli.definitions.loading import load_definition
from cli.errors import CommandError, UsageError
from cli.options import add_endpoint_option, parse_count, parse_rate, parse_stack_name
from cli.plan.limits import MAX_WINDOW_S, MAX_WRITE_BEHIND_S
from cli.plan.report import Report, Timing, as_json
from cli.plan.sampling.assembly import sampled
from cli.plan.sampling.changes import Shares
from cli.plan.sampling.sample import Progress
from cli.plan.sources import read_figures, read_prices
from cli.plan.text import lines
from cli.stacks import find_stack
from tailrace.definition.default_pipeline import DEFAULT_PIPELINE

_RATES = [1_000.0, 100_000.0, 10_000_000.0]
_MAX_SHARE = 0.95

_HELP = """\
Estimate what your definition needs on AWS at a given rate of changes: rows
written, hot rows and keys, shards, Lambda concurrency, queues, objects, dollars
a month, and the limit that is reached first. Give a sample of your items, in
the order in which they are written; lines with the same id are changes of one
item. AWS is not needed. docs/scaling.md explains the computation.

exit status: 0 done; 1 the definition or the sample cannot be used;
2 invalid arguments."""


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "plan",
        help="estimate rows, limits and dollars of your definition at a given rate of changes",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rate", type=parse_rate, nargs="+", metavar="N", default=_RATES,
        help="changes a second, one or more (default: 1000 100000 10000000)")  # fmt: skip
    add("--sample", type=Path, metavar="FILE", help="items: .jsonl, .csv or .json, plain or .gz (default: generated)")
    add("--collection", metavar="NAME", help="the collection of the sample (default: the only one)")
    add("--pipeline", metavar="MODULE:ATTRIBUTE",
        help="the pipeline (default: the stack's, $TAILRACE_PIPELINE, or the template's)")  # fmt: skip
    add("--updates", type=_share, default=0.0, metavar="SHARE",
        help="share of changes that update an item of the sample, such as 0.3 (default: the sample's)")  # fmt: skip
    add("--deletes", type=_share, default=0.0, metavar="SHARE",
        help="share of changes that delete an item, at most half of those that are not updates")  # fmt: skip
    add(
        "--window",
        type=_window,
        metavar="SECONDS",
        help="AggregateWindowSeconds (default: the stack's, or the advised one)",
    )
    add(
        "--write-behind",
        type=_write_behind,
        metavar="SECONDS",
        help="WriteBehindSeconds, 0 for none (default: the stack's, or 0)",
    )
    add("--freshness", type=_freshness, default=10, metavar="SECONDS",
        help="maximum age of rows, for the advised times (default: %(default)s)")  # fmt: skip
    add("--shards", type=parse_count, metavar="N", help="shards of the stream, if you know them")
    add("--stack", type=parse_stack_name, metavar="NAME",
        help="a deployed stack, whose parameters name pipeline, window and write-behind")  # fmt: skip
    add("--region", help="region of the stack (default: the AWS CLI's)")
    add("--profile", help="AWS profile (default: the AWS CLI's)")
    add_endpoint_option(parser)
    add("--json", action="store_true", help="print the plan as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Count the sample and print the plan.

    Raises:
        UsageError: the arguments are invalid.
        CommandError: the definition cannot be imported, the sample has no valid items, or the stack is not a Tailrace
            stack.
    """
    if options.updates + options.deletes > _MAX_SHARE:
        raise UsageError(f"--updates and --deletes make at most {_MAX_SHARE} together")
    most_deletes = round((1 - options.updates) / 2, 9)
    if options.deletes > most_deletes:
        limit = f"--deletes is at most {most_deletes:g}, half of the changes that are not updates"
        raise UsageError(f"{limit}: each insert is deleted once")
    deployed = _parameters(options)
    named = options.pipeline or deployed.get("Pipeline") or os.environ.get("TAILRACE_PIPELINE", "").strip()
    reference = named or DEFAULT_PIPELINE
    window = options.window or int(deployed.get("AggregateWindowSeconds", 0)) or None
    deployed_s = int(deployed.get("WriteBehindSeconds", 0))
    write_behind = deployed_s if options.write_behind is None else options.write_behind
    timing = Timing(options.freshness, window, write_behind, options.shards)
    figures, prices = read_figures(), read_prices()
    shares = Shares(options.updates, options.deletes)
    with redirect_stdout(sys.stderr):  # what the definition prints
        pipeline = load_definition(reference)
        found = sampled(pipeline, options.collection, options.sample, shares, Progress(show_progress))
    rates = sorted(dict.fromkeys(options.rate))
    report = Report.of(reference, found, rates, timing, figures, prices)
    if options.json:
        say(json.dumps(as_json(report), indent=1, ensure_ascii=False))
    else:
        for line in lines(report):
            say(line)
    return 0


def _parameters(options: argparse.Namespace) -> Mapping[str, str]:
    if options.stack is None:
        return {}
    found = find_stack(options.stack, options.region, options.profile, options.endpoint_url).parameters
    if "Pipeline" not in found:
        raise CommandError(f"The stack {options.stack!r} has no parameter Pipeline: it is not a Tailrace stack.")
    return found


def _share(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1
    if not 0 <= found <= _MAX_SHARE:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to {_MAX_SHARE}, such as 0.3, not {text[:20]!r}")
    return found


def _window(text: str) -> int:
    return _seconds(text, MAX_WINDOW_S)


def _write_behind(text: str) -> int:
    return 0 if text == "0" else _seconds(text, MAX_WRITE_BEHIND_S, least=0)


def _freshness(text: str) -> int:
    return _seconds(text, MAX_WINDOW_S + MAX_WRITE_BEHIND_S)


def _seconds(text: str, most: int, *, least: int = 1) -> int:
    found = parse_count(text)
    if found > most:
        raise argparse.ArgumentTypeError(f"expected {least} to {most} seconds, not {text[:20]!r}")
    return found

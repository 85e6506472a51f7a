"""``tailrace test``: tries the definition on generated items and histories."""

import argparse
import os
import sys
from contextlib import redirect_stdout
from typing import Any

from cli.console import say, show_progress
from cli.definitions.loading import load_definition
from cli.options import parse_count, parse_rate
from cli.test.trial import Limits, Trial, lines
from tailrace.definition.default_pipeline import DEFAULT_PIPELINE
from tailrace.encoding.tagged_json import dumps

_HELP = """\
Test your definition on items generated from its schemas, and on histories of
them: transforms and predicates must not fail on a valid item, and must depend
only on the item; what an item adds must be retracted, and the rows must be the
same however the changes are split into batches. Each failure is shown with the
smallest item that causes it. AWS is not needed.

exit status: 0 nothing is broken; 1 the definition is broken; 2 invalid arguments."""


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "test",
        help="test your definition on generated items and histories",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Limits()
    parser.add_argument(
        "--pipeline", metavar="MODULE:ATTRIBUTE", help="the pipeline (default: $TAILRACE_PIPELINE, or the template's)"
    )
    parser.add_argument(
        "--seed", type=int, default=default.seed, metavar="N", help="another seed generates other items"
    )
    parser.add_argument(
        "--seconds", type=parse_rate, default=default.seconds, metavar="N", help="time to take (default: %(default)s)"
    )
    parser.add_argument(
        "--items", type=parse_count, default=default.items, metavar="N",
        help="at most this many items of each collection, and histories (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the trial and print its report.

    Raises:
        UsageError: there is no such pipeline.
        CommandError: the definition cannot be imported.
    """
    reference = options.pipeline or os.environ.get("TAILRACE_PIPELINE", "").strip() or DEFAULT_PIPELINE
    with redirect_stdout(sys.stderr):  # what the definition prints
        pipeline = load_definition(reference)
        trial = Trial(pipeline, Limits(options.seed, options.seconds, options.items))
        trial.run(show_progress)
    if options.json:
        say(dumps(trial.as_json()))
    else:
        for line in lines(trial):
            say(line)
    return 1 if trial.is_broken else 0

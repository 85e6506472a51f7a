"""``make demo``: the whole pipeline on this machine, fed with real flights and checked against a recompute."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from cli.dashboard.browser import open_browser
from local.demo.display import Display, Timings
from local.demo.feed import COLLECTION, Feed, FeedResult
from local.demo.flights import Flight, Source, SourceError, read_flights
from local.demo.nycflights13 import year_file
from local.demo.options import SAMPLE_DAYS, SAMPLE_FILE, Options, parse_options
from local.demo.recompute import AGGREGATES, Difference, Recompute
from local.demo.timeline import timeline
from local.demo.verify import Verdict, verify, wait_until_catalogued
from local.demo.writers import FeedError, StackWriter
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.emulator import LOGS
from local.errors import LocalError, WrongDefinition, error_text
from local.options import OptionError
from local.pollers.source_poller import Statistics
from local.run_stack import wait_for_interrupt
from local.stack import Stack, running_stack
from tailrace.definition.pipeline import Pipeline

_SHOWN_ROWS = 3
_MIN_SETTLE_S, _MIN_CHANGES_PER_SECOND = 120.0, 50
_WATCH_INTERVAL_S = 0.5

DISRUPTIONS = "disruptions"
"""The example's route, whose events the recompute checks."""

EXIT_DRIFT, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class DemoInput(Struct, frozen=True):
    """The flights to feed, and the number of days of the source that they cover (None: all)."""

    source: Source
    flights: Sequence[Flight]
    days: int | None


def main(arguments: Sequence[str] | None = None, variables: Mapping[str, str] | None = None) -> int:
    """Run the demo; return the exit status."""
    display, interrupted = Display(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        signal.default_int_handler(number, frame)

    # SIGTERM acts like Ctrl-C, and Ctrl-C works even where a shell made its background jobs ignore it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
    try:
        options = parse_options(
            sys.argv[1:] if arguments is None else arguments, os.environ if variables is None else variables
        )
        return run(options, display)
    except (OptionError, SourceError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except (LocalError, OSError) as error:
        sys.stderr.write(f"{error_text(error)}\n")
        return EXIT_DRIFT
    except (KeyboardInterrupt, RuntimeError) as error:
        if not (isinstance(error, KeyboardInterrupt) or interrupted.is_set()):
            raise
        display.step("Stopped.")  # DuckDB turns the interruption of a query into a RuntimeError
        return EXIT_INTERRUPTED


def run(options: Options, display: Display) -> int:
    """Start the stack, feed it, check it; return the exit status.

    Raises:
        LocalError: the source or a part of the stack cannot be used.
    """
    pipeline = require_example(load_checked_pipeline(report=display.step), display)
    demo_input = choose_input(options, display)
    # the pollers' warnings go to a file next to the emulator's log, not into the display
    LOGS.mkdir(parents=True, exist_ok=True)
    logging.raiseExceptions = False  # on a full disk, each warning would print a traceback
    logging.basicConfig(filename=LOGS / "demo.log", level=logging.WARNING, format="%(asctime)s %(message)s")
    with running_stack(options.port, options.shards, lambda text: display.step(f"{text} …"), announce=True) as stack:
        display.step(f"Dashboard: {stack.dashboard}")
        with reported_errors(stack):
            feed_result, verdict, times = feed_and_check(stack, demo_input, pipeline, display)
        display.summary(feed_result, verdict, times)
        if not options.once:
            display.hints(stack)
            open_browser(str(stack.dashboard))
            wait_for_interrupt(stack)
            display.step("Stopping …")
    return EXIT_DRIFT if verdict.drift else 0


def require_example(pipeline: Pipeline, display: Display) -> Pipeline:
    """Return the pipeline if it has everything that the check needs; report the aggregates that it does not check.

    Raises:
        WrongDefinition: a collection, aggregate or route of the example is missing.
    """
    names = [part.name for part in pipeline.newest_aggregates]
    missing = [f"aggregate {name!r}" for name in AGGREGATES if name not in names]
    if COLLECTION not in [part.name for part in pipeline.collections]:
        missing.insert(0, f"collection {COLLECTION!r}")
    if DISRUPTIONS not in [part.name for part in pipeline.routes]:
        missing.append(f"route {DISRUPTIONS!r}")
    if missing:
        raise WrongDefinition(
            f"The demo feeds the example's flights, but {pipeline.reference or 'the definition'} has no "
            f"{', no '.join(missing)}: "
            "use `make stack` to run a stack for your own items."
        )
    if unchecked := [name for name in names if name not in AGGREGATES]:
        display.step(f"Not checked, because the recompute does not cover them: {', '.join(unchecked)}")
    return pipeline


def choose_input(options: Options, display: Display) -> DemoInput:
    """Read the requested source, and print what it contains."""
    path = options.feed or (SAMPLE_FILE if (options.days or 1) <= SAMPLE_DAYS else year_file())
    source = read_flights(path)
    days = source.days[: options.days]
    wanted = set(days)
    flights = [flight for flight in source.flights if flight.day in wanted]
    span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
    display.step(f"{len(flights):,} flights of {span}, from {path.name}")
    if source.rejected:
        examples = "; ".join(f"line {line}: {reason}" for line, reason in source.rejected[:_SHOWN_ROWS])
        display.step(f"{len(source.rejected):,} invalid rows skipped ({examples})")
    return DemoInput(source, flights, options.days)


def feed_and_check(
    stack: Stack, demo_input: DemoInput, pipeline: Pipeline, display: Display
) -> tuple[FeedResult, Verdict, Timings]:
    """Feed everything, wait until the stack has settled, and compare it with the recompute."""
    with Recompute(demo_input.source.path, demo_input.days) as expected:
        total = expected.changes()
        first_write = datetime.now(UTC)
        with display.bar("Feeding", total) as bar:
            feed_result = Feed(StackWriter(stack), bar.advance).run(timeline(demo_input.flights))
        fed = time.monotonic()
        display.step("Waiting for the stack to settle …")
        settle(stack, total)
        settled = time.monotonic()
        display.step("Comparing with a recompute from the source …")
        verdict = verify(stack, expected, feed_result, pipeline)
        display.step("Compared.")
        check_by_verification(stack, verdict, display)
    last_write = datetime.fromisoformat(verdict.last_write) if verdict.last_write else first_write
    return feed_result, verdict, Timings((last_write - first_write).total_seconds(), settled - fed)


def check_by_verification(stack: Stack, verdict: Verdict, display: Display) -> None:
    """Let the stack verify its own rows against its items, as `tailrace verify` does."""
    display.step("Verifying the rows against the items, as `tailrace verify` does …")
    counts = stack.history().verify()["counts"]
    display.step(f"{counts['rows']:,} rows verified, {counts['different']:,} differ.")
    if counts["different"]:
        verdict.differences.append(Difference("rows that differ from the items", 0, counts["different"]))


@contextmanager
def reported_errors(stack: Stack) -> Iterator[None]:
    """Turn SDK errors into a LocalError; if the emulator has exited, report that as the cause."""
    try:
        yield
    except (BotoCoreError, ClientError, FeedError) as error:
        deadline = time.monotonic() + _WATCH_INTERVAL_S
        while time.monotonic() < deadline:  # the process may exit a moment after its connections close
            stack.raise_if_broken()
            time.sleep(_WATCH_INTERVAL_S / 10)
        raise FeedError(f"A call to the stack failed: {error} (see {stack.log})") from error


def settle(stack: Stack, changes: int) -> None:
    """Wait until no change is in flight.

    Raises:
        SettleTimeout: changes were still in flight at the timeout, which grows with the number of changes.
    """

    def check(_statistics: list[Statistics]) -> None:
        stack.raise_if_broken()

    stack.wait_until_settled(_MIN_SETTLE_S + changes / _MIN_CHANGES_PER_SECOND, check)
    wait_until_catalogued(stack)

"""`make stack`: run the stack until Ctrl-C, for `sam local invoke` and for trying out your own items and definition."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from local.deployment.check_definition import load_checked_pipeline
from local.deployment.emulator import REGION
from local.errors import LocalError
from local.history import JobFailed
from local.keep import STATE
from local.options import MAX_PORT, MAX_SHARDS, parse_integer
from local.stack import Stack, kept_stack, running_stack
from local.watch import Watcher
from tailrace.definition.pipeline import Pipeline

_LOOK_INTERVAL_S = 0.25

CURL = f"curl -s --aws-sigv4 aws:amz:{REGION}:execute-api --user test:test"
"""Calls the API, which accepts signed requests only; the keys are the emulator's."""


def main() -> int:
    """Run a stack until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m local.run_stack", description="Run the stack on this machine until Ctrl-C."
    )
    parser.add_argument("--port", default="", help="port of the emulator (default: a free one; with --keep, 4566)")
    parser.add_argument("--shards", default="", help="virtual shards of the stream (default: 1)")
    parser.add_argument("--keep", default="", help="1: continue where the last kept stack ended, and keep this one")
    options = parser.parse_args()
    # SIGTERM and the end of the terminal act like Ctrl-C, which works even where a shell made its background jobs
    # ignore it
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    try:
        port = parse_integer("PORT", options.port, MAX_PORT)
        shards = parse_integer("SHARDS", options.shards, MAX_SHARDS)
        keep = parse_integer("KEEP", options.keep, 1)
        pipeline = load_checked_pipeline(report=_print)
        running = kept_stack(port, shards, _print) if keep else running_stack(port, shards or 1, _print, announce=True)
        with running as stack:
            if keep:
                build_aggregates(stack)  # the definition may have changed since the last run
            for line in hints(stack, pipeline):
                _print(line)
            wait_for_interrupt(stack, Watcher(stack, _print, build_aggregates))
    except KeyboardInterrupt:
        return 130
    except LocalError as error:
        _print(str(error))
        return 1
    return 0


def build_aggregates(stack: Stack) -> None:
    """Build what the definition has and the stack does not, from the items that are there, and say so."""
    began = time.monotonic()
    try:
        built = stack.history().rebuild()
    except JobFailed as error:
        _print(f"New aggregates were not built: {error}")
        return
    if built:
        _print(f"Built {', '.join(built)} from the items in {time.monotonic() - began:.1f} s.")


def wait_for_interrupt(stack: Stack, watcher: Watcher[Stack] | None = None) -> None:
    """Block until Ctrl-C. Meanwhile a changed definition is deployed, and a kept stack is saved now and then.

    Raises EmulatorFailed if the emulator has exited, or the error that stopped a poller.
    """
    with suppress(KeyboardInterrupt):
        while True:
            stack.raise_if_broken()
            if watcher is not None:
                watcher.look()
            if stack.keeper is not None:
                stack.keeper.look()
            time.sleep(_LOOK_INTERVAL_S)


def hints(stack: Stack, pipeline: Pipeline) -> Iterator[str]:
    """Yield the stack's addresses, and commands that write to its first collection and read its first aggregate."""
    items, rows = stack.outputs["ItemsTable"], stack.outputs["AggregatesTable"]
    yield f"Dashboard: {stack.dashboard}  Function logs: {stack.log}"
    yield f"The stack is up at {stack.endpoint}; it runs {pipeline.reference}, with tables {items} and {rows}."
    yield "To write and read, for example:"
    yield ""
    for collection in pipeline.collections[:1]:
        inbox = f"{stack.endpoint}/{stack.outputs['ArchiveBucket']}/inbox/{collection.name}/items.jsonl"
        item = f"'{stack.api_url}/collections/{collection.name}/items/1'"
        yield f"  {CURL} -X PUT {item} -H 'content-type: application/json' -d '{{…}}'"
        yield f"  curl --upload-file items.jsonl '{inbox}'"
    for aggregate in pipeline.aggregates[:1]:
        yield f"  {CURL} '{stack.api_url}/aggregates/{aggregate.name}/rows?{aggregate.by[0].name}=…'"
    yield f"  {CURL} '{stack.api_url}/health'"
    yield ""
    yield "Save a changed definition, and it is checked and deployed."
    end = f"The stack is kept in {STATE.parent}." if stack.keeper else "Nothing is left behind."
    yield f"Press Ctrl-C to stop. {end}"


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())

"""`make stack`: run the stack until Ctrl-C, for `sam local invoke` and for trying out your own items and definition."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial

from msgspec import Struct

from local.deployment.check_definition import load_checked_pipeline
from local.deployment.emulator import REGION
from local.deployment.processes import interrupt_on_termination
from local.deployment.template import template
from local.errors import LocalError, error_text
from local.existing_table import TableFile, attach
from local.history import JobFailed
from local.keep import STATE
from local.options import MAX_PORT, MAX_SHARDS, OptionError, parse_integer, parse_parameters, parse_path, parse_switch
from local.stack import Stack, kept_stack, running_stack
from local.watch import Watcher
from tailrace.definition.pipeline import Pipeline
from tailrace.queries.parameter_values import parameter_name

_LOOK_INTERVAL_S = 0.25

CURL = f"curl -s --aws-sigv4 aws:amz:{REGION}:execute-api --user test:test"
"""Calls the API, which accepts signed requests only; the keys are the emulator's."""

CURL_AS_BEARER = 'curl -s -H "authorization: Bearer $TOKEN"'
"""Calls the API of a stack that accepts tokens instead."""

AWS = f"AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws dynamodb --region {REGION}"
"""Writes to a table as any other program does."""


class _Options(Struct, frozen=True):
    """What the command line asks for. `table` is an existing table, which the stack is attached to."""

    port: int | None
    shards: int | None
    keep: bool
    table: TableFile | None
    parameters: Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a stack until Ctrl-C."""
    given = _parser().parse_args(arguments)
    interrupt_on_termination()
    try:
        options = _options(given)
        pipeline = load_checked_pipeline(report=_print)
        if options.table is not None and options.table.warning:
            _print(options.table.warning)
        with _running(options) as stack:
            if stack.keeper or stack.is_attached:
                build_aggregates(stack)  # of items that no stream has, or of a definition that has changed meanwhile
            with suppress(KeyboardInterrupt):  # from the first hint on, it is the regular end
                for line in hints(stack, pipeline):
                    _print(line)
                wait_for_interrupt(stack, Watcher(stack, _print, build_aggregates))
    except KeyboardInterrupt:
        return 130
    except (LocalError, OSError) as error:
        _print(error_text(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.run_stack", description="Run the stack on this machine until Ctrl-C."
    )
    parser.add_argument("--port", default="", help="port of the emulator (default: a free one; with --keep, 4566)")
    parser.add_argument("--shards", default="", help="virtual shards of the stream (default: 1)")
    parser.add_argument("--keep", default="", help="1: continue where the last kept stack ended, and keep this one")
    parser.add_argument(
        "--table",
        default="",
        metavar="FILE",
        help="attach the stack to an existing table: the output of `aws dynamodb describe-table`, or the input of "
        "`aws dynamodb create-table`; see docs/existing-tables.md",
    )
    parser.add_argument(
        "--items",
        default="",
        metavar="FILE",
        help="with --table: the table's initial items, the output of `aws dynamodb scan`",
    )
    parser.add_argument(
        "--parameters",
        default="",
        metavar="'NAME=VALUE ...'",
        help="parameters of template.yaml, such as WriteEntrances=on",
    )
    return parser


def _options(given: argparse.Namespace) -> _Options:
    if given.items and not given.table:
        raise OptionError("ITEMS needs TABLE, the file that describes the table of these items.")
    table = parse_path(given.table)
    return _Options(
        port=parse_integer("PORT", given.port, MAX_PORT),
        shards=parse_integer("SHARDS", given.shards, MAX_SHARDS),
        keep=parse_switch("KEEP", given.keep),
        table=TableFile.read(table, parse_path(given.items)) if table else None,
        parameters=parse_parameters(given.parameters, template()["Parameters"]),
    )


def _running(options: _Options) -> AbstractContextManager[Stack]:
    port, shards, table, parameters = options.port, options.shards, options.table, options.parameters
    if options.keep:
        return kept_stack(port, shards, _print, parameters=parameters, table=table)
    complete = partial(attach, parameters, table.name if table else "", table)
    return running_stack(port, shards or 1, _print, parameters=complete, announce=True)


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
                stack.keeper.look(_print)
            time.sleep(_LOOK_INTERVAL_S)


def hints(stack: Stack, pipeline: Pipeline) -> Iterator[str]:
    """Yield the stack's addresses, and commands that write to its first collection and read its first aggregate."""
    items, rows = stack.outputs["ItemsTable"], stack.outputs["AggregatesTable"]
    curl = CURL_AS_BEARER if stack.issuer else CURL
    yield f"{_dashboard_text(stack)}  Function logs: {stack.log}"
    yield f"The stack is up at {stack.endpoint}; it runs {pipeline.reference}, with tables {items} and {rows}."
    if not stack.writes:
        yield f"It reads {items} and writes nothing to it, unless you add PARAMETERS=WriteEntrances=on."
    yield "To write and read, for example:"
    yield ""
    if stack.is_attached:
        yield f"  {AWS} --endpoint-url {stack.endpoint} put-item --table-name {items} --item '{{…}}'"
    for collection in pipeline.collections[:1] if stack.writes else ():
        inbox = f"{stack.endpoint}/{stack.outputs['ArchiveBucket']}/inbox/{collection.name}/items.jsonl"
        item = f"'{stack.api_url}/collections/{collection.name}/items/1'"
        yield f"  {curl} -X PUT {item} -H 'content-type: application/json' -d '{{…}}'"
        yield f"  curl --upload-file items.jsonl '{inbox}'"
    for aggregate in pipeline.aggregates[:1]:
        value = f"?{parameter_name(aggregate.by[0])}=…" if aggregate.by else ""
        yield f"  {curl} '{stack.api_url}/aggregates/{aggregate.name}/rows{value}'"
    yield f"  {curl} '{stack.api_url}/health'"
    yield ""
    yield "Save a changed definition, and it is checked and deployed."
    end = f"The stack is kept in {STATE.parent}." if stack.keeper else "Nothing is left behind."
    yield f"Press Ctrl-C to stop. {end}"


def _dashboard_text(stack: Stack) -> str:
    """Return where the dashboard is: the page that is served beside the stack signs requests, and has no token."""
    if not stack.issuer:
        return f"Dashboard: {stack.dashboard}"
    if "DashboardUrl" in stack.outputs:
        return f"Dashboard: {stack.api_url}/dashboard (sign in at {stack.issuer})"
    return f"Dashboard: none, because the API accepts only tokens of {stack.issuer}; add DashboardClientId to host it."


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())

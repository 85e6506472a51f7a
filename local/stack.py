"""The whole stack on one machine: emulator, deployment, pollers and, optionally, the dashboard.

    with running_stack(progress=print) as stack:
        stack.client("dynamodb").put_item(TableName=stack.outputs["ItemsTable"], Item=...)
        stack.wait_until_settled(30)

`make stack` keeps it running until Ctrl-C, for `sam local invoke` and for trying out your own items.
However this process ends, the emulator and its workers end with it.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.dashboard import dashboard
from local.deployment import deploy
from local.deployment.build import build
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.emulator import REGION, ROOT, Emulator
from local.deployment.mappings import resources
from local.errors import LocalError
from local.options import MAX_PORT, MAX_SHARDS, parse_integer
from local.pollers.pollers import Pollers
from local.pollers.source_poller import Statistics
from tailrace.definition.pipeline import Pipeline

ENDPOINT_FILE = ROOT / ".tailrace" / "endpoint.json"
LOCAL_PARAMETERS = {"ArchiveWindowSeconds": "5"}
"""Overrides of the template's defaults: the archive writes after 5 s instead of a minute."""
_WATCH_INTERVAL_S = 0.5

CURL = f"curl -s --aws-sigv4 aws:amz:{REGION}:execute-api --user test:test"
"""Calls the API, which accepts signed requests only; the keys are the emulator's."""

type ReportProgress = Callable[[str], None]


@dataclass(slots=True)
class Stack:
    """A running stack. `outputs` are the template's; `resources` maps logical ids to physical ones.

    `timings` holds the seconds that each startup step took; `dashboard` is the page's address, if it is served.
    """

    endpoint: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    pollers: Pollers
    emulator: Emulator
    timings: Mapping[str, float] = field(default_factory=dict)
    dashboard: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Root of the HTTP API, without a trailing slash."""
        return f"{self.endpoint}/_aws/execute-api/{self.resources['HttpApi']}"

    @property
    def log(self) -> Path:
        """The emulator's log, which includes the functions' logs."""
        return self.emulator.log

    def client(self, service: str) -> Any:
        """Return this stack's boto3 client for a service; one per service."""
        if service not in self._clients:
            self._clients[service] = deploy.client(service, self.endpoint)
        return self._clients[service]

    def raise_if_broken(self) -> None:
        """Raise EmulatorFailed if the emulator has exited, or the error that stopped a poller."""
        self.emulator.raise_if_gone()
        self.pollers.raise_if_broken()

    def wait_until_settled(self, timeout_s: float, on_wait: Callable[[list[Statistics]], None] | None = None) -> None:
        """Wait until everything written so far has been delivered to every mapped function.

        `on_wait` is called about ten times a second with the pollers' statistics. Raises SettleTimeout, EmulatorFailed.
        """

        def check(statistics: list[Statistics]) -> None:
            self.raise_if_broken()
            if on_wait is not None:
                on_wait(statistics)

        self.pollers.wait_until_settled(timeout_s, check)


@contextmanager
def running_stack(
    port: int | None = None,
    shards: int = 1,
    progress: ReportProgress | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
    announce: bool = False,
) -> Iterator[Stack]:
    """Start the emulator, build and deploy the stack, and poll its sources until the block exits.

    `port` fixes the emulator's port; `shards` is the number of virtual shards of the stream; `progress` is called with
    each step; `parameters` are additional template parameters; `announce` also serves the dashboard and writes all
    addresses to `.tailrace/endpoint.json`.
    Raises a LocalError, whose message is one sentence for the user.
    """
    report = progress or (lambda _: None)
    timings: dict[str, float] = {}
    with _emulator(port, report, timings) as emulator:
        with _step("build", "Building the stack (cached unless its sources have changed)", report, timings):
            built = build()
        with _step("deploy", "Deploying the stack", report, timings):
            outputs = deploy.deploy(emulator.endpoint, built, {**LOCAL_PARAMETERS, **(parameters or {})})
        pollers = Pollers(emulator.endpoint, shards=shards)
        with _step("functions", "Starting the functions", report, timings):
            pollers.warm_up()
        stack = Stack(emulator.endpoint, outputs, resources(emulator.endpoint), pollers, emulator, timings)
        pollers.start()
        try:
            with _announced(stack) if announce else nullcontext():
                yield stack
        finally:
            pollers.stop()


@contextmanager
def _emulator(port: int | None, report: ReportProgress, timings: dict[str, float]) -> Iterator[Emulator]:
    with _step("emulator", "Starting the emulator", report, timings):
        emulator = Emulator.start(port)
    try:
        yield emulator
    finally:
        emulator.stop()


@contextmanager
def _step(name: str, text: str, report: ReportProgress, timings: dict[str, float]) -> Iterator[None]:
    report(text)
    began = time.monotonic()
    yield
    timings[name] = time.monotonic() - began


@contextmanager
def _announced(stack: Stack) -> Iterator[None]:
    """Serve the dashboard and write the endpoint file. A stale file is harmless: readers check its pid."""
    with dashboard(stack.api_url) as server:
        stack.dashboard = server.address
        with _endpoint_file(stack):
            yield


@contextmanager
def _endpoint_file(stack: Stack) -> Iterator[None]:
    ENDPOINT_FILE.parent.mkdir(exist_ok=True)
    description = {
        "endpoint": stack.endpoint,
        "api_url": stack.api_url,
        "dashboard": stack.dashboard,
        "pid": os.getpid(),
        "outputs": dict(stack.outputs),
    }
    ENDPOINT_FILE.write_text(json.dumps(description, indent=2) + "\n")
    try:
        yield
    finally:
        ENDPOINT_FILE.unlink(missing_ok=True)


def read_endpoint_file() -> dict[str, Any] | None:
    """Return what a running stack has announced (endpoint, api_url, dashboard, pid, outputs); None without a stack."""
    try:
        description = json.loads(ENDPOINT_FILE.read_text())
        os.kill(description["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return dict(description)


def main() -> int:
    """Run a stack until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m local.stack", description="Run the stack on this machine until Ctrl-C."
    )
    parser.add_argument("--port", default="", help="port of the emulator (default: a free one)")
    parser.add_argument("--shards", default="", help="virtual shards of the stream (default: 1)")
    options = parser.parse_args()
    # SIGTERM acts like Ctrl-C, and Ctrl-C works even where a shell made its background jobs ignore it
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.default_int_handler)
    try:
        port = parse_integer("PORT", options.port, MAX_PORT)
        shards = parse_integer("SHARDS", options.shards, MAX_SHARDS) or 1
        pipeline = load_checked_pipeline(report=_print)
        with running_stack(port, shards, _print, announce=True) as stack:
            for line in hints(stack, pipeline):
                _print(line)
            wait_for_interrupt(stack)
    except KeyboardInterrupt:
        return 130
    except LocalError as error:
        _print(str(error))
        return 1
    return 0


def wait_for_interrupt(stack: Stack) -> None:
    """Block until Ctrl-C. Raises EmulatorFailed if the emulator has exited, or the error that stopped a poller."""
    with suppress(KeyboardInterrupt):
        while True:
            stack.raise_if_broken()
            time.sleep(_WATCH_INTERVAL_S)


def hints(stack: Stack, pipeline: Pipeline) -> Iterator[str]:
    """Yield the stack's addresses, and commands that write to its first collection and read its first aggregate."""
    items, rows = stack.outputs["ItemsTable"], stack.outputs["AggregatesTable"]
    yield f"Dashboard: {stack.dashboard}  Function logs: {stack.log}"
    yield f"The stack is up at {stack.endpoint}, with tables {items} and {rows}. To write and read, for example:"
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
    yield "Press Ctrl-C to stop. Nothing is left behind."


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())

"""The whole stack on one machine: emulator, deployment, pollers, and the dashboard where it is asked for.

    with running_stack(progress=print) as stack:
        stack.client("dynamodb").put_item(TableName=stack.outputs["ItemsTable"], Item=...)
        stack.wait_settled(30)

`python -m local.stack` brings it up and holds it until Ctrl-C, for `sam local invoke` and for trying things out.
Nothing is left behind: when this process ends, however it does, so do the emulator and its workers.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import deploy
from local.dashboard import dashboard
from local.deployed import resources
from local.emulator import ROOT, Emulator
from local.errors import LocalError
from local.pollers import Pollers
from local.sources.reader import Statistics

ENDPOINT_FILE = ROOT / ".tailrace" / "endpoint.json"
LOCAL_PARAMETERS = {"ArchiveWindowSeconds": "5"}
"""What is different from AWS: nobody wants to watch a demo wait a minute for its archive."""

type Progress = Callable[[str], None]


@dataclass(slots=True)
class Stack:
    """A running stack. `outputs` are the template's; `resources` map a logical id to a physical one.

    `timings` are the seconds that each step of the start has taken; `dashboard` is the page's address, if it is served.
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
        """Root of the HTTP API, without a slash at the end."""
        return f"{self.endpoint}/_aws/execute-api/{self.resources['HttpApi']}"

    @property
    def log(self) -> Path:
        """The emulator's log, with everything that the functions have logged."""
        return self.emulator.log

    def client(self, service: str) -> Any:
        """A boto3 client of this stack, one for each service."""
        if service not in self._clients:
            self._clients[service] = deploy.client(service, self.endpoint)
        return self._clients[service]

    def raise_if_broken(self) -> None:
        """Raise EmulatorFailed when the emulator is gone, or the error that has ended a poller."""
        self.emulator.raise_if_gone()
        self.pollers.raise_if_broken()

    def wait_settled(self, timeout_s: float, on_wait: Callable[[list[Statistics]], None] | None = None) -> None:
        """Wait until everything written so far has been delivered to every function that is mapped to a source.

        `on_wait` is called about ten times a second with the pollers' figures. Raises NotSettled, EmulatorFailed.
        """

        def look(statistics: list[Statistics]) -> None:
            self.raise_if_broken()
            if on_wait is not None:
                on_wait(statistics)

        self.pollers.wait_settled(timeout_s, look)


@contextmanager
def running_stack(
    port: int | None = None,
    shards: int = 1,
    progress: Progress | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
    announce: bool = False,
) -> Iterator[Stack]:
    """Start the emulator, build and deploy the stack, and poll its sources, until the block is left.

    `port` pins the emulator's port; `shards` is the number of virtual shards of the stream; `progress` is told each
    step; `parameters` are further ones of the template; `announce` serves the dashboard as well, and writes all
    addresses to `.tailrace/endpoint.json`.
    Raises a LocalError, whose message is one sentence for the user.
    """
    tell = progress or (lambda _: None)
    timings: dict[str, float] = {}
    with _emulator(port, tell, timings) as emulator:
        with _step("build", "Building the stack (only when its sources have changed)", tell, timings):
            built = deploy.build()
        with _step("deploy", "Deploying it with the SAM CLI", tell, timings):
            outputs = deploy.deploy(emulator.endpoint, built, {**LOCAL_PARAMETERS, **(parameters or {})})
        pollers = Pollers(emulator.endpoint, shards=shards)
        with _step("functions", "Starting the functions", tell, timings):
            pollers.warm_up()
        stack = Stack(emulator.endpoint, outputs, resources(emulator.endpoint), pollers, emulator, timings)
        pollers.start()
        try:
            with _announced(stack) if announce else nullcontext():
                yield stack
        finally:
            pollers.stop()


@contextmanager
def _emulator(port: int | None, tell: Progress, timings: dict[str, float]) -> Iterator[Emulator]:
    with _step("emulator", "Starting the emulator", tell, timings):
        emulator = Emulator.start(port)
    try:
        yield emulator
    finally:
        emulator.stop()


@contextmanager
def _step(name: str, text: str, tell: Progress, timings: dict[str, float]) -> Iterator[None]:
    tell(text)
    began = time.monotonic()
    yield
    timings[name] = time.monotonic() - began


@contextmanager
def _announced(stack: Stack) -> Iterator[None]:
    """Serve the dashboard, and say in a file where all is. One that was left behind does no harm: a pid is in it."""
    with dashboard(stack.api_url) as server:
        stack.dashboard = server.address
        with _told_in_a_file(stack):
            yield


@contextmanager
def _told_in_a_file(stack: Stack) -> Iterator[None]:
    ENDPOINT_FILE.parent.mkdir(exist_ok=True)
    about = {
        "endpoint": stack.endpoint,
        "api_url": stack.api_url,
        "dashboard": stack.dashboard,
        "pid": os.getpid(),
        "outputs": dict(stack.outputs),
    }
    ENDPOINT_FILE.write_text(json.dumps(about, indent=2) + "\n")
    try:
        yield
    finally:
        ENDPOINT_FILE.unlink(missing_ok=True)


def announced_stack() -> dict[str, Any] | None:
    """What a running stack has announced: endpoint, api_url, dashboard, pid, outputs. None when there is none."""
    try:
        about = json.loads(ENDPOINT_FILE.read_text())
        os.kill(about["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return dict(about)


def main() -> int:
    """Hold a stack until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m local.stack", description="Hold the stack up until Ctrl-C.")
    parser.add_argument("--port", type=int, help="port of the emulator (default: a free one)")
    parser.add_argument("--shards", type=int, default=1, help="virtual shards of the stream (default: 1)")
    options = parser.parse_args()
    # a polite kill is a Ctrl-C, and so is Ctrl-C where a shell had told its background jobs to ignore it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        with running_stack(options.port, options.shards, _say, announce=True) as stack:
            _say(f"The dashboard is at {stack.dashboard}")
            _say(f"The stack is up at {stack.endpoint} (API {stack.api_url}). Ctrl-C ends it.")
            while True:
                stack.raise_if_broken()
                time.sleep(0.5)
    except KeyboardInterrupt:
        return 130
    except LocalError as error:
        _say(str(error))
        return 1


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())

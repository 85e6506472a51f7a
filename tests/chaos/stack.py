"""A stack whose functions, pollers and clients reach the emulator through the proxy."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from local.deployment.deploy import client
from local.deployment.emulator import REGION, ROOT
from local.pollers.pollers import Pollers
from local.pollers.shards import Position
from local.stack import Stack, running_stack
from tests.chaos.processes import FunctionProcesses
from tests.chaos.proxy.faults import CALLERS, FUNCTIONS
from tests.chaos.proxy.server import Proxy

SHORT_LIMIT_S = 4
"""A time limit that ends a function before it gives up waiting for an answer; those of the template are minutes."""
PARAMETERS = {"ArchiveWindowSeconds": "1"}

type Positions = dict[str, Position | None]


@dataclass(slots=True)
class ChaosStack:
    """A running stack, its proxy, and the processes of its functions. `rounds` is the number of rounds played on it."""

    stack: Stack
    proxy: Proxy
    processes: FunctionProcesses
    shards: int
    pollers: Pollers
    state: Path
    rounds: int = 0
    kills: int = 0
    discarded: int = 0
    seen: set[str] = field(default_factory=set)
    _dying: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def outputs(self) -> Any:
        """The stack's outputs."""
        return self.stack.outputs

    def client(self, service: str) -> Any:
        """Return a client that meets no faults."""
        return self.stack.client(service)

    def faulty_client(self, service: str, caller: str = "client") -> Any:
        """Return a client whose calls meet the faults of a caller."""
        return client(service, self.proxy.endpoint(caller))

    def api(self, caller: str | None) -> str:
        """Return the API's root for a caller; without one, for calls that meet no faults."""
        endpoint = self.stack.endpoint if caller is None else self.proxy.endpoint(caller)
        return endpoint + urlsplit(self.stack.api_url).path

    def restart_pollers(self, positions: Positions) -> None:
        """Kill the pollers: what their calls come to is lost. Start others from these positions."""
        with self._lock:
            self.discarded += self._discarded()
            self._dying = [thread for thread in self._dying if thread.is_alive()]
            self._dying.append(threading.Thread(target=_stop, args=(self.pollers,), daemon=True))
            self._dying[-1].start()
            self.pollers = Pollers(self.proxy.endpoint("pollers"), shards=self.shards, positions=positions)
            self.pollers.start()
            self.kills += 1

    def show_hidden_messages(self) -> None:
        """Let the time pass that messages stay hidden after they were received and not processed.

        The template's queues hide them for minutes, longer than any function may run. Nothing is shown while a call of
        a function is under way.
        """
        with self.pollers.paused():
            if any(thread.is_alive() for thread in self._dying) or any(one.pending() for one in self.pollers._queues):
                return
            received, self.proxy.received = self.proxy.received, []
            for queue, receipt in received:
                with suppress(ClientError):  # most were processed and deleted
                    self.client("sqs").change_message_visibility(
                        QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0
                    )

    @property
    def discarded_records(self) -> int:
        """The number of stream records that were given up."""
        return self.discarded + self._discarded()

    def _discarded(self) -> int:
        return sum(statistics.discarded for statistics in self.pollers.statistics)

    def break_safeguard(self, function: str, name: str) -> None:
        """Break a safeguard in a function from now on; "" fixes it."""
        self._configure(function, CHAOS_BREAK=name)

    def tailrace(self, *arguments: str) -> str:
        """Run a command of an operator, and return what it prints."""
        variables = os.environ | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "XDG_STATE_HOME": str(self.state),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "tailrace")]),
        }
        command = [sys.executable, "-m", "cli", *arguments, "--stack", "tailrace"]
        command += ["--endpoint-url", self.stack.endpoint]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
        return done.stdout + done.stderr

    @contextmanager
    def short_time(self, functions: Sequence[str]) -> Iterator[None]:
        """Shorten the time limits of functions within the block."""
        limits = {function: self._limit(function) for function in functions}
        for function in functions:
            self._configure(function, limit_s=SHORT_LIMIT_S)
        try:
            yield
        finally:
            for function, limit_s in limits.items():
                self._configure(function, limit_s=limit_s)

    def _limit(self, function: str) -> int:
        found = self.client("lambda").get_function_configuration(FunctionName=f"tailrace-{function}")
        return int(found["Timeout"])

    def wire(self) -> None:
        """Send the functions' calls through the proxy."""
        for function in FUNCTIONS:
            self._configure(function)

    def _configure(self, function: str, limit_s: int | None = None, **more: str) -> None:
        functions, name = self.client("lambda"), f"tailrace-{function}"
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables |= {"AWS_ENDPOINT_URL": self.proxy.endpoint(function), **self.processes.environment, **more}
        limit = {} if limit_s is None else {"Timeout": limit_s}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables}, **limit)


def _stop(pollers: Pollers) -> None:
    """End pollers; return when their last call has ended."""
    pollers.stop()
    for poller in pollers._pollers:
        poller._pool.shutdown(wait=True)


@contextmanager
def chaos_stack(shards: int = 1, progress: Callable[[str], None] | None = None) -> Iterator[ChaosStack]:
    """Run a stack behind a proxy. Raises a LocalError."""
    with (
        TemporaryDirectory(prefix="tailrace-chaos-") as folder,
        running_stack(shards=shards, progress=progress, parameters=PARAMETERS) as stack,
    ):
        stack.pollers.stop()
        control = Path(folder)
        processes = FunctionProcesses(control / "processes")
        processes.folder.mkdir()
        with Proxy(stack.endpoint, CALLERS, processes.kill).running() as proxy:
            chaos = ChaosStack(stack, proxy, processes, shards, stack.pollers, control / "state")
            chaos.wire()
            chaos.pollers = Pollers(proxy.endpoint("pollers"), shards=shards)
            chaos.pollers.warm_up()
            chaos.pollers.start()
            try:
                yield chaos
            finally:
                chaos.pollers.stop()


def wait_for[Found](look: Callable[[], Found], seconds: float, interval_s: float = 0.1) -> Found | None:
    """Return what is found within a time, None if nothing is."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            return None
        time.sleep(interval_s)
    return found

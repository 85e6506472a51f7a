"""The base of every source poller: a thread, the calls in flight, and statistics."""

import json
import logging
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from copy import replace

from msgspec import Struct

from local.deployment.mappings import EventSourceMapping
from local.errors import LocalError
from local.mapping import Failed, InvocationResult, Returned, Throttled
from local.pollers.clock import SteadyClock
from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.events import payload

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.25
"""Lambda polls a shard four times a second (with-ddb)."""

STOP_TIMEOUT_S = 5.0

MAX_CONCURRENT_INVOCATIONS = 2
"""Concurrent invocations for a source. Each one occupies a process, which has to learn which rows exist, and a local
machine has few cores."""

INVOKE_MARGIN_S = 15
"""Time allowed beyond the function's timeout, for a cold start and the transfer."""


class Statistics(Struct, frozen=True):
    """A poller's counts since it was started.

    Attributes:
        mapping: the mapping's logical id.
        read: records or messages read from the source.
        delivered: those that the function acknowledged.
        filtered: those that did not pass the filter.
        discarded: those sent to the failure destination, or lost if there is none.
        pending: those that are not settled.
        invocations: calls made.
        failures: failed calls of the function or the emulator.
        last_error: the latest error as text.
    """

    mapping: str
    read: int = 0
    delivered: int = 0
    filtered: int = 0
    discarded: int = 0
    pending: int = 0
    invocations: int = 0
    failures: int = 0
    last_error: str | None = None


class SourcePoller[I]:
    """Polls one source and makes its mapping's invocations. Subclasses implement the source."""

    def __init__(self, mapping: EventSourceMapping, emulator: EmulatorClient, *, calls: int, warm_calls: int) -> None:
        self.mapping = mapping
        self.clock = SteadyClock()
        self._emulator = emulator
        self._warm_calls = warm_calls
        self._statistics = Statistics(mapping.name)
        self._results: queue.SimpleQueue[tuple[I, InvocationResult] | None] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(calls, thread_name_prefix=f"invoke-{mapping.function}")
        self._thread = threading.Thread(target=self._run, name=f"poll-{mapping.name}", daemon=True)
        self._stopping = threading.Event()
        self._pausing = threading.Event()
        self._paused = threading.Event()  # set by the thread when it has paused and no call is in flight
        self._in_flight = 0
        self._asked_at = 0.0  # when the state machine was last asked for invocations
        self._idle_since: float | None = None
        self.error: Exception | None = None  # the exception that stopped the thread

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def warm_up(self) -> list[Future[None]]:
        """Start processes of the function by invoking it without records: as many as usually run at a time.

        Like provisioned concurrency on AWS, this saves the first changes the cold start.
        """
        empty = payload((), self.empty_fields())
        return [self._pool.submit(self._warm_up_call, empty) for _ in range(self._warm_calls)]

    def pause(self) -> None:
        """Make no further calls until `resume`."""
        self._paused.clear()
        self._pausing.set()
        self._results.put(None)

    def wait_until_paused(self) -> None:
        """Wait until the calls in flight have ended, at most as long as a call may take.

        Raises LocalError, or the exception that stopped the thread.
        """
        limit = self.mapping.timeout_s + INVOKE_MARGIN_S + STOP_TIMEOUT_S
        deadline = time.monotonic() + limit
        while not self._paused.wait(POLL_INTERVAL_S):
            if self.error is not None:
                raise self.error
            if time.monotonic() > deadline:
                raise LocalError(f"A call of {self.mapping.function} did not end within {limit:.0f} seconds.")

    def resume(self) -> None:
        """Continue after `pause`."""
        self._pausing.clear()
        self._results.put(None)

    def stop(self) -> None:
        """Make no further calls and wait for the thread to end. Calls in flight continue.

        To be called after `warm_up`, even if polling was not started: a thread of a call whose start Ctrl-C interrupted
        is not known to Python, which would wait for it forever when it exits.
        """
        self._stopping.set()
        self._results.put(None)
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def statistics(self) -> Statistics:
        """The current statistics."""
        return self._statistics

    def idle_since(self, moment: float) -> bool:
        """Whether a poll begun after `moment` (monotonic) found the source empty and nothing was pending."""
        since = self._idle_since
        return since is not None and since >= moment

    # --- for subclasses ---------------------------------------------------------------------------------------

    def poll(self) -> bool:
        """Read the source once if there is capacity. Returns whether it returned anything."""
        raise NotImplementedError

    def due_invocations(self, now: float) -> list[tuple[I, bytes]]:
        """The invocations to make now, with their payloads."""
        raise NotImplementedError

    def handle_result(self, call: I, result: InvocationResult, now: float) -> int:
        """Pass a result to the state machine and act on the outcome. Returns the number acknowledged."""
        raise NotImplementedError

    def empty_fields(self) -> dict[str, object]:
        """The other fields of this source's event when it has no records."""
        return {}

    def pending(self) -> int:
        """Number of records or messages that are not settled."""
        raise NotImplementedError

    def next_time(self) -> float | None:
        """When to ask the state machine again, in seconds since the epoch."""
        raise NotImplementedError

    def update_statistics(self, **changes: object) -> None:
        """Replace some of the statistics."""
        self._statistics = replace(self._statistics, **changes)  # type: ignore[arg-type]

    # --- the loop ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._poll_until_stopped()
        except Exception as error:
            self.error = error
            raise

    def _poll_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                received = self._poll_once()
            except LocalError as error:
                self.update_statistics(last_error=str(error), failures=self._statistics.failures + 1)
                logger.warning("%s: %s", self.mapping.name, error)
                received = False
            self._wait(0.0 if received else POLL_INTERVAL_S)

    def _poll_once(self) -> bool:
        if self._pausing.is_set():
            if not self._in_flight:
                self._paused.set()
            return False
        began = time.monotonic()
        try:
            received = self.poll()
        finally:  # what has been read is delivered, even if the source cannot be read any further
            self._asked_at = self.clock.now()
            for call, body in self.due_invocations(self._asked_at):
                if self._stopping.is_set():  # a read that outlasts `stop` finds the threads gone
                    break
                self.update_statistics(invocations=self._statistics.invocations + 1)
                self._in_flight += 1
                self._pool.submit(self._invoke, call, body)
        pending = self.pending()
        self.update_statistics(pending=pending)
        if received or pending:
            self._idle_since = None
        else:
            self._idle_since = began
        return received

    def _wait(self, max_s: float) -> None:
        """Handle results until the next round: after a result, when an invocation is due, or after `max_s`."""
        next_time = None if self._pausing.is_set() else self.next_time()
        if next_time is None or next_time <= self._asked_at:  # what was due then waits for a read or a result
            wait = max_s
        else:
            wait = min(max_s, max(0.0, next_time - self.clock.now()))
        try:
            entry = self._results.get(timeout=wait) if wait > 0 else self._results.get_nowait()
            while entry is not None:
                self._handle_result(*entry)
                entry = self._results.get_nowait()
        except queue.Empty:
            pass

    def _handle_result(self, call: I, result: InvocationResult) -> None:
        self._in_flight -= 1
        done = self.handle_result(call, result, self.clock.now())
        self.update_statistics(delivered=self._statistics.delivered + done)
        if not isinstance(result, Returned):
            self.update_statistics(last_error=result.error, failures=self._statistics.failures + 1)
            logger.warning("%s: %s", self.mapping.name, result.error)

    def _invoke(self, call: I, body: bytes) -> None:
        self._results.put((call, self._invoke_or_throttle(body)))

    def _warm_up_call(self, body: bytes) -> None:
        self._invoke_or_throttle(body)

    def _invoke_or_throttle(self, body: bytes) -> InvocationResult:
        timeout = self.mapping.timeout_s + INVOKE_MARGIN_S
        try:
            return _invoke_function(self._emulator, self.mapping, body, timeout)
        except CallFailed as error:
            return Throttled(str(error))


def _invoke_function(
    emulator: EmulatorClient, mapping: EventSourceMapping, body: bytes, timeout_s: float
) -> InvocationResult:
    response = emulator.invoke(mapping.function, body, timeout_s, mapping.qualifier)
    if response.throttled:
        return Throttled("the function was throttled")
    if response.error is not None:
        return Failed(response.error, response.request_id, response.version)
    try:
        return Returned(json.loads(response.payload or b"null"), response.request_id, response.version)
    except (ValueError, RecursionError):
        return Failed(
            "the function's response is not JSON, or nested too deeply", response.request_id, response.version
        )

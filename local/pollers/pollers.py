"""The source pollers, which take the place of Lambda's event source mappings locally.

The rules are in `local.mapping`; the threads that read a source and invoke its function in
`local.pollers.source_poller`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from local.deployment.deploy import client
from local.deployment.mappings import MAPPING_TYPE, EventSourceMapping, list_mappings, resources
from local.errors import DeployFailed, SettleTimeout
from local.mapping import MappingError, StreamSettings
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import READ_TIMEOUT_S, CallFailed, EmulatorClient
from local.pollers.events import payload
from local.pollers.queue import QueuePoller
from local.pollers.shards import Position
from local.pollers.source_poller import Statistics
from local.pollers.stream import StreamPoller
from local.pollers.stream_pages import StreamPages


class Pollers:
    """All source pollers of a deployed stack."""

    def __init__(
        self, endpoint: str, *, shards: int = 1, positions: Mapping[str, Position | None] | None = None
    ) -> None:
        """Read the mappings deployed at `endpoint`. Each shard of a stream is split into `shards` virtual shards.

        `positions` are those of earlier pollers: the mappings that they name exist, and Lambda does not ask their
        queues again how long they hide messages. A mapping that is disabled keeps its position. Raises DeployFailed if
        Lambda would refuse a mapping.
        """
        self._emulator = EmulatorClient(endpoint)
        self.mappings = list_mappings(endpoint)
        others = (positions or {}).keys() - {mapping.name for mapping in self.mappings}
        disabled = others & resources(endpoint, MAPPING_TYPE).keys() if others else set()
        self._disabled = {name: (positions or {})[name] for name in disabled}
        self._streams = []
        pages = StreamPages(self._emulator)
        for mapping in self.mappings:
            if mapping.is_stream:
                with _naming(mapping):
                    settings = StreamSettings.parse(mapping.properties)
                    _require_stream(self._emulator, mapping.source_arn)
                destination = FailureDestination(mapping, settings.on_failure, partial(client, endpoint=endpoint))
                poller = StreamPoller(mapping, settings, self._emulator, destination, shards=shards)
                poller.pages = pages
                poller.read_from(_of_source(mapping, (positions or {}).get(mapping.name)))
                self._streams.append(poller)
        sqs = client("sqs", endpoint)
        self._queues = []
        for mapping in self.mappings:
            if not mapping.is_stream:
                with _naming(mapping):
                    url = _queue_url(sqs, mapping.source_arn)
                    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
                    is_new = mapping.name not in (positions or {})
                    queue = QueuePoller(mapping, self._emulator, url=url, attributes=attributes, is_new=is_new)
                self._queues.append(queue)

    def warm_up(self, notified: Sequence[str] = ()) -> None:
        """Start the processes of all mapped functions, and one of each that a bucket notifies, and wait until ready."""
        threads = ThreadPoolExecutor(max(1, len(notified)))
        try:
            calls = [threads.submit(self._emulator.invoke, name, payload(()), READ_TIMEOUT_S) for name in notified]
            wait([call for poller in self._pollers for call in poller.warm_up()])
            wait(calls)
        finally:
            threads.shutdown(wait=False)  # Ctrl-C does not wait for a function that starts

    def start(self) -> None:
        """Start polling every source."""
        for poller in self._pollers:
            poller.start()

    def stop(self) -> None:
        """Stop polling. Calls in flight continue until the emulator stops."""
        for poller in self._pollers:
            poller.stop()
        self._emulator.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Make no calls within the block, which begins when no call is in flight. Raises LocalError."""
        for poller in self._pollers:
            poller.pause()
        try:
            for poller in self._pollers:
                poller.wait_until_paused()
            yield
        finally:
            for poller in self._pollers:
                poller.resume()

    @property
    def positions(self) -> dict[str, Position | None]:
        """Where later pollers may continue reading, by mapping: every change before was delivered.

        A queue keeps its own position, so its mapping has none.
        """
        streams = {
            poller.mapping.name: {**position, "source": poller.mapping.source_arn}
            for poller in self._streams
            if (position := poller.position) is not None
        }
        return {**self._disabled, **dict.fromkeys(mapping.name for mapping in self.mappings), **streams}

    @property
    def statistics(self) -> list[Statistics]:
        """The statistics of every source: streams first, then queues."""
        return [poller.statistics for poller in self._pollers]

    def raise_if_broken(self) -> None:
        """Raise the exception that stopped a poller, if any."""
        for poller in self._pollers:
            if poller.error is not None:
                raise poller.error

    def is_settled(self, since: float | None = None) -> bool:
        """Whether everything written before `since` (monotonic, default: now) has been delivered.

        That is: every stream was read to its tip after `since` with no records pending, and the mapped queues are
        empty. With the default, the result is False until each source has been polled again: see `wait_until_settled`.
        """
        moment = time.monotonic() if since is None else since
        progress_before = self._progress()
        all_idle = all(poller.idle_since(moment) for poller in self._pollers)
        return (
            all_idle
            and not any(poller.queue_depth() for poller in self._queues)
            and progress_before == self._progress()
        )

    def wait_until_settled(self, timeout_s: float, on_wait: Callable[[list[Statistics]], None] | None = None) -> None:
        """Wait until `is_settled`. `on_wait` is called about ten times a second. Raises SettleTimeout."""
        since, deadline = time.monotonic(), time.monotonic() + timeout_s
        progress = self._progress()
        while not (self.is_settled(since) and progress == self._progress()):
            self.raise_if_broken()
            if self._progress() != progress:  # functions may just have sent messages to a queue: poll again
                since, progress = time.monotonic(), self._progress()
            if time.monotonic() > deadline:
                raise SettleTimeout(self._unsettled_message(timeout_s))
            if on_wait is not None:
                on_wait(self.statistics)
            time.sleep(0.1)

    @property
    def _pollers(self) -> list[StreamPoller | QueuePoller]:
        return [*self._streams, *self._queues]

    def _progress(self) -> list[tuple[int, int]]:
        return [(statistics.read, statistics.delivered) for statistics in self.statistics]

    def _unsettled_message(self, timeout_s: float) -> str:
        parts = [
            f"{statistics.mapping} has {statistics.pending} pending"
            + (f" ({statistics.last_error})" if statistics.last_error else "")
            for statistics in self.statistics
            if statistics.pending or statistics.last_error
        ]
        return f"Not settled after {timeout_s:.0f} seconds: {'; '.join(parts) or 'a queue is not empty'}."


def _of_source(mapping: EventSourceMapping, position: Position | None) -> Position | None:
    """Return a position in the mapping's stream; None if it is in another one, which the mapping had before."""
    return position if position and position.get("source", mapping.source_arn) == mapping.source_arn else None


@contextmanager
def _naming(mapping: EventSourceMapping) -> Iterator[None]:
    """Name the mapping that is refused."""
    try:
        yield
    except MappingError as error:
        raise DeployFailed(f"Lambda would refuse {mapping.name}: {error}.") from error


def _require_stream(emulator: EmulatorClient, arn: str) -> None:
    """Raise MappingError if a stream does not exist. Other errors may pass, and its poller reports them."""
    try:
        emulator.call("dynamodb", "DescribeStream", StreamArn=arn, Limit=1)
    except CallFailed as error:
        if error.code == "ResourceNotFoundException":
            raise MappingError(f"its stream {arn} does not exist") from error


def _queue_url(sqs: Any, arn: str) -> str:
    """Return the URL of a queue. Raises MappingError if it does not exist."""
    try:
        return str(sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"])
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith(("NonExistentQueue", "QueueDoesNotExist")):
            raise
        raise MappingError(f"its queue {arn} does not exist") from error

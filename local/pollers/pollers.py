"""The source pollers: they do on one machine what Lambda's event source mappings do on AWS.

The rules are in `local.mapping`, the threads that read a source and invoke its function in `local.pollers.pollers`.
"""

import time
from collections.abc import Callable
from concurrent.futures import wait
from functools import partial

from local.deployment.deploy import client
from local.deployment.deployed import deployed_mappings
from local.errors import NotSettled
from local.mapping import StreamSettings
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import Wire
from local.pollers.queue import QueueReader
from local.pollers.reader import Statistics
from local.pollers.stream import StreamReader


class Pollers:
    """All source pollers of a deployed stack."""

    def __init__(self, endpoint: str, *, shards: int = 1) -> None:
        """Read the mappings that are deployed at `endpoint`. The stream is split into `shards` virtual shards."""
        self._wire = Wire(endpoint)
        self.mappings = deployed_mappings(endpoint)
        self._streams = []
        for mapping in self.mappings:
            if mapping.reads_stream:
                settings = StreamSettings.parse(mapping.properties)
                destination = FailureDestination(mapping, settings.on_failure, partial(client, endpoint=endpoint))
                self._streams.append(StreamReader(mapping, settings, self._wire, destination, shards=shards))
        sqs = client("sqs", endpoint)
        self._queues = []
        for mapping in self.mappings:
            if not mapping.reads_stream:
                url = sqs.get_queue_url(QueueName=mapping.source_arn.rsplit(":", 1)[-1])["QueueUrl"]
                attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
                self._queues.append(QueueReader(mapping, self._wire, url=url, attributes=attributes))

    def warm_up(self) -> None:
        """Start the processes of all mapped functions, and wait until they are up."""
        wait([call for reader in self._readers for call in reader.warm_up()])

    def start(self) -> None:
        """Begin to poll every source."""
        for reader in self._readers:
            reader.start()

    def stop(self) -> None:
        """Stop polling. Calls in flight are left to the emulator's end."""
        for reader in self._readers:
            reader.stop()
        self._wire.close()

    @property
    def statistics(self) -> list[Statistics]:
        """The figures of every source, in the order of the template's processing."""
        return [reader.statistics for reader in self._readers]

    def raise_if_broken(self) -> None:
        """Raise what has ended a poller before its time, if anything has."""
        for reader in self._readers:
            if reader.error is not None:
                raise reader.error

    def settled(self, since: float | None = None) -> bool:
        """Whether everything written before `since` (monotonic, default: now) has been delivered.

        That is: every stream was read to its tip after `since` with nothing in hand, and the mapped queues are
        empty. With the default the answer is False until a look has been made after the call: see `wait_settled`.
        """
        moment = time.monotonic() if since is None else since
        before = self._progress()
        quiet = all(reader.idle_since(moment) for reader in self._readers)
        return quiet and not any(reader.left_in_queue() for reader in self._queues) and before == self._progress()

    def wait_settled(self, timeout_s: float, on_wait: Callable[[list[Statistics]], None] | None = None) -> None:
        """Wait until `settled`. `on_wait` is called about ten times a second. Raises NotSettled."""
        since, deadline = time.monotonic(), time.monotonic() + timeout_s
        progress = self._progress()
        while not self.settled(since):
            self.raise_if_broken()
            if self._progress() != progress:  # what a function has just sent on is not yet seen as empty
                since, progress = time.monotonic(), self._progress()
            if time.monotonic() > deadline:
                raise NotSettled(self._still_moving(timeout_s))
            if on_wait is not None:
                on_wait(self.statistics)
            time.sleep(0.1)

    @property
    def _readers(self) -> list[StreamReader | QueueReader]:
        return [*self._streams, *self._queues]

    def _progress(self) -> list[tuple[int, int]]:
        return [(figures.read, figures.delivered) for figures in self.statistics]

    def _still_moving(self, timeout_s: float) -> str:
        parts = [
            f"{figures.mapping} has {figures.pending} pending"
            + (f" ({figures.last_error})" if figures.last_error else "")
            for figures in self.statistics
            if figures.pending or figures.last_error
        ]
        return f"Not settled after {timeout_s:.0f} seconds: {'; '.join(parts) or 'a queue is not empty'}."

"""A standard or FIFO queue, read for one function.

with-sqs, services-sqs-errorhandling: Lambda receives messages, sends them in batches, and deletes what was
processed. What was not stays in the queue and is visible again when its visibility timeout has run out;
the queue itself counts how often that happened and moves the message to its dead-letter queue.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from local.mapping.results import InvocationResult, Returned, Throttled, reported_failures
from local.mapping.retries import Backoff
from local.mapping.settings import QueueSettings

_FRAME_BYTES = len('{"Records":[]}')


@dataclass(frozen=True, slots=True)
class Message[C]:
    """One received message. `receipt` deletes it; `hidden_until` is when the queue would show it again.

    `passes` says whether the mapping's filter lets it through (`Filter.passes_message`).
    """

    id: str
    receipt: str
    group: str | None
    hidden_until: float
    size: int
    content: C
    passes: bool = True


@dataclass(frozen=True, slots=True)
class QueueInvocation[C]:
    """A call to make. The event is {"Records": the messages' contents}."""

    messages: tuple[Message[C], ...]
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class QueueOutcome[C]:
    """What an answer decided: `delete` these from the queue; the `retained` ones come back by themselves."""

    delete: tuple[Message[C], ...] = ()
    retained: tuple[Message[C], ...] = ()


class QueueMapping[C]:
    """The state of one queue's mapping. See the package for the pattern of its methods."""

    def __init__(self, settings: QueueSettings, *, now: float, backoff: Backoff | None = None) -> None:
        self.settings = settings
        self._backoff = backoff or Backoff()
        self._pending: deque[Message[C]] = deque()
        self._pending_bytes = 0
        self._oldest_pending_since = now
        self._batching_since = now
        self._in_flight: list[QueueInvocation[C]] = []
        self._retries: list[tuple[float, QueueInvocation[C]]] = []

    @property
    def pending(self) -> int:
        """Messages that have been received and not yet settled."""
        calls = [*self._in_flight, *(call for _, call in self._retries)]
        return len(self._pending) + sum(len(call.messages) for call in calls)

    @property
    def capacity(self) -> int:
        """How many more messages are worth receiving now: as many as the free calls can take."""
        if self._pending_bytes >= self.settings.payload_limit:
            return 0
        free = self.settings.concurrency - len(self._in_flight) - len(self._retries)
        return max(0, max(free, 0) * self.settings.batch_size - len(self._pending))

    def add(self, messages: Iterable[Message[C]], now: float) -> QueueOutcome[C]:
        """Take what was received, in the order in which the queue gave it.

        Returns what is to be deleted at once: with-sqs-filtering, what does not pass the filter leaves the queue.
        """
        if not self._pending:
            self._oldest_pending_since = now
        filtered = []
        for message in messages:
            if message.passes:
                self._pending.append(message)
                self._pending_bytes += message.size
            else:
                filtered.append(message)
        return QueueOutcome(tuple(filtered))

    def next_invocation(self, now: float) -> QueueInvocation[C] | None:
        """The call to make now, if any. Ask again until None: several may run at a time."""
        if len(self._in_flight) >= self.settings.concurrency:
            return None
        call = self._due_retry(now) or self._next_batch(now)
        if call is not None:
            self._in_flight.append(call)
        return call

    def next_time(self) -> float | None:
        """When `next_invocation` may have something; None while only an arrival or an answer changes that."""
        if len(self._in_flight) >= self.settings.concurrency:
            return None
        times = [at for at, _ in self._retries]
        if any(True for _ in self._available_messages()):
            times.append(-math.inf if self._is_full() else self._deadline())
        return min(times, default=None)

    def complete(self, invocation: QueueInvocation[C], result: InvocationResult, now: float) -> QueueOutcome[C]:
        """Take the function's answer to a call in flight. Returns what is to be deleted and what stays."""
        if all(call is not invocation for call in self._in_flight):
            raise ValueError("the answer is to no call in flight")
        self._in_flight = [call for call in self._in_flight if call is not invocation]
        # invocation-eventsourcemapping: the next batching window begins when the invocation completes.
        self._batching_since = now
        if isinstance(result, Throttled):
            return self._throttled(invocation, now)
        failed = self._failed(invocation, result)
        retained = [message for message in invocation.messages if message.id in failed]
        deleted = tuple(message for message in invocation.messages if message.id not in failed)
        return QueueOutcome(deleted, tuple(retained + self._release_groups_of(retained)))

    # --- answers --------------------------------------------------------------------------------------------

    def _failed(self, invocation: QueueInvocation[C], result: InvocationResult) -> frozenset[str]:
        """The ids of the messages that stay. services-sqs-errorhandling: a failed call keeps all of them."""
        everything = frozenset(message.id for message in invocation.messages)
        if not isinstance(result, Returned):
            return everything
        if not self.settings.report_failures:
            return frozenset()
        failed = reported_failures(result.value, everything)
        return everything if failed is None else failed

    def _throttled(self, invocation: QueueInvocation[C], now: float) -> QueueOutcome[C]:
        """services-sqs-errorhandling: a throttled call is made again until its messages are visible again."""
        at = now + self._backoff.delay(invocation.attempt)
        if any(message.hidden_until <= at for message in invocation.messages):
            retained = list(invocation.messages)
            return QueueOutcome((), tuple(retained + self._release_groups_of(retained)))
        self._retries.append((at, QueueInvocation(invocation.messages, invocation.attempt + 1)))
        return QueueOutcome()

    def _release_groups_of(self, retained: list[Message[C]]) -> list[Message[C]]:
        """Let go of received messages that come after a failed one of their FIFO group.

        services-sqs-scaling: the retries of what failed come before any others of its group.
        """
        groups = {message.group for message in retained if message.group is not None}
        following = [message for message in self._pending if message.group in groups]
        self._drop(following)
        return following

    # --- batches --------------------------------------------------------------------------------------------

    def _due_retry(self, now: float) -> QueueInvocation[C] | None:
        for index, (at, call) in enumerate(self._retries):
            if at <= now:
                del self._retries[index]
                return call
        return None

    def _next_batch(self, now: float) -> QueueInvocation[C] | None:
        # The queue has shown these to somebody else by now; whoever received them answers for them.
        self._drop([message for message in self._pending if message.hidden_until <= now])
        if not (self._is_full() or now >= self._deadline()):
            return None
        remaining_bytes = self.settings.payload_limit - _FRAME_BYTES
        batch: list[Message[C]] = []
        for message in self._available_messages():
            remaining_bytes -= message.size + 1  # and a comma
            if len(batch) == self.settings.batch_size or (batch and remaining_bytes < 0):
                break
            batch.append(message)
        self._drop(batch)
        return QueueInvocation(tuple(batch)) if batch else None

    def _available_messages(self) -> Iterator[Message[C]]:
        """Pending messages whose FIFO group has no call in flight: a group's order is kept (services-sqs-scaling)."""
        calls = [*self._in_flight, *(call for _, call in self._retries)]
        busy = {message.group for call in calls for message in call.messages if message.group is not None}
        return (message for message in self._pending if message.group not in busy)

    def _is_full(self) -> bool:
        return len(self._pending) >= self.settings.batch_size or self._pending_bytes >= self.settings.payload_limit

    def _deadline(self) -> float:
        """The end of the batching window in which the oldest pending message came; see `StreamShard`."""
        length = self.settings.batching_window_s
        if length == 0:
            return -math.inf
        waited = max(0.0, self._oldest_pending_since - self._batching_since)
        return self._batching_since + length * (math.floor(waited / length) + 1)

    def _drop(self, messages: list[Message[C]]) -> None:
        if not messages:
            return
        dropped = {id(message) for message in messages}
        self._pending = deque(message for message in self._pending if id(message) not in dropped)
        self._pending_bytes -= sum(message.size for message in messages)

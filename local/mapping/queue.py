"""A standard or FIFO queue, read for one function.

with-sqs, services-sqs-errorhandling: Lambda receives messages, sends them in batches, and deletes those that were
processed. The others stay in the queue and become visible again when their visibility timeout ends. The queue itself
counts the receives and moves a message to its dead-letter queue.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from local.mapping.batching import FRAME_BYTES, batching_deadline
from local.mapping.results import InvocationResult, Returned, Throttled, reported_failures
from local.mapping.retries import Backoff
from local.mapping.settings import QueueSettings


class Message[C](Struct, frozen=True):
    """One received message. `receipt` is its receipt handle; it becomes visible again at `hidden_until`.

    `group` is its MessageGroupId, which orders messages of FIFO queues only. `passes` says whether it passes the
    mapping's filter (`Filter.passes_message`).
    """

    id: str
    receipt: str
    group: str | None
    hidden_until: float
    size: int
    content: C
    passes: bool = True


class QueueInvocation[C](Struct, frozen=True):
    """An invocation to make. The event is {"Records": the messages' contents}."""

    messages: tuple[Message[C], ...]
    attempt: int = 1


class QueueOutcome[C](Struct, frozen=True):
    """What follows from a result: delete the messages in `delete`; those in `retained` stay in the queue."""

    delete: tuple[Message[C], ...] = ()
    retained: tuple[Message[C], ...] = ()


class QueueMapping[C]:
    """The state of one queue's mapping. See the package's docstring for the pattern of its methods."""

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
        """Number of messages that have been received but not settled."""
        calls = [*self._in_flight, *(call for _, call in self._retries)]
        return len(self._pending) + sum(len(call.messages) for call in calls)

    @property
    def capacity(self) -> int:
        """How many more messages to receive now: as many as the free invocations can take."""
        if self._pending_bytes >= self.settings.payload_limit:
            return 0
        free = self.settings.concurrency - len(self._in_flight) - len(self._retries)
        return max(0, max(free, 0) * self.settings.batch_size - len(self._pending))

    def add(self, messages: Iterable[Message[C]], now: float) -> QueueOutcome[C]:
        """Add received messages, in the order in which the queue returned them.

        Returns the messages to delete at once: with-sqs-filtering, those that do not pass the filter leave the queue.
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
        """The invocation to make now, if any. Call again until it returns None: several may run at a time."""
        if len(self._in_flight) >= self.settings.concurrency:
            return None
        call = self._due_retry(now) or self._next_batch(now)
        if call is not None:
            self._in_flight.append(call)
        return call

    def next_time(self) -> float | None:
        """When to call `next_invocation` again; None if only an arrival or a result changes the state."""
        if len(self._in_flight) >= self.settings.concurrency:
            return None
        times = [at for at, _ in self._retries]
        if any(True for _ in self._available_messages()):
            times.append(-math.inf if self._is_full() else self._deadline())
        return min(times, default=None)

    def complete(self, invocation: QueueInvocation[C], result: InvocationResult, now: float) -> QueueOutcome[C]:
        """Apply the function's result to an invocation in flight. Raises ValueError if it is not in flight."""
        if all(call is not invocation for call in self._in_flight):
            raise ValueError("the invocation is not in flight")
        self._in_flight = [call for call in self._in_flight if call is not invocation]
        # invocation-eventsourcemapping: the next batching window begins when the invocation completes.
        self._batching_since = now
        if isinstance(result, Throttled):
            return self._throttled(invocation, now)
        failed = self._failed(invocation, result)
        retained = [message for message in invocation.messages if message.id in failed]
        deleted = tuple(message for message in invocation.messages if message.id not in failed)
        return QueueOutcome(deleted, tuple(retained + self._release_groups_of(retained)))

    # --- results --------------------------------------------------------------------------------------------

    def _failed(self, invocation: QueueInvocation[C], result: InvocationResult) -> frozenset[str]:
        """The ids of the messages that stay. services-sqs-errorhandling: after a failed call, all of them."""
        everything = frozenset(message.id for message in invocation.messages)
        if not isinstance(result, Returned):
            return everything
        if not self.settings.report_failures:
            return frozenset()
        failed = reported_failures(result.value, everything)
        return everything if failed is None else failed

    def _throttled(self, invocation: QueueInvocation[C], now: float) -> QueueOutcome[C]:
        """services-sqs-errorhandling: a throttled call is retried until its messages become visible again."""
        at = now + self._backoff.delay(invocation.attempt)
        if any(message.hidden_until <= at for message in invocation.messages):
            retained = list(invocation.messages)
            return QueueOutcome((), tuple(retained + self._release_groups_of(retained)))
        self._retries.append((at, QueueInvocation(invocation.messages, invocation.attempt + 1)))
        return QueueOutcome()

    def _release_groups_of(self, retained: list[Message[C]]) -> list[Message[C]]:
        """Release received messages that follow a failed message of their FIFO group.

        services-sqs-scaling: failed messages are retried before any others of their group.
        """
        groups = self._groups(retained)
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
        # These are visible to other consumers again and no longer ours to process.
        self._drop([message for message in self._pending if message.hidden_until <= now])
        if not (self._is_full() or now >= self._deadline()):
            return None
        remaining_bytes = self.settings.payload_limit - FRAME_BYTES
        batch: list[Message[C]] = []
        for message in self._available_messages():
            remaining_bytes -= message.size + 1  # plus a comma
            if len(batch) == self.settings.batch_size or (batch and remaining_bytes < 0):
                break
            batch.append(message)
        self._drop(batch)
        return QueueInvocation(tuple(batch)) if batch else None

    def _available_messages(self) -> Iterator[Message[C]]:
        """Pending messages whose FIFO group has no call in flight, to keep the group's order (services-sqs-scaling)."""
        calls = [*self._in_flight, *(call for _, call in self._retries)]
        busy = self._groups(message for call in calls for message in call.messages)
        return (message for message in self._pending if message.group not in busy)

    def _groups(self, messages: Iterable[Message[C]]) -> set[str | None]:
        """The groups of messages whose order counts.

        A standard queue has none: there, a group is a tenant of a fair queue, whose messages run side by side
        (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html).
        """
        return {message.group for message in messages if message.group is not None} if self.settings.fifo else set()

    def _is_full(self) -> bool:
        return len(self._pending) >= self.settings.batch_size or self._pending_bytes >= self.settings.payload_limit

    def _deadline(self) -> float:
        return batching_deadline(self._batching_since, self._oldest_pending_since, self.settings.batching_window_s)

    def _drop(self, messages: list[Message[C]]) -> None:
        if not messages:
            return
        dropped = {id(message) for message in messages}
        self._pending = deque(message for message in self._pending if id(message) not in dropped)
        self._pending_bytes -= sum(message.size for message in messages)

"""The poller of a queue."""

from collections.abc import Sequence
from copy import replace
from typing import Any, cast

from local.deployment.mappings import EventSourceMapping
from local.mapping import InvocationResult, Message, QueueInvocation, QueueMapping, QueueSettings
from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.events import payload, queue_message
from local.pollers.source_poller import MAX_CONCURRENT_INVOCATIONS, SourcePoller

MAX_DELETE_BATCH = 10


class QueuePoller(SourcePoller[QueueInvocation[bytes]]):
    """Receives the messages of one queue."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        emulator: EmulatorClient,
        *,
        url: str,
        attributes: dict[str, str],
        is_new: bool = True,
    ) -> None:
        super().__init__(mapping, emulator, calls=MAX_CONCURRENT_INVOCATIONS, warm_calls=1)
        fifo = attributes.get("FifoQueue") == "true"
        visibility = float(attributes["VisibilityTimeout"])
        settings = QueueSettings.parse(
            mapping.properties, fifo=fifo, visibility_s=visibility, timeout_s=mapping.timeout_s if is_new else 0
        )
        settings = replace(settings, concurrency=min(settings.concurrency, MAX_CONCURRENT_INVOCATIONS))
        self._state: QueueMapping[bytes] = QueueMapping(settings, now=self.clock.now())
        self._url = url
        self._undeleted: list[Message[bytes]] = []

    def poll(self) -> bool:
        """Receive up to ten messages if an invocation can take them."""
        self._delete()
        capacity = self._state.capacity
        if not capacity:
            return False
        now = self.clock.now()
        response = self._emulator.call(
            "sqs",
            "ReceiveMessage",
            QueueUrl=self._url,
            MaxNumberOfMessages=min(capacity, 10),
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        received = cast("list[dict[str, Any]]", response.get("Messages") or [])
        settings, arn = self._state.settings, self.mapping.source_arn
        hidden_until = now + settings.visibility_s
        messages = [queue_message(entry, arn, hidden_until, settings) for entry in received]
        filtered = self._state.add(messages, now).delete
        self._delete(filtered)
        self.update_statistics(
            read=self.statistics.read + len(received), filtered=self.statistics.filtered + len(filtered)
        )
        return bool(received)

    def due_invocations(self, now: float) -> list[tuple[QueueInvocation[bytes], bytes]]:
        """As many invocations as may run concurrently."""
        calls = []
        while (call := self._state.next_invocation(now)) is not None:
            calls.append((call, payload(message.content for message in call.messages)))
        return calls

    def handle_result(self, call: QueueInvocation[bytes], result: InvocationResult, now: float) -> int:
        """Delete the processed messages. The others become visible again when their visibility timeout ends."""
        delete = self._state.complete(call, result, now).delete
        self._delete(delete)
        return len(delete)

    def _delete(self, messages: Sequence[Message[bytes]] = ()) -> None:
        """Delete messages, and those that could not be deleted before, as long as they are hidden."""
        hidden = [message for message in self._undeleted if message.hidden_until > self.clock.now()]
        waiting, self._undeleted = [*hidden, *messages], []
        for start in range(0, len(waiting), MAX_DELETE_BATCH):
            batch = waiting[start : start + MAX_DELETE_BATCH]
            entries = [{"Id": str(index), "ReceiptHandle": message.receipt} for index, message in enumerate(batch)]
            try:
                deleted = self._emulator.call("sqs", "DeleteMessageBatch", QueueUrl=self._url, Entries=entries)
            except CallFailed as error:
                failed = batch
                self.update_statistics(last_error=f"could not delete messages: {error}")
            else:
                entries_left = cast("list[dict[str, str]]", deleted.get("Failed") or [])
                failed = [batch[int(entry["Id"])] for entry in entries_left]
                if failed:
                    self.update_statistics(last_error=f"could not delete messages: {entries_left}")
            self._undeleted += failed

    def pending(self) -> int:
        """Number of messages received but not settled."""
        return self._state.pending

    def next_time(self) -> float | None:
        """When the batching window or a retry's delay ends."""
        return self._state.next_time()

    def queue_depth(self) -> int:
        """Messages in the queue, visible or not. Raises CallFailed."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        response = self._emulator.call("sqs", "GetQueueAttributes", QueueUrl=self._url, AttributeNames=names)
        counts = cast("dict[str, str]", response["Attributes"])
        return sum(int(counts[name]) for name in names)

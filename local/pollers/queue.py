"""The poller of a queue."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from local.deployment.deployed import DeployedMapping
from local.mapping import Answer, Message, QueueInvocation, QueueMapping, QueueSettings
from local.pollers.emulator_client import Wire
from local.pollers.events import payload, queue_message
from local.pollers.reader import Reader

CALLS = 2
"""Calls of a queue's function at one time. Each is a process of the emulator's, and a machine has few cores."""

DELETE_BATCH = 10


class QueueReader(Reader[QueueInvocation[bytes]]):
    """Receives the messages of one queue."""

    def __init__(self, mapping: DeployedMapping, wire: Wire, *, url: str, attributes: dict[str, str]) -> None:
        super().__init__(mapping, wire, calls=CALLS)
        fifo = attributes.get("FifoQueue") == "true"
        visibility = float(attributes["VisibilityTimeout"])
        settings = QueueSettings.parse(mapping.properties, fifo=fifo, visibility_s=visibility)
        settings = replace(settings, concurrency=min(settings.concurrency, CALLS))
        self._rules: QueueMapping[bytes] = QueueMapping(settings, now=time.time())
        self._url = url

    def poll(self) -> bool:
        """Receive up to ten messages, if a call could take them."""
        room = self._rules.room
        if not room:
            return False
        now = time.time()
        answer = self._wire.call(
            "sqs",
            "ReceiveMessage",
            QueueUrl=self._url,
            MaxNumberOfMessages=min(room, 10),
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        received = cast("list[dict[str, Any]]", answer.get("Messages") or [])
        settings, arn = self._rules.settings, self.mapping.source_arn
        hidden_until = now + settings.visibility_s
        messages = [queue_message(entry, arn, hidden_until, settings) for entry in received]
        filtered = self._rules.add(messages, now).delete
        self._delete(filtered)
        self.figures(read=self.statistics.read + len(received), filtered=self.statistics.filtered + len(filtered))
        return bool(received)

    def due(self, now: float) -> list[tuple[QueueInvocation[bytes], bytes]]:
        """As many calls as may run at a time."""
        calls = []
        while (call := self._rules.next_invocation(now)) is not None:
            calls.append((call, payload(message.content for message in call.messages)))
        return calls

    def take(self, call: QueueInvocation[bytes], answer: Answer, now: float) -> int:
        """Delete what was processed. What was not comes back when its visibility timeout has run out."""
        delete = self._rules.answer(call, answer, now).delete
        self._delete(delete)
        return len(delete)

    def _delete(self, messages: Sequence[Message[bytes]]) -> None:
        for start in range(0, len(messages), DELETE_BATCH):
            entries = [
                {"Id": str(index), "ReceiptHandle": message.receipt}
                for index, message in enumerate(messages[start : start + DELETE_BATCH])
            ]
            deleted = self._wire.call("sqs", "DeleteMessageBatch", QueueUrl=self._url, Entries=entries)
            if deleted.get("Failed"):
                self.figures(last_error=f"messages could not be deleted: {deleted['Failed']}")

    def pending(self) -> int:
        """Messages in hand."""
        return self._rules.pending

    def next_time(self) -> float | None:
        """When the batching window ends."""
        return self._rules.next_time()

    def left_in_queue(self) -> int:
        """Messages in the queue, visible or not. Raises CallFailed."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        answer = self._wire.call("sqs", "GetQueueAttributes", QueueUrl=self._url, AttributeNames=names)
        counts = cast("dict[str, str]", answer["Attributes"])
        return sum(int(counts[name]) for name in names)

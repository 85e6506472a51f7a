"""Messages of a queue, taken out for a while: received, then deleted or released."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched
from typing import Any

from msgspec import Struct, field

_MAX_ENTRIES = 10
_MAX_EMPTY_RECEIVES = 2


class Message(Struct, frozen=True):
    """A received message. ``attributes`` are the sender's, ``system`` are those of the queue."""

    id: str
    receipt: str
    body: str
    attributes: Mapping[str, Any]
    system: Mapping[str, str]


class Leases(Struct):
    """Receives each message of a queue once. Messages that are kept are released at the end.

    ``hidden_before`` is about how many messages somebody else had received, and not deleted, at the beginning.
    """

    sqs: Any
    queue: str
    seconds: int
    batch_size: int = _MAX_ENTRIES
    hidden_before: int = 0
    _kept: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[list[Message]]:
        """Yield batches until the queue returns nothing new."""
        empty = 0
        while empty < _MAX_EMPTY_RECEIVES:
            batch = self._receive()
            self._kept |= {message.id: message.receipt for message in batch if message.id in self._kept}
            fresh = [message for message in batch if message.id not in self._kept]
            empty = 0 if fresh else empty + 1
            if fresh:
                yield fresh

    def delete(self, messages: Iterable[Message]) -> list[Message]:
        """Delete messages; return those that are deleted. The others appear again."""
        deleted = []
        for batch in batched(messages, _MAX_ENTRIES, strict=False):
            entries = [{"Id": str(place), "ReceiptHandle": one.receipt} for place, one in enumerate(batch)]
            failed = self.sqs.delete_message_batch(QueueUrl=self.queue, Entries=entries).get("Failed", [])
            undone = {int(entry["Id"]) for entry in failed}
            deleted += [message for place, message in enumerate(batch) if place not in undone]
        for message in deleted:
            self._kept.pop(message.id, None)
        return deleted

    def keep(self, messages: Iterable[Message]) -> None:
        """Leave messages in the queue."""
        self._kept |= {message.id: message.receipt for message in messages}

    def release(self) -> None:
        """Let everybody receive the kept messages again, instead of after the visibility timeout."""
        for batch in batched(self._kept.values(), _MAX_ENTRIES, strict=False):
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for place, receipt in enumerate(batch)
            ]
            self.sqs.change_message_visibility_batch(QueueUrl=self.queue, Entries=entries)
        self._kept.clear()

    def _receive(self) -> list[Message]:
        response = self.sqs.receive_message(
            QueueUrl=self.queue,
            MaxNumberOfMessages=self.batch_size,
            VisibilityTimeout=self.seconds,
            WaitTimeSeconds=1,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [
            Message(
                found["MessageId"],
                found["ReceiptHandle"],
                found["Body"],
                found.get("MessageAttributes", {}),
                found.get("Attributes", {}),
            )
            for found in response.get("Messages", [])
        ]


@contextmanager
def leased(sqs: Any, queue: str, seconds: int, batch_size: int = _MAX_ENTRIES) -> Iterator[Leases]:
    """Lease the messages of a queue until the block ends."""
    name = "ApproximateNumberOfMessagesNotVisible"
    hidden = int(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])["Attributes"][name])
    leases = Leases(sqs, queue, seconds, batch_size, hidden)
    try:
        yield leases
    finally:
        leases.release()

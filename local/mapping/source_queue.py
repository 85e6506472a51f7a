"""An SQS queue in memory, for simulations and tests. The emulator has its own.

The pages named here are from https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/.
"""

from msgspec import Struct, field


class ReceivedMessage(Struct, frozen=True):
    """One receipt of a message. `count` is its ApproximateReceiveCount; `hidden_until` ends its visibility timeout."""

    id: str
    receipt: str
    body: str
    group: str | None
    count: int
    hidden_until: float


class _StoredMessage(Struct):
    id: str
    body: str
    group: str | None
    visible_at: float
    count: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.id}/{self.count}"


class SourceQueue(Struct):
    """A standard or FIFO queue. Times are in seconds.

    `max_receive_count` is the redrive policy's maxReceiveCount, None without a policy. `dead_letters` holds the
    dead-letter queue's messages.
    """

    visibility_s: float = 30
    max_receive_count: int | None = None
    dead_letters: list[ReceivedMessage] = field(default_factory=list)
    _messages: list[_StoredMessage] = field(default_factory=list)
    _sent: int = 0

    def __len__(self) -> int:
        return len(self._messages)

    def send(self, body: str, now: float, *, group: str | None = None) -> str:
        """Append a message and return its id."""
        self._sent += 1
        message = _StoredMessage(str(self._sent), body, group, now)
        self._messages.append(message)
        return message.id

    def receive(self, now: float, max_messages: int = 10) -> list[ReceivedMessage]:
        """Receive up to `max_messages` messages and hide them for the visibility timeout.

        sqs-visibility-timeout: a message that is not deleted becomes visible again when the timeout ends.
        sqs-dead-letter-queues: after maxReceiveCount receives, a message moves to the dead-letter queue instead.
        FIFO-queues-understanding-logic: while messages of a group are hidden, no others of the group are returned.
        """
        received: list[ReceivedMessage] = []
        blocked = {
            message.group for message in self._messages if message.group is not None and message.visible_at > now
        }
        for message in [*self._messages] if max_messages > 0 else ():
            if message.visible_at > now or message.group in blocked:
                continue
            if self.max_receive_count is not None and message.count >= self.max_receive_count:
                self._messages.remove(message)
                self.dead_letters.append(_to_received(message))
                continue
            message.count += 1
            message.visible_at = now + self.visibility_s
            received.append(_to_received(message))
            if len(received) >= max_messages:
                break
        return received

    def delete(self, receipt: str) -> None:
        """Delete a message by its latest receipt. A message received again since then stays."""
        self._messages = [message for message in self._messages if message.receipt != receipt]

    def redrive(self, now: float) -> None:
        """Append the dead-letter queue's messages again, as a message move task does."""
        dead_letters, self.dead_letters = self.dead_letters, []
        for message in dead_letters:
            self.send(message.body, now, group=message.group)

    def next_time(self, now: float) -> float | None:
        """When the next hidden message becomes visible; None if none is hidden."""
        return min((message.visible_at for message in self._messages if message.visible_at > now), default=None)


def _to_received(message: _StoredMessage) -> ReceivedMessage:
    return ReceivedMessage(message.id, message.receipt, message.body, message.group, message.count, message.visible_at)

"""The archive's queue and its mapping: messages may arrive more than once, and some become dead letters."""

from dataclasses import dataclass, field

from local.mapping import (
    InvocationResult,
    Message,
    QueueInvocation,
    QueueMapping,
    QueueSettings,
    ReceivedMessage,
    SourceQueue,
)
from tailrace.encoding.json_types import Json

_SIZE = 100  # bytes of a message, for the mapping's limits


@dataclass(slots=True)
class ArchiveQueue:
    """The queue and its mapping; ``sent`` holds the messages sent to it, in order."""

    settings: QueueSettings
    max_receive_count: int
    sent: list[str]
    rules: QueueMapping[Json] = field(init=False)
    queue: SourceQueue = field(init=False)
    _taken: int = 0

    def __post_init__(self) -> None:
        self.rules = QueueMapping(self.settings, now=0)
        self.queue = SourceQueue(self.settings.visibility_s, self.max_receive_count)

    @property
    def is_empty(self) -> bool:
        """Whether every message has been processed."""
        return self._taken == len(self.sent) and not len(self.queue) and not self.queue.dead_letters

    def receive(self, now: float) -> None:
        """Let the mapping receive as many messages as it can take."""
        for number in range(self._taken, len(self.sent)):
            self.queue.send(self.sent[number], now)
        self._taken = len(self.sent)
        self.rules.add([_message(received) for received in self.queue.receive(now, self.rules.capacity)], now)

    def next_time(self, now: float) -> float | None:
        """Return the time of the next event; None until a new message arrives."""
        times = [self.queue.next_time(now), self.rules.next_time()]
        return min((at for at in times if at is not None), default=None)

    def complete(self, call: QueueInvocation[Json], answer: InvocationResult, now: float) -> None:
        """Delete processed messages; the others reappear after their visibility timeout."""
        for message in self.rules.complete(call, answer, now).delete:
            self.queue.delete(message.receipt)

    def redrive_dead_letters(self, now: float) -> None:
        """Redrive the dead-letter queue, as an operator would."""
        self.queue.redrive(now)

    def send_again(self, which: int, now: float) -> None:
        """Deliver an earlier message again, as a standard queue may."""
        if self._taken:
            self.queue.send(self.sent[which % self._taken], now)


def _message(received: ReceivedMessage) -> Message[Json]:
    content = {"messageId": received.id, "body": received.body}
    return Message(received.id, received.receipt, None, received.hidden_until, _SIZE, content)

"""The archive's queue: messages that are hidden while they are worked on, and may come more than once."""

from dataclasses import dataclass, field, replace
from typing import Any

from local.mapping import Answer, Message, QueueInvocation, QueueMapping, QueueSettings

type Json = dict[str, Any]

_SIZE = 100  # bytes of a message, as far as the mapping is concerned


@dataclass(slots=True)
class _Waiting:
    """A message in the queue, and when it can be received."""

    id: str
    body: str
    visible_at: float


@dataclass(slots=True)
class ArchiveQueue:
    """The queue and its mapping; ``sent`` is what others have sent to it, in order."""

    settings: QueueSettings
    sent: list[str]
    rules: QueueMapping[Json] = field(init=False)
    _taken: int = 0
    _waiting: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rules = QueueMapping(self.settings, now=0)

    @property
    def is_empty(self) -> bool:
        """Whether everything that was sent has been worked on."""
        return self._taken == len(self.sent) and not self._waiting

    def receive(self, now: float) -> None:
        """Let the mapping receive what it has room for."""
        for number in range(self._taken, len(self.sent)):
            self._waiting.append(_Waiting(str(number), self.sent[number], now))
        self._taken = len(self.sent)
        visible = [message for message in self._waiting if message.visible_at <= now][: self.rules.room]
        for message in visible:
            message.visible_at = now + self.settings.visibility_s
        self.rules.add([_received(message) for message in visible], now)

    def next_time(self) -> float | None:
        """Return when there is something to do again; None while only a message that is sent changes that."""
        times = [message.visible_at for message in self._waiting]
        due = self.rules.next_time()
        return min(times if due is None else [*times, due], default=None)

    def answer(self, call: QueueInvocation[Json], answer: Answer, now: float) -> None:
        """Delete what was worked on; the rest is seen again when its time has come."""
        done = {message.id for message in self.rules.answer(call, answer, now).delete}
        self._waiting = [message for message in self._waiting if message.id not in done]

    def send_again(self, which: int) -> None:
        """Let a message that was worked on come once more, as a standard queue may."""
        if self._taken:
            number = which % self._taken
            self._waiting.append(_Waiting(f"{number} again", self.sent[number], 0))


def _received(message: _Waiting) -> Message[Json]:
    content = {"messageId": message.id, "body": message.body}
    return Message(message.id, message.id, None, message.visible_at, _SIZE, content)


def settings_of(properties: Json, queue: Json, *, batch_size: int, batching_window_s: float) -> QueueSettings:
    """Return the template's settings of a queue's mapping, with small batches."""
    parsed = QueueSettings.parse(properties, fifo=False, visibility_s=queue["VisibilityTimeout"])
    return replace(parsed, batch_size=batch_size, batching_window_s=batching_window_s)

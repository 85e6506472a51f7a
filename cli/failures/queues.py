"""Dead-letter queues whose messages need no check: those of the archive and of the routes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from cli.console import uninterrupted
from cli.failures.leases import Leases, Message, leased
from cli.failures.run import Run
from cli.failures.sent_log import SentLog, sent_log

LEASE_S = 120
_MAX_ENTRIES, _MAX_BYTES = 10, 1_000_000  # a request may hold 1 MiB (1,048,576 bytes); the rest is for its envelope

REJECTED = "were not accepted by the queue; run the command again"
SENT_BEFORE = "sent by an interrupted run"


def message_count(sqs: Any, queue: str) -> int:
    """Return about how many messages a queue holds, including hidden ones."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def entry(message: Message, body: str, **fifo: str) -> dict[str, Any]:
    """Return what sends a message again, with another body and, to a FIFO queue, with its group."""
    attributes = {"MessageAttributes": dict(message.attributes)} if message.attributes else {}
    return {"MessageBody": body, **attributes, **fifo}


def send_entries(
    sqs: Any, queue: str, entries: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Send messages in as few requests as possible.

    Yields the positions of those that were accepted and of those that were not, after each request: what was sent must
    be remembered before the next one, which may fail.
    """
    for places in _requests(entries):
        numbered = [{"Id": str(place), **entries[place]} for place in places]
        response = sqs.send_message_batch(QueueUrl=queue, Entries=numbered)
        failed = {int(refused["Id"]) for refused in response.get("Failed", ())}
        yield [place for place in places if place not in failed], sorted(failed)


def _requests(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """Split messages into requests within the limits of entries and bytes."""
    places: list[int] = []
    size = 0
    for place, one in enumerate(entries):
        length = len(one["MessageBody"].encode()) + len(repr(one.get("MessageAttributes", "")))
        if places and (len(places) == _MAX_ENTRIES or size + length > _MAX_BYTES):
            yield places
            places, size = [], 0
        places.append(place)
        size += length
    if places:
        yield places


def note_hidden(leases: Leases, run: Run) -> None:
    """Mention messages that this run may not have seen."""
    if leases.hidden_before:
        run.tally.notes.append(
            f"{leases.hidden_before:,} were hidden when this run began, perhaps by an interrupted run; they reappear "
            f"within {leases.seconds // 60} minutes: run the command again after that"
        )


class DeadLetters(Struct, frozen=True):
    """A dead-letter queue and the queue that its messages go back to.

    Messages are sent first and deleted after. What was sent is remembered in between, so that only a message whose send
    was cut off can be sent twice; those who receive it drop events that they know by ``id``.
    """

    name: str
    sqs: Any
    dead: str
    queue: str
    state: Path

    def count(self) -> int:
        """Return about how many messages there are."""
        return message_count(self.sqs, self.dead)

    def redrive(self, run: Run) -> None:
        """Put the messages back."""
        with sent_log(self.state / f"{self.name}.sent") as log, leased(self.sqs, self.dead, LEASE_S) as leases:
            for batch in leases:
                known = [message for message in batch if message.id in log]
                fresh = [message for message in batch if message.id not in log]
                self._finish(leases, log, run, known)
                taken = run.take(fresh)
                leases.keep(fresh[len(taken) :])
                self._move(leases, log, run, taken)
                if run.is_over:
                    break
            else:
                note_hidden(leases, run)

    def _finish(self, leases: Leases, log: SentLog, run: Run, messages: Sequence[Message]) -> None:
        """Delete what an interrupted run has sent."""
        if run.dry_run:
            leases.keep(messages)
        else:
            log.forget(message.id for message in leases.delete(messages))
        if messages:
            run.tally.remove(SENT_BEFORE, len(messages))

    def _move(self, leases: Leases, log: SentLog, run: Run, messages: Sequence[Message]) -> None:
        if run.dry_run:
            leases.keep(messages)
            run.done(self.name, len(messages))
        elif messages:
            with uninterrupted():
                entries = [entry(message, message.body) for message in messages]
                for places, failed in send_entries(self.sqs, self.queue, entries):
                    sent = [messages[place] for place in places]
                    log.add(message.id for message in sent)
                    log.forget(message.id for message in leases.delete(sent))
                    run.done(self.name, len(sent))
                    leases.keep(messages[place] for place in failed)
                    for place in failed:
                        run.tally.leave(REJECTED, messages[place].id)

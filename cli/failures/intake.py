"""The intake queue: its dead letters, and operations that quarantine reports hold."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError
from msgspec import Struct

from cli.console import uninterrupted
from cli.failures.gate import BEHIND, NAMELESS, Decision, Gate, Verdict, conditional_message
from cli.failures.items.table import Address, ItemTable
from cli.failures.leases import Message, leased
from cli.failures.queues import LEASE_S, REJECTED, SENT_BEFORE, entry, message_count, note_hidden, send_entries
from cli.failures.run import Run
from tailrace.aws.items.rows import StoredItem
from tailrace.aws.runtime.errors import has_code
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import item_key
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.inputs.messages import Operation, parse_message
from tailrace.inputs.received_items import stamp_of

_UNFIT = "InvalidParameterValue"
"""The code of SQS for a message that is too large, or a group or id that cannot be."""


class Intake(Struct, frozen=True):
    """The intake queue (FIFO), and the file in which discarded operations are kept.

    A message goes back with a deduplication id of its own, and on condition that the item is as it was compared. So it
    has one effect, however often it is sent. One that has conditions already, perhaps because it was put back before,
    goes back as it is.
    """

    sqs: Any
    queue: str
    discarded: Path

    def send(self, body: str, group: str, name: str) -> str | None:
        """Send a message, and return why the queue refuses it, if it does; ``name`` identifies what it was made from.

        A message that holds the item of a file's line may be larger than the queue allows.
        """
        identity = f"redrive-{name}"
        try:
            self.sqs.send_message(
                QueueUrl=self.queue, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=identity
            )
        except ClientError as error:
            if not has_code(error, _UNFIT):
                raise
            return str(error.response["Error"].get("Message", ""))
        return None

    def send_dead_letters(
        self, messages: Sequence[Message], bodies: Sequence[str]
    ) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
        """Send messages of different groups, as :func:`send_entries` does."""
        entries = [
            entry(
                message,
                body,
                MessageGroupId=message.system.get("MessageGroupId", ""),
                MessageDeduplicationId=f"redrive-{message.id}",
            )
            for message, body in zip(messages, bodies, strict=True)
        ]
        return send_entries(self.sqs, self.queue, entries)

    def keep_discarded(self, body: str) -> None:
        """Keep what is removed on request, one message per line."""
        with self.discarded.open("a", encoding="utf-8") as file:
            file.write(body.replace("\n", " ") + "\n")


class Letter(Struct, frozen=True):
    """A dead letter: its message group, and its operation and item; an operation that cannot be read is None.

    ``stamp`` is the time that the queue has for it, None if it has none: when it was sent, or, for a FIFO queue on AWS,
    when it became a dead letter (SQS guide, setting-up-dead-letter-queue-retention).
    """

    message: Message
    group: str
    operation: Operation | None
    item: str
    stamp: str | None

    @classmethod
    def parse(cls, message: Message, items: ItemTable) -> Self:
        """Parse a message about one of these items."""
        operation = parse_operation(message.body, items)
        item = "" if operation is None else item_key(operation.collection, operation.id)
        sent_ms = message.system.get("SentTimestamp")
        stamp = None if sent_ms is None else stamp_of(int(sent_ms))
        return cls(message, message.system.get("MessageGroupId", ""), operation, item, stamp)


class IntakeDeadLetters(Struct, frozen=True):
    """The intake's dead-letter queue: its messages go back in order for each item, and never over a newer item."""

    sqs: Any
    dead: str
    intake: Intake
    gate: Gate
    name: str = "intake"

    def count(self) -> int:
        """Return about how many messages there are."""
        return message_count(self.sqs, self.dead)

    def redrive(self, run: Run) -> None:
        """Put the messages back that may go back."""
        stuck: set[str] = set()
        with self.gate.expectations.opened(), leased(self.sqs, self.dead, LEASE_S) as leases:
            for batch in leases:
                for some in _rounds(batch, self.gate.items):
                    behind = [one for one in some if one.group in stuck]
                    for one in behind:
                        run.tally.leave(BEHIND, describe(one.operation))
                    done = self._redrive([one for one in some if one.group not in stuck], run)
                    leases.keep(one.message for one in some if run.dry_run or one not in done)
                    with uninterrupted():
                        leases.delete(() if run.dry_run else [one.message for one in done])
                    stuck |= {one.group for one in some if one not in done}
                if run.is_over:
                    break
            else:
                note_hidden(leases, run)
            if run.dry_run or stuck:
                run.tally.notes.append("messages behind these, for the same items, are not counted")

    def _redrive(self, some: Sequence[Letter], run: Run) -> list[Letter]:
        """Put back or remove messages, one for each item; return those that are done, or would be."""
        items = self.gate.read(one.operation for one in some if one.operation is not None)
        done, sending = [], []
        for one in some:
            verdict = self._judge(one, items)
            if verdict.decision is Decision.SEND:
                sending.append((one, verdict))
            elif verdict.decision is Decision.LEAVE:
                run.tally.leave(verdict.reason, describe(one.operation))
            elif not verdict.is_discarded:
                run.tally.remove(verdict.reason)
                done.append(one)
            elif not run.is_over:
                if not run.dry_run:
                    self.intake.keep_discarded(one.message.body)
                run.discard(verdict.reason)
                done.append(one)
        return done + self._send(run.take(sending), run)

    def _judge(self, one: Letter, items: Mapping[Address, StoredItem | None]) -> Verdict:
        if self.gate.expectations.was_sent(one.message.id):
            return Verdict(Decision.REMOVE, SENT_BEFORE)
        if one.operation is None and is_nameless(one.message.body) and not self.gate.policy.overwrite:
            return Verdict(Decision.LEAVE, NAMELESS)
        if one.operation is None or has_conditions(one.operation):
            return Verdict(Decision.SEND)
        current = items[one.operation.collection, one.operation.id]
        return self.gate.judge(one.operation, current, in_order=True)

    def _send(self, sending: Sequence[tuple[Letter, Verdict]], run: Run) -> list[Letter]:
        """Send messages, with the conditions of their verdicts; return those that were sent."""
        items, done = self.gate.items, []
        stamped = [one.operation and items.stamped(one.operation, one.stamp) for one, _ in sending]
        bodies = [
            conditional_message(one.message.body, operation, verdict.conditions)
            if operation is not None and verdict.before
            else one.message.body
            for (one, verdict), operation in zip(sending, stamped, strict=True)
        ]
        with uninterrupted():
            messages = [one.message for one, _ in sending]
            would_be_sent = [(range(len(sending)), range(0))]
            for sent, failed in would_be_sent if run.dry_run else self.intake.send_dead_letters(messages, bodies):
                for place in sent:
                    (one, verdict), operation = sending[place], stamped[place]
                    if operation is None or not verdict.before:
                        self.gate.expectations.add(one.message.id, stored=not run.dry_run)
                    else:
                        self.gate.sent(one.message.id, operation, verdict, dry_run=run.dry_run)
                    done.append(one)
                self.gate.expectations.flush()
                run.done(self.name, len(sent))
                for place in failed:
                    run.tally.leave(REJECTED, describe(sending[place][0].operation))
        return done


def _rounds(batch: Sequence[Message], items: ItemTable) -> Iterator[list[Letter]]:
    """Split messages, in order, so that each part has one of each group and item at most."""
    left = [Letter.parse(message, items) for message in batch]
    while left:
        groups: set[str] = set()
        part: list[Letter] = []
        rest: list[Letter] = []
        for one in left:
            names = {one.group, one.item}
            (rest if names & groups else part).append(one)
            groups |= names
        yield part
        left = rest


def parse_operation(body: str, items: ItemTable) -> Operation | None:
    """Return the operation that a message requests; None if it is about nothing that can be an item there."""
    try:
        operation = items.with_id(parse_message(body))
    except InvalidMessage:
        return None
    return None if items.key_of((operation.collection, operation.id)) is None else operation


def is_nameless(body: str) -> bool:
    """Return whether a message puts an item whose id the definition makes, so that there is nothing to compare."""
    try:
        return not parse_message(body).id
    except InvalidMessage:
        return False


def describe(operation: Operation | None) -> str:
    """Return an operation in a few words."""
    return "?" if operation is None else f"{operation.op} {operation.collection}#{operation.id[:80]}"


def has_conditions(operation: Operation) -> bool:
    """Return whether an operation depends on the item's state."""
    return operation.if_match is not None or operation.if_absent


def put_message(collection: str, item_id: str, item: Json, expires_at: Any) -> str:
    """Return a message that puts an item."""
    message = {"op": "put", "collection": collection, "id": item_id, "item": item}
    return dumps(message if expires_at is None else message | {"expires_at": expires_at})

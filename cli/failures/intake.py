"""The intake queue: its dead letters, and operations that quarantine reports hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.console import uninterrupted
from cli.failures.gate import BEHIND, Decision, Gate, Verdict, with_conditions
from cli.failures.leases import Leases, Message, leased
from cli.failures.queues import LEASE_S, SENT_BEFORE, message_count, note_hidden
from cli.failures.run import Run
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.inputs.messages import Operation, parse_message


@dataclass(frozen=True, slots=True)
class Intake:
    """The intake queue (FIFO), and the file in which discarded operations are kept.

    A message goes back with a deduplication id of its own, and on condition that the item is as it was compared. So it
    has one effect, however often it is sent. One that has conditions already, perhaps because it was put back before,
    goes back as it is.
    """

    sqs: Any
    queue: str
    discarded: Path

    def send(self, body: str, group: str, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Send a message; ``name`` identifies what it was made from."""
        self.sqs.send_message(
            QueueUrl=self.queue,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=f"redrive-{name}",
            MessageAttributes=dict(attributes or {}),
        )

    def keep_discarded(self, body: str) -> None:
        """Keep what is removed on request, one message per line."""
        with self.discarded.open("a", encoding="utf-8") as file:
            file.write(body.replace("\n", " ") + "\n")


@dataclass(frozen=True, slots=True)
class IntakeDeadLetters:
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
                for message in batch:
                    group = message.system.get("MessageGroupId", "")
                    if group in stuck or not self._redrive(message, group, leases, run):
                        leases.keep([message])
                        if group in stuck:
                            run.tally.leave(BEHIND, message.id)
                        stuck.add(group)
                if run.is_over:
                    break
            else:
                note_hidden(leases, run)
            if run.dry_run or stuck:
                run.tally.notes.append("messages behind these, for the same items, are not counted")

    def _redrive(self, message: Message, group: str, leases: Leases, run: Run) -> bool:
        """Put back or remove a message; return whether it left the dead-letter queue, or would have."""
        operation = _parse(message.body)
        verdict = self._judge(message, operation)
        if verdict.decision is Decision.LEAVE:
            run.tally.leave(verdict.reason, describe(operation))
            return False
        if verdict.decision is Decision.SEND and not run.take([message]):
            return False
        if run.dry_run:
            leases.keep([message])
        with uninterrupted():
            if verdict.decision is Decision.SEND:
                self._send(verdict, operation, message, group, run)
                run.done(self.name)
            else:
                if verdict.is_discarded and verdict.reason != SENT_BEFORE and not run.dry_run:
                    self.intake.keep_discarded(message.body)
                run.tally.remove(verdict.reason)
            if not run.dry_run:
                leases.delete([message])
        return True

    def _judge(self, message: Message, operation: Operation | None) -> Verdict:
        if self.gate.expectations.was_sent(message.id):
            return Verdict(Decision.REMOVE, SENT_BEFORE)
        if operation is None or has_conditions(operation):
            return Verdict(Decision.SEND)
        return self.gate.judge(operation, in_order=True)

    def _send(self, verdict: Verdict, operation: Operation | None, message: Message, group: str, run: Run) -> None:
        """Send a message, with the conditions of its verdict, if it has any."""
        if not run.dry_run:
            body = with_conditions(message.body, verdict.conditions) if verdict.before else message.body
            self.intake.send(body, group, message.id, message.attributes)
        if operation is None or not verdict.before:
            self.gate.expectations.add(message.id, stored=not run.dry_run)
        else:
            self.gate.sent(message.id, operation, verdict, dry_run=run.dry_run)


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


def _parse(body: str) -> Operation | None:
    try:
        return parse_message(body)
    except InvalidMessage:
        return None

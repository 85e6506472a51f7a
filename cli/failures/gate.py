"""What may go back to the intake queue: an operation is compared with the item first.

Nothing shows when an item was last changed, or that it was deleted. So an operation is put back by itself only if it
follows another one that was put back. All else takes an option, and goes back on condition that the item is still as it
was compared.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct

from cli.failures.items.expectations import Expectations, Versions
from cli.failures.items.table import Address, ItemTable
from cli.failures.run import Policy
from tailrace.aws.items.operations import is_applied
from tailrace.aws.items.rows import StoredItem
from tailrace.encoding.keys import item_key
from tailrace.encoding.numbers import parse_number
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.encoding.times import TimeFormatError, read_time
from tailrace.errors import InvalidMessage
from tailrace.inputs.messages import Operation

APPLIED = "changed nothing: the item is already as requested"
ABSENT = "would create an item that does not exist, and may have been deleted since (--create)"
NOTHING_TO_PATCH = "patch an item that does not exist"
UNDECIDED = "follow others for the same item that ingest has not processed yet: run the command again later"
DIFFERENT = "would change an item that may be newer (--overwrite, or --newer-by FIELD)"
NAMELESS = "have no id, which the definition makes, and would change an item that may be newer (--overwrite)"
OUTDATED = "are older than the item"
BEHIND = "follow a message that stays, for the same item"

_MAX_VERSIONS = 64
"""Versions that a message can be conditional on; each adds 36 bytes to it."""

_FRACTION = re.compile(r"[.,]\d{6}(\d+)", re.ASCII)
_GROUP = re.compile(r"[!-~]{1,128}")
"""The characters of a message group: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""


class Decision(Enum):
    """What becomes of an operation."""

    SEND = "send"
    REMOVE = "remove"
    LEAVE = "leave"


class Verdict(Struct, frozen=True):
    """A decision, its reason, and the versions of the item that a message is conditional on if it is sent."""

    decision: Decision
    reason: str = ""
    before: Versions = ()

    @property
    def is_discarded(self) -> bool:
        """Whether the operation is removed although it was not applied."""
        return self.decision is Decision.REMOVE and self.reason in (ABSENT, NOTHING_TO_PATCH, DIFFERENT, OUTDATED)

    @property
    def conditions(self) -> Mapping[str, Any]:
        """The message's conditions."""
        tags = ", ".join(version.etag for version in self.before if version is not None)
        return ({"if_match": tags} if tags else {}) | ({"if_absent": True} if None in self.before else {})


class Gate(Struct):
    """Compares operations with the items table, and with the operations that were sent before."""

    items: ItemTable
    policy: Policy
    expectations: Expectations

    def read(self, operations: Iterable[Operation]) -> dict[Address, StoredItem | None]:
        """Return the items that operations are about; strongly consistent."""
        return self.items.read((one.collection, one.id) for one in operations)

    def judge(self, requested: Operation, current: StoredItem | None, *, in_order: bool) -> Verdict:
        """Decide what becomes of an operation; ``current`` is its item now.

        If operations come ``in_order``, this one is newer than those that were sent before. It may follow them whether
        they are applied or refused, because ingest processes them first.
        """
        operation = self.items.completed(requested, current)
        pending = self.expectations.pending(item_key(operation.collection, operation.id), current)
        if in_order and pending is not None:
            few = len(pending) <= _MAX_VERSIONS
            return Verdict(Decision.SEND, before=pending) if few else Verdict(Decision.LEAVE, UNDECIDED)
        if is_applied(operation, current, self.items.collection(operation.collection)):
            return Verdict(Decision.REMOVE, APPLIED) if pending is None else Verdict(Decision.LEAVE, UNDECIDED)
        if current is None:
            if operation.op != "put":
                return self._refuse(NOTHING_TO_PATCH)
            return Verdict(Decision.SEND, before=(None,)) if self.policy.create else self._refuse(ABSENT)
        newer = self._is_newer(operation, current)
        if newer is False:
            return self._refuse(OUTDATED)
        if newer or self.policy.overwrite:
            return Verdict(Decision.SEND, before=(current,))
        return self._refuse(DIFFERENT)

    def sent(self, name: str, operation: Operation, verdict: Verdict, *, dry_run: bool) -> None:
        """Remember that an operation was sent, or would be: the next one for this item comes after it."""
        current = verdict.before[-1] if verdict.before else None
        requested = self.items.completed(operation, current)
        collection = self.items.collection(requested.collection)
        self.expectations.add_operation(name, requested, verdict.before, collection, stored=not dry_run)

    def _refuse(self, reason: str) -> Verdict:
        return Verdict(Decision.REMOVE if self.policy.discard else Decision.LEAVE, reason)

    def _is_newer(self, operation: Operation, current: StoredItem) -> bool | None:
        """Return whether an operation's item is newer; None if nothing shows it."""
        name = self.policy.newer_by
        if name is None or operation.op != "put":
            return None
        try:
            return bool(_ordering(operation.body.get(name)) > _ordering(current.item.get(name)))
        except TypeError:  # a number and a time, or a time with an offset and one without
            return None


def _ordering(value: Any) -> Any:
    """Return what a value is ordered by: a text that is a number or time by its meaning; None if it has no order."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    if isinstance(value, str):
        with suppress(InvalidMessage):
            return parse_number(value)
        with suppress(TimeFormatError):
            return read_time(value), _beyond_microseconds(value)
    return value


def _beyond_microseconds(time: str) -> str:
    """Return the digits of a time that :func:`read_time` truncates, in the order of the times."""
    fraction = _FRACTION.search(time)
    return fraction[1].rstrip("0") if fraction else ""


def conditional_message(body: str, operation: Operation, conditions: Mapping[str, Any]) -> str:
    """Return the message of an operation, whose stamp ``body`` may lack, with these conditions and no others."""
    message = {name: value for name, value in loads(body).items() if name not in ("if_match", "if_absent")}
    item = {"item": operation.body} if operation.op == "put" else {}
    return dumps(message | item | dict(conditions))


def message_group(operation: Operation) -> str:
    """Return the message group of an item: its key, or a digest of it."""
    key = item_key(operation.collection, operation.id)
    return key if _GROUP.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()

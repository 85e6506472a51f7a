"""Changes: the records of a DynamoDB stream, decoded from a Lambda event.

The event's format: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, and for the fields of a tumbling window
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES, Image, decode_value
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import SENTINELS, split_item_key
from tailrace.encoding.numbers import parse_number
from tailrace.errors import InvalidMessage, TailraceError

_TTL_IDENTITY = ("Service", "dynamodb.amazonaws.com")


class Change(NamedTuple):
    """One change to one item, as the stream reports it.

    Attributes:
        event_id: the record's id, unique within the stream.
        source: the stream's ARN.
        shard: the shard's id; None if the event does not name it.
        sequence: the sequence number, as an integer; it orders the changes of a shard.
        time: when the change was made, as ISO 8601 in UTC, to the second.
        collection: the item's collection.
        id: the item's id within the collection.
        old: the fields before the change; None if there was no item.
        new: the fields after the change; None if there is no item any more.
        expired: whether DynamoDB's TTL deleted the item.
    """

    event_id: str
    source: str
    shard: str | None
    sequence: int
    time: str
    collection: str
    id: str
    old: Item | None
    new: Item | None
    expired: bool


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that is not a change to an item, because its row has another format; kept whole for quarantine."""

    event_id: str
    sequence: int
    time: str
    record: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """One invocation's records: the changes in order, and the unreadable ones."""

    shard: str | None
    changes: list[Change]
    unreadable: list[UnreadableRecord]


class StreamPosition(NamedTuple):
    """A change's position in the stream: sequence number and time, as in :class:`Change`."""

    sequence: int
    time: str


@dataclass(frozen=True, slots=True)
class RawBatch:
    """One invocation's records, not yet decoded, for callers that do not need all of them."""

    stream: str
    shard: str | None
    records: Sequence[Mapping[str, Any]]
    positions: Sequence[StreamPosition]


def parse_raw_batch(event: Mapping[str, Any]) -> RawBatch:
    """Parse the event of a DynamoDB stream mapping without decoding the items.

    Raises:
        InvalidMessage: as :func:`decode_batch`.
    """
    records = _records(event)
    positions = [_position(record) for record in records]
    return RawBatch(str(event.get("eventSourceARN", "")), event.get("shardId"), records, positions)


def decode_batch(event: Mapping[str, Any]) -> ChangeBatch:
    """Parse and decode the event of a DynamoDB stream mapping.

    Raises:
        InvalidMessage: the event is not from a DynamoDB stream, or a record has no sequence number. Without one it
            cannot be reported as a batch item failure, so the whole invocation must fail.
    """
    records = _records(event)
    shard = event.get("shardId")
    changes: list[Change] = []
    unreadable: list[UnreadableRecord] = []
    for record in records:
        decoded = decode_record(record, shard)
        if isinstance(decoded, Change):
            changes.append(decoded)
        else:
            unreadable.append(decoded)
    return ChangeBatch(shard, changes, unreadable)


def _records(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    records = event.get("Records")
    if not isinstance(records, list):
        raise InvalidMessage("not an event of a DynamoDB stream: no list of Records")
    return records


def _position(record: Mapping[str, Any]) -> StreamPosition:
    try:
        body = record["dynamodb"]
        sequence = int(body["SequenceNumber"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidMessage("a stream record has no sequence number") from error
    return StreamPosition(sequence, _iso_seconds(int(body.get("ApproximateCreationDateTime", 0))))


def decode_record(record: Mapping[str, Any], shard: str | None) -> Change | UnreadableRecord:
    """Decode one stream record.

    Raises:
        InvalidMessage: it has no sequence number.
    """
    sequence, time = _position(record)
    body = record["dynamodb"]
    event_id = str(record.get("eventID", sequence))
    try:
        collection, item_id = split_item_key(body["Keys"]["pk"]["S"])
        source = str(record.get("eventSourceARN", ""))
        old, new = decode_fields(body.get("OldImage")), decode_fields(body.get("NewImage"))
        expired = new is None and _is_ttl_deletion(record)
        return Change(event_id, source, shard, sequence, time, collection, item_id, old, new, expired)
    except (KeyError, TypeError, ValueError, AttributeError, TailraceError) as error:
        return UnreadableRecord(event_id, sequence, time, record, str(error) or type(error).__name__)


def decode_fields(image: Image | None) -> Item | None:
    """Decode an item's fields, without the engine's attributes; None for no image."""
    if image is None:
        return None
    fields: Item = {}
    for name, value in image.items():
        # fast path for the two most common types; decode_value handles the others and reports errors
        if len(value) == 1 and "S" in value:
            fields[name] = value["S"]
        elif len(value) == 1 and "N" in value:
            fields[name] = parse_number(value["N"])
        else:
            fields[name] = decode_value(value)
    for name in ENGINE_ATTRIBUTES:
        fields.pop(name, None)
    return fields


def is_sentinel(record: Mapping[str, Any]) -> bool:
    """Tell whether a stream record is of a sentinel, which jobs write to see how far the stream is read."""
    key = record.get("dynamodb", {}).get("Keys", {}).get("pk", {}).get("S")
    return isinstance(key, str) and key.startswith(f"{SENTINELS}#")


def _is_ttl_deletion(record: Mapping[str, Any]) -> bool:
    identity = record.get("userIdentity") or {}
    # the spelling depends on the reader: Lambda events and the Streams API differ
    kind = identity.get("type") or identity.get("Type")
    principal = identity.get("principalId") or identity.get("PrincipalId")
    return record.get("eventName") == "REMOVE" and (kind, principal) == _TTL_IDENTITY


@lru_cache(maxsize=1024)
def _iso_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

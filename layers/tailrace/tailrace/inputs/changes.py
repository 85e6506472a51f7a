"""From a Lambda event of a DynamoDB stream to changes, and between DynamoDB's JSON and Python values.

The shape of the event: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html and, for the fields that a
tumbling window adds, https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES, Image, Item, decode_value
from tailrace.encoding.keys import split_item_key
from tailrace.encoding.numbers import parse_number
from tailrace.errors import InvalidMessage, TailraceError

_TTL_IDENTITY = ("Service", "dynamodb.amazonaws.com")


class Change(NamedTuple):
    """One change of one item, as the stream tells it; ``old`` and ``new`` are the item's fields, None where absent.

    ``sequence`` is the stream's number, as a number: it orders the changes within ``shard``. ``shard`` is None when
    the event does not name one. ``time`` is ISO 8601 in UTC, to the second. ``expired`` marks a deletion by TTL.
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
    """A record that is no change of an item: its table row has another shape. Kept whole for quarantine."""

    event_id: str
    sequence: int
    time: str
    record: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """One invocation's records: the readable changes in order, and the others."""

    shard: str | None
    changes: list[Change]
    unreadable: list[UnreadableRecord]


class StreamPosition(NamedTuple):
    """When a change was made: its sequence number, and the time to the second, as in :class:`Change`."""

    sequence: int
    time: str


@dataclass(frozen=True, slots=True)
class RawBatch:
    """One invocation's records as they came, for who need not decode all of them."""

    stream: str
    shard: str | None
    records: Sequence[Mapping[str, Any]]
    positions: Sequence[StreamPosition]


def parse_raw_batch(event: Mapping[str, Any]) -> RawBatch:
    """Read the event of a DynamoDB stream mapping without a look into the items.

    Raises:
        InvalidMessage: as :func:`decode_batch`.
    """
    records = _records(event)
    positions = [_position(record) for record in records]
    return RawBatch(str(event.get("eventSourceARN", "")), event.get("shardId"), records, positions)


def decode_batch(event: Mapping[str, Any]) -> ChangeBatch:
    """Read the event of a DynamoDB stream mapping.

    Raises:
        InvalidMessage: the event as a whole is not one of a DynamoDB stream, or a record has no sequence number
            (without one nothing can be reported back, so the mapping has to see the failure).
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
        raise InvalidMessage("not an event of a DynamoDB stream: it has no list of Records")
    return records


def _position(record: Mapping[str, Any]) -> StreamPosition:
    try:
        body = record["dynamodb"]
        sequence = int(body["SequenceNumber"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidMessage("a record of the stream has no sequence number") from error
    return StreamPosition(sequence, _iso_seconds(int(body.get("ApproximateCreationDateTime", 0))))


def decode_record(record: Mapping[str, Any], shard: str | None) -> Change | UnreadableRecord:
    """Read one record of a stream.

    Raises:
        InvalidMessage: it has no sequence number.
    """
    sequence, time = _position(record)
    body = record["dynamodb"]
    event_id = str(record.get("eventID", sequence))
    try:
        collection, item_id = split_item_key(body["Keys"]["pk"]["S"])
        source = str(record.get("eventSourceARN", ""))
        old, new = _decode_fields(body.get("OldImage")), _decode_fields(body.get("NewImage"))
        expired = new is None and _is_ttl_deletion(record)
        return Change(event_id, source, shard, sequence, time, collection, item_id, old, new, expired)
    except (KeyError, TypeError, ValueError, AttributeError, TailraceError) as error:
        return UnreadableRecord(event_id, sequence, time, record, str(error) or type(error).__name__)


def _decode_fields(image: Image | None) -> Item | None:
    if image is None:
        return None
    fields: Item = {}
    for name, value in image.items():
        # the two types that most fields have; the rest, and whatever is wrong, is looked at closely
        if len(value) == 1 and "S" in value:
            fields[name] = value["S"]
        elif len(value) == 1 and "N" in value:
            fields[name] = parse_number(value["N"])
        else:
            fields[name] = decode_value(value)
    for name in ENGINE_ATTRIBUTES:
        fields.pop(name, None)
    return fields


def _is_ttl_deletion(record: Mapping[str, Any]) -> bool:
    identity = record.get("userIdentity") or {}
    # Lambda passes the stream's record on with either spelling, depending on the reader
    kind = identity.get("type") or identity.get("Type")
    principal = identity.get("principalId") or identity.get("PrincipalId")
    return record.get("eventName") == "REMOVE" and (kind, principal) == _TTL_IDENTITY


@lru_cache(maxsize=1024)
def _iso_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

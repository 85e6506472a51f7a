"""Changes: the records of a DynamoDB stream, decoded from a Lambda event.

The event's format: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, and for the fields of a tumbling window
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self

from msgspec import Struct
from msgspec.structs import replace

from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES, Image, decode_value
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import SENTINELS, split_item_key
from tailrace.encoding.numbers import parse_number
from tailrace.errors import InvalidMessage, TailraceError

_NO_FIELDS = frozenset(ENGINE_ATTRIBUTES)
_TTL_IDENTITY = ("Service", "dynamodb.amazonaws.com")


UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, TailraceError)
"""What reading a record raises that is not a change to an item."""

type Decode[Fields] = Callable[[str, Image, Callable[[Image], Item]], Fields]
"""Gets an item's key in the engine's own form, an image, and the function that decodes its fields."""


class Change[Fields = Item](NamedTuple):
    """One change to one item, as the stream reports it; readers may represent the fields otherwise than as an item.

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
    old: Fields | None
    new: Fields | None
    expired: bool


class UnreadableRecord(Struct, frozen=True):
    """A record that is not a change to an item, because its row has another format; kept whole for quarantine."""

    event_id: str
    sequence: int
    time: str
    record: Mapping[str, Any]
    reason: str


class StreamPosition(NamedTuple):
    """A change's position in the stream: sequence number and time, as in :class:`Change`."""

    sequence: int
    time: str


class RawBatch(Struct, frozen=True):
    """One invocation's records, not yet decoded, for callers that do not need all of them."""

    stream: str
    shard: str | None
    records: Sequence[Mapping[str, Any]]
    positions: Sequence[StreamPosition]

    def divided(self, records: int) -> tuple[Self, Self]:
        """Return the first records, as many as given, and the others."""
        if records >= len(self.records):
            return self, replace(self, records=(), positions=())
        first = replace(self, records=self.records[:records], positions=self.positions[:records])
        return first, replace(self, records=self.records[records:], positions=self.positions[records:])


def parse_raw_batch(event: Mapping[str, Any]) -> RawBatch:
    """Parse the event of a DynamoDB stream mapping without decoding the items.

    Raises:
        InvalidMessage: the event is not from a DynamoDB stream, or a record has no sequence number. Without one it
            cannot be reported as a batch item failure, so the whole invocation must fail.
    """
    records = _records(event)
    positions = [position_of(record) for record in records]
    return RawBatch(str(event.get("eventSourceARN", "")), event.get("shardId"), records, positions)


def _records(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    records = event.get("Records")
    if not isinstance(records, list):
        raise InvalidMessage("not an event of a DynamoDB stream: no list of Records")
    return records


def position_of(record: Mapping[str, Any]) -> StreamPosition:
    """Return the position of a record.

    Raises:
        InvalidMessage: it has no sequence number.
    """
    sequence = sequence_of(record)
    return StreamPosition(sequence, iso_seconds(int(record["dynamodb"].get("ApproximateCreationDateTime", 0))))


def sequence_of(record: Mapping[str, Any]) -> int:
    """Return the sequence number of a record; raises as :func:`position_of`."""
    try:
        return int(record["dynamodb"]["SequenceNumber"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidMessage("a stream record has no sequence number") from error


def decode_record(record: Mapping[str, Any], shard: str | None) -> Change | UnreadableRecord:
    """Decode one stream record.

    Raises:
        InvalidMessage: it has no sequence number.
    """
    return read_record(record, shard, position_of(record), decode_image)


def decode_image(_key: str, image: Image, read: Callable[[Image], Item]) -> Item:
    """Decode an image to an item's fields: the plain one of the functions that are a :data:`Decode`."""
    return read(image)


def read_record[Fields](
    record: Mapping[str, Any], shard: str | None, position: StreamPosition, decode: Decode[Fields]
) -> Change[Fields] | UnreadableRecord:
    """Read one stream record; ``decode`` gets each of its images, the old one first."""
    sequence, time = position
    event_id = str(record.get("eventID", sequence))
    try:
        collection, item_id, old, new, expired = read_versions(record, decode)
        source = str(record.get("eventSourceARN", ""))
        return Change(event_id, source, shard, sequence, time, collection, item_id, old, new, expired)
    except UNREADABLE as error:
        return UnreadableRecord(event_id, sequence, time, record, str(error) or type(error).__name__)


def read_versions[Fields](
    record: Mapping[str, Any], decode: Decode[Fields]
) -> tuple[str, str, Fields | None, Fields | None, bool]:
    """Return the collection and the id of a record's item, its old and its new version, and whether TTL deleted it.

    Raises:
        Exception: one of :data:`UNREADABLE`; the row has another format.
    """
    body = record["dynamodb"]
    key = body["Keys"]["pk"]["S"]
    collection, item_id = split_item_key(key)
    old_image, new_image = body.get("OldImage"), body.get("NewImage")
    old = None if old_image is None else decode(key, old_image, decode_fields)
    new = None if new_image is None else decode(key, new_image, decode_fields)
    return collection, item_id, old, new, new is None and is_ttl_deletion(record)


def decode_fields(image: Image) -> Item:
    """Decode an image's fields, without the engine's attributes.

    Raises:
        InvalidMessage: as :func:`tailrace.encoding.dynamodb.decode_value`.
    """
    fields: Item = {}
    for name, value in image.items():
        if name in _NO_FIELDS:
            continue
        # fast path for the two most common types; decode_value handles the others and reports errors
        if len(value) == 1 and "S" in value:
            fields[name] = value["S"]
        elif len(value) == 1 and "N" in value:
            fields[name] = parse_number(value["N"])
        else:
            fields[name] = decode_value(value)
    return fields


def is_sentinel(record: Mapping[str, Any]) -> bool:
    """Tell whether a stream record is that of a sentinel, which jobs write to see how far the stream is read."""
    return record_key(record).startswith(f"{SENTINELS}#")


def record_key(record: Mapping[str, Any]) -> str:
    """Return the partition key of a stream record's row; an empty text if the record has none."""
    try:
        key = record["dynamodb"]["Keys"]["pk"]["S"]
    except (KeyError, TypeError):
        return ""
    return key if isinstance(key, str) else ""


def is_ttl_deletion(record: Mapping[str, Any]) -> bool:
    """Tell whether a stream record says that TTL deleted the item."""
    identity = record.get("userIdentity") or {}
    # the spelling depends on the reader: Lambda events and the Streams API differ
    kind = identity.get("type") or identity.get("Type")
    principal = identity.get("principalId") or identity.get("PrincipalId")
    return record.get("eventName") == "REMOVE" and (kind, principal) == _TTL_IDENTITY


@lru_cache(maxsize=1024)
def iso_seconds(seconds: int) -> str:
    """Return a second as times of changes are written."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

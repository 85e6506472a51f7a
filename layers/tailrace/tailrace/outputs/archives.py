"""The archive: events partitioned by collection and hour, in objects named by their content.

``archive/<collection>/date=YYYY-MM-DD/hour=HH/<digest>.jsonl.gz`` holds one CloudEvent per line, ordered by shard and
sequence number. Date and hour (UTC) come from the event's ``time``; they are Hive partitions, which DuckDB, Athena and
Spark read as columns.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from tailrace.encoding.keys import COLLECTION_NAME
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.encoding.text import utf8_size
from tailrace.errors import InvalidMessage
from tailrace.outputs.stored_object import StoredObject

CONTENT_TYPE = "application/gzip"

MAX_LINE_BYTES = 48 * 1024 * 1024
"""An event with two items of the longest JSON (``MAX_ITEM_TEXT_BYTES``) needs less."""

_TYPE = re.compile(rf"tailrace\.({COLLECTION_NAME.pattern})\.(inserted|modified|removed|expired)")
_SEQUENCE = re.compile(r"[0-9]{1,64}", re.ASCII)
_SPACE = re.compile(r"[ \t\n\r]*")
_KEY = re.compile(
    rf"archive/({COLLECTION_NAME.pattern})/date=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/hour=([0-9]{{2}})/([0-9a-f]{{32}})\.jsonl\.gz"
)
_DATA_REFERENCE = re.compile(r"s3://([^/]+)/(oversize/([0-9a-f]{64})\.json)")


def _refuse(constant: str) -> Any:
    raise InvalidMessage(f"{constant} is not a number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_ELEMENT = msgspec.json.Decoder()


class Partition(NamedTuple):
    """The partition of an event: its collection, and the date (YYYY-MM-DD) and hour (HH) of its time, in UTC."""

    collection: str
    date: str
    hour: str

    def key(self, name: str) -> str:
        """Return the key of the object with this name."""
        return f"archive/{self.collection}/date={self.date}/hour={self.hour}/{name}.jsonl.gz"


class Event(NamedTuple):
    """One event to archive.

    ``text`` is the line to store, without its newline; digits and member order are the sender's. ``order`` is the sort
    key within the object: shard ("" if unknown), then sequence number.
    """

    id: str
    partition: Partition
    time: str
    order: tuple[str, int]
    text: str


class DataRef(Struct, frozen=True):
    """An event whose data is in a bucket: CloudEvents' ``dataref`` extension (claim check)."""

    event: Mapping[str, Any]
    bucket: str
    key: str
    digest: str

    def resolve(self, data: bytes) -> Event:
        """Return the event with its data.

        Raises:
            InvalidMessage: the data is not what the event was sent with, or its line would be too long for an object.
        """
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise InvalidMessage(f"the content of {self.key} does not match the digest in its name")
        restored = {name: value for name, value in self.event.items() if name != "dataref"} | {"data": loads(data)}
        try:
            text = dumps(restored)
        except RecursionError as error:  # it takes more levels than reading
            raise InvalidMessage("the event is nested too deeply") from error
        if utf8_size(text) >= MAX_LINE_BYTES:  # a line also has an end
            raise InvalidMessage(f"the event is longer than {MAX_LINE_BYTES} bytes")
        return _validated_event(restored, text)


def parse_events(body: str) -> list[Event | DataRef | InvalidMessage]:
    """Parse a message of the archive queue: a CloudEvents batch, which is a JSON array of events.

    For an element that is no event of Tailrace's, the list has the error, so that the others can be archived.

    Raises:
        InvalidMessage: the message is not a batch.
    """
    try:
        return [_event_or_reason(event, text) for event, text in _elements(body)]
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"not a CloudEvents batch: {type(error).__name__}: {error}") from error


def _elements(body: str) -> Iterable[tuple[Any, str]]:
    """Return each element of a JSON array with its text, so that it need not be serialized again."""
    try:
        return [(_ELEMENT.decode(raw), bytes(raw).decode()) for raw in _ELEMENTS.decode(body.encode())]
    except (msgspec.MsgspecError, ValueError, RecursionError):  # the reference parser says what is wrong, if anything
        return _array_elements(body)


def _array_elements(body: str) -> Iterable[tuple[Any, str]]:
    position = _skip_whitespace(body, 0)
    if body[position : position + 1] != "[":
        raise InvalidMessage("not a CloudEvents batch: not a JSON array")
    position = _skip_whitespace(body, position + 1)
    empty = body[position : position + 1] == "]"
    while not empty:
        value, end = _DECODER.raw_decode(body, position)
        yield value, body[position:end]
        position = _skip_whitespace(body, end)
        if body[position : position + 1] == "]":
            break
        if body[position : position + 1] != ",":
            raise InvalidMessage("not a CloudEvents batch: not a JSON array")
        position = _skip_whitespace(body, position + 1)
    if _skip_whitespace(body, position + 1) != len(body):
        raise InvalidMessage("not a CloudEvents batch: something follows the JSON array")


def _skip_whitespace(body: str, position: int) -> int:
    found = _SPACE.match(body, position)
    return position if found is None else found.end()


def _event_or_reason(event: Any, text: str) -> Event | DataRef | InvalidMessage:
    try:
        return _parse_event(event, text)
    except (InvalidMessage, ValueError, RecursionError) as error:  # ValueError: UTF-8 cannot encode lone surrogates
        return InvalidMessage(str(error))


def _parse_event(event: Any, text: str) -> Event | DataRef:
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise InvalidMessage("not a CloudEvents 1.0 event")
    if "\\u" in text:
        # JSON can escape a lone surrogate ("\ud800"), which readers of the object may reject
        json.dumps(event, ensure_ascii=False).encode()
    text.encode()
    if "dataref" not in event or "data" in event:
        # a line break between tokens is valid JSON, but would end the line
        return _validated_event(event, text if "\n" not in text and "\r" not in text else dumps(loads(text)))
    found = _DATA_REFERENCE.fullmatch(str(event["dataref"]))
    if found is None:
        raise InvalidMessage("dataref must be s3://<bucket>/oversize/<digest>.json")
    return DataRef(event, *found.groups())


def _validated_event(event: Mapping[str, Any], text: str) -> Event:
    data = event.get("data")
    if not isinstance(data, dict) or not isinstance(event.get("id"), str) or not event["id"]:
        raise InvalidMessage("an event has no id or no data")
    sequence, shard = data.get("sequence"), data.get("shard")
    if not isinstance(sequence, str) or not _SEQUENCE.fullmatch(sequence) or not isinstance(shard, str | None):
        raise InvalidMessage("an event has no valid sequence number and shard in its data")
    partition, time = _partition(str(event.get("type")), str(event.get("time")))
    return Event(event["id"], partition, time, (shard or "", int(sequence)), text)


@lru_cache(maxsize=4096)  # times are whole seconds
def _partition(kind: str, time: str) -> tuple[Partition, str]:
    found = _TYPE.fullmatch(kind)
    if found is None:
        raise InvalidMessage("the type of an event must be tailrace.<collection>.<inserted|modified|removed|expired>")
    moment = _parse_time(time)
    partition = Partition(found[1], moment.date().isoformat(), f"{moment.hour:02d}")
    return partition, moment.isoformat().replace("+00:00", "Z")


def _parse_time(time: str) -> datetime:
    try:
        moment = datetime.fromisoformat(time)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidMessage("the time of an event must be in ISO 8601 and have an offset from UTC")


def archive_object(partition: Partition, events: Iterable[Event]) -> StoredObject:
    """Return the object for the events of one partition, without repeated ids, ordered by shard and sequence number.

    The same events always give the same name and the same bytes, regardless of order and repeats.
    """
    unique = {event.id: event for event in sorted(events, key=lambda event: event.text)}
    ordered = sorted(unique.values(), key=lambda event: (event.order, event.id))
    content = "".join(f"{event.text}\n" for event in ordered).encode()
    return StoredObject(partition.key(object_name(hashlib.sha256(content).hexdigest())), _gzip(content), CONTENT_TYPE)


def object_name(digest: str) -> str:
    """Return an object's name, given the SHA-256 of its uncompressed lines in hexadecimal."""
    return digest[:32]


def _gzip(content: bytes) -> bytes:
    # a timestamp in the header would make the bytes differ between deliveries; level 9 would take three times as long
    # for 7 % fewer bytes
    return gzip.compress(content, compresslevel=6, mtime=0)


def parse_key(key: str) -> tuple[Partition, str]:
    """Return the partition and the name of an archive object; the inverse of :meth:`Partition.key`.

    Raises:
        InvalidMessage: the key is not that of an archive object.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        raise InvalidMessage(f"not the key of an archive object: {key[:200]!r}")
    collection, date, hour, name = found.groups()
    return Partition(collection, date, hour), name


class ObjectSummary:
    """Summarizes an archive object line by line, without keeping the lines."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._digest = hashlib.sha256()
        self._count = 0
        self._shards: dict[str, tuple[int, int]] = {}
        self._first_time = self._last_time = ""

    def add(self, line: bytes) -> None:
        """Add a line, including its newline.

        Raises:
            InvalidMessage: the line is not an event, or belongs to another partition.
        """
        self._digest.update(line)
        try:
            text = line.decode()
            event = _validated_event(_require_object(_DECODER.decode(text)), text)
        except (ValueError, RecursionError) as error:
            raise InvalidMessage(f"line {self._count + 1} is not JSON: {error}") from error
        if event.partition != self._partition:
            raise InvalidMessage(f"line {self._count + 1} belongs to {event.partition.key('…')}")
        self._count += 1
        self._first_time = min(self._first_time or event.time, event.time)
        self._last_time = max(self._last_time, event.time)
        shard, sequence = event.order
        if shard:
            first, last = self._shards.get(shard, (sequence, sequence))
            self._shards[shard] = (min(first, sequence), max(last, sequence))

    def catalog_row(self, name: str, size: int, checksum: str) -> dict[str, Any]:
        """Return the catalog row, after all lines were added.

        ``size`` and ``checksum`` (SHA-256) are those of the compressed object. ``shards`` has the first and last
        sequence number of each shard, as texts; changes of an unknown shard are only counted.

        Raises:
            InvalidMessage: the object is empty, or its lines do not match the digest in its name.
        """
        if not self._count or object_name(self._digest.hexdigest()) != name:
            raise InvalidMessage("the object is empty, or its content does not match the digest in its name")
        partition = self._partition
        shards = {shard: {"first": str(first), "last": str(last)} for shard, (first, last) in self._shards.items()}
        return {
            "pk": partition.collection,
            "sk": f"{partition.date}T{partition.hour}#{name}",
            "collection": partition.collection,
            "hour": f"{partition.date}T{partition.hour}",
            "object": partition.key(name),
            "count": self._count,
            "bytes": size,
            "checksum": checksum,
            "shards": shards,
            "first_time": self._first_time,
            "last_time": self._last_time,
        }


def _require_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessage("a line is not a JSON object")
    return value

"""Records and messages in the form of Lambda's events, as JSON bytes ready to be joined into a payload."""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from local.mapping import Message, QueueSettings, StreamRecord

type Json = dict[str, Any]

_EMPTY_LISTS: Json = {"stringListValues": [], "binaryListValues": []}
"""Part of every message attribute in an event (with-sqs, example event), although SQS never fills them."""


def stream_record(record: Json, source_arn: str) -> StreamRecord[bytes]:
    """Convert a record of GetRecords to its form in an event, with its source (with-ddb, example event)."""
    record["eventSourceARN"] = source_arn
    if identity := record.get("userIdentity"):  # of an item that expired; in events, its names begin in lower case
        record["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in identity.items()}
    change = record["dynamodb"]
    arrived = float(change["ApproximateCreationDateTime"])
    change["ApproximateCreationDateTime"] = arrived  # recordings of the service have a decimal point
    content = _json(record)
    return StreamRecord(
        change["SequenceNumber"],
        arrived,
        len(content),
        content,
        key=_json(change["Keys"]).decode(),
    )


def queue_message(message: Json, source_arn: str, hidden_until: float, settings: QueueSettings) -> Message[bytes]:
    """Convert a message of ReceiveMessage to its form in an event (with-sqs, example event)."""
    attributes = message.get("Attributes", {})
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": attributes,
        "messageAttributes": {
            name: _EMPTY_LISTS | {key[0].lower() + key[1:]: part for key, part in value.items()}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": source_arn.split(":")[3],
    }
    digest = message.get("MD5OfMessageAttributes")
    if digest or settings.batching_window_s:  # recorded: with a batching window, null if absent
        record["md5OfMessageAttributes"] = digest
    content = _json(record)
    return Message(
        message["MessageId"],
        message["ReceiptHandle"],
        attributes.get("MessageGroupId"),
        hidden_until,
        len(content),
        content,
        passes=settings.filter.passes_message(content),
    )


def payload(contents: Iterable[bytes], fields: Mapping[str, object] | None = None) -> bytes:
    """The whole event: {"Records": [...], **fields}."""
    rest = b"," + _json(fields)[1:] if fields else b"}"
    return b'{"Records":[' + b",".join(contents) + b"]" + rest


def virtual_shard_ids(shard_id: str, count: int) -> list[str]:
    """The ids of a shard's virtual shards, in DynamoDB's format; a single one has the shard's own id."""
    if count == 1:
        return [shard_id]
    opened = shard_id.rpartition("-")[0]
    return [f"{opened}-{zlib.crc32(f'{shard_id}/{index}'.encode()):08x}" for index in range(count)]


def virtual_shard(key: str, count: int) -> int:
    """Which of `count` virtual shards an item's records belong to. They share a shard, as in DynamoDB."""
    return zlib.crc32(key.encode()) % count


def _json(value: object) -> bytes:
    # half of a surrogate pair, as in a state whose text was cut, has no UTF-8: it stays an escape sequence
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")

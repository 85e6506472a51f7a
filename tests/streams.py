"""Events of a DynamoDB stream, made from the items before and after."""

from collections.abc import Iterable
from typing import Any

from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import item_key

SHARD = "shardId-00000001700000000000-0a1b2c3d"
SOURCE = "arn:aws:dynamodb:us-east-1:123456789012:table/items/stream/2024-01-01T00:00:00.000"

type Step = tuple[str, Item | None, Item | None]


def record(sequence: int, collection: str, step: Step, *, expired: bool = False) -> dict[str, Any]:
    """Return the stream's record of one change: ``(id, old, new)`` of a collection."""
    item_id, old, new = step
    key = {"pk": {"S": item_key(collection, item_id)}}
    body: dict[str, Any] = {
        "ApproximateCreationDateTime": 1_700_000_000 + sequence % 86_400,
        "Keys": key,
        "SequenceNumber": f"{sequence:021d}",
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if old is not None:
        body["OldImage"] = key | encode_item(old)
    if new is not None:
        body["NewImage"] = key | encode_item(new)
    name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    identity = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}} if expired else {}
    return {
        "eventID": f"{sequence:032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": body,
        "eventSourceARN": SOURCE,
    } | identity


def event(records: Iterable[dict[str, Any]], *, shard: str | None = SHARD) -> dict[str, Any]:
    """Return the event that a mapping with a tumbling window sends; without a shard, one that it does not send."""
    if shard is None:
        return {"Records": list(records)}
    return {
        "window": {"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:15:00Z"},
        "state": {},
        "shardId": shard,
        "eventSourceARN": SOURCE,
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
        "Records": list(records),
    }


def history(collection: str, writes: Iterable[tuple[str, Item | None]], first: int = 1) -> list[dict[str, Any]]:
    """Return the records of a series of writes ``(id, item or None)``, as the table's stream would hold them."""
    table: dict[str, Item] = {}
    records: list[dict[str, Any]] = []
    for item_id, new in writes:
        old = table.get(item_id)
        if old == new:
            continue  # a write that changes nothing makes no record
        records.append(record(first + len(records), collection, (item_id, old, new)))
        if new is None:
            table.pop(item_id)
        else:
            table[item_id] = new
    return records

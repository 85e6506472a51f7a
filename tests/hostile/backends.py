"""In-memory tables, buckets and queues that refuse, loudly, what the services would refuse."""

import io
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import md5
from typing import Any

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace.encoding.json_types import Json

_XML_1_0 = re.compile(r"[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
_MAX_BATCH_BYTES = 1024 * 1024
_MAX_ROW_BYTES = 400 * 1024
_MAX_DEPTH = 32
_MAX_DIGITS = 38


class Items:
    """A DynamoDB client that checks the rows of every request as the service does."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.database, name)

        def checked(**request: Any) -> Any:
            _check_encodable(request)
            check_row(request.get("Item", {}) | request.get("Key", {}))
            for value in request.get("ExpressionAttributeValues", {}).values():
                check_value(value)
            return operation(**request)

        return checked

    def batch_write_item(self, *, RequestItems: Mapping[str, Any]) -> Json:  # noqa: N803 - boto3's name
        """Put rows."""
        for table, requests in RequestItems.items():
            keys = [request["PutRequest"]["Item"]["pk"]["S"] for request in requests]
            assert len(keys) == len(set(keys)) <= 25
            for request in requests:
                self.put_item(TableName=table, Item=request["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}


def check_row(row: Mapping[str, Any]) -> None:
    """Check a row against the table's limits: sizes of keys and row, and every value."""
    for name, value in row.items():
        assert name
        assert len(name.encode()) <= 65_535
        check_value(value)
    assert all(1 <= len(row[key]["S"].encode()) <= 2048 for key in ("pk", "sk") if key in row)
    assert len(json.dumps(row, ensure_ascii=False, default=str).encode()) < 8 * _MAX_ROW_BYTES


def check_value(value: Mapping[str, Any], depth: int = 0) -> None:
    """Check a value in DynamoDB's JSON."""
    assert depth <= _MAX_DEPTH
    ((kind, content),) = value.items()
    match kind:
        case "S":
            content.encode()
        case "N":
            number = Decimal(content)
            assert len("".join(map(str, number.as_tuple().digits)).strip("0")) <= _MAX_DIGITS
            assert not number or -130 <= number.adjusted() <= 125
        case "SS" | "NS" | "BS":
            assert content
            assert len({str(member) for member in content}) == len(content)
        case "L":
            for inner in content:
                check_value(inner, depth + 1)
        case "M":
            for name, inner in content.items():
                assert name
                check_value(inner, depth + 1)
        case "BOOL":
            assert isinstance(content, bool)
        case "NULL":
            assert content is True
        case _:
            assert kind == "B"


def _check_encodable(request: Any) -> None:
    json.dumps(request, ensure_ascii=False, default=lambda found: repr(bytes(found))).encode()


@dataclass(slots=True)
class Bucket:
    """An S3 client for all buckets."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_options: Any) -> Json:  # noqa: N803
        """Store an object."""
        assert 1 <= len(Key.encode()) <= 1024
        assert isinstance(Body, bytes)
        self.objects[Bucket, Key] = Body
        return {"ETag": _etag(Body)}

    def head_object(self, *, Bucket: str, Key: str) -> Json:  # noqa: N803
        """Describe an object."""
        body = self._body("HeadObject", Bucket, Key)
        return {"ETag": _etag(body), "ContentLength": len(body)}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> Json:  # noqa: N803
        """Read an object, or a range of it."""
        body = self._body("GetObject", Bucket, Key)
        assert IfMatch in ("", _etag(body))
        first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", Range or f"bytes=0-{len(body)}").groups()  # type: ignore[union-attr]
        return {"ETag": _etag(body), "Body": io.BytesIO(body[int(first) : int(last) + 1])}

    def _body(self, operation: str, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise client_error(operation, "NoSuchKey", status=404)
        return self.objects[bucket, key]


def _etag(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


@dataclass(slots=True)
class Queues:
    """An SQS client that sends."""

    messages: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803
        """Send up to ten messages."""
        bodies = [entry["MessageBody"] for entry in Entries]
        assert all(body and _XML_1_0.fullmatch(body) for body in bodies)
        assert sum(len(body.encode()) for body in bodies) <= _MAX_BATCH_BYTES
        assert len(bodies) <= 10
        self.messages[QueueUrl] += bodies
        return {"Failed": []}

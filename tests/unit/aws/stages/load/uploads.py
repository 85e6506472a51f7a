"""Files in the inbox of moto's bucket, and what the load function answers to their notifications."""

import json
from typing import Any

from functions.load.app import handler
from tailrace.encoding.tagged_json import loads
from tests.unit.aws.conftest import Cloud

GOOD = {"id": "1", "shop": "a", "placed": "2024-10-27", "amount": 0.1}


class Context:
    """Lambda's context, as far as the handler looks at it."""

    def __init__(self, left_ms: int = 900_000) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def upload(cloud: Cloud, key: str, body: bytes, sequencer: str = "0A", **headers: Any) -> dict[str, Any]:
    """Store a file and return the bucket's notification of it."""
    stored = cloud.s3.put_object(Bucket="the-archive", Key=key, Body=body, **headers)
    quoted = key.replace("+", "%2B").replace(" ", "+")
    file = {"key": quoted, "size": len(body), "eTag": stored["ETag"].strip('"'), "sequencer": sequencer}
    place = {"bucket": {"name": "the-archive"}, "object": file}
    return {"Records": [{"eventName": "ObjectCreated:Put", "eventTime": "2024-01-01T00:00:00.000Z", "s3": place}]}


def load(cloud: Cloud, key: str, body: bytes) -> dict[str, Any]:
    """Load one file and return its receipt as it lies in the bucket."""
    (receipt,) = handler(upload(cloud, key, body), Context())
    (stored,) = cloud.objects("the-archive", "receipts/").values()
    assert loads(stored) == receipt
    return receipt


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)

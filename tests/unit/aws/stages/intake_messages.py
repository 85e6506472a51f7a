"""Messages of the intake queue, as ingest gets them."""

import json
from typing import Any


def batch(*messages: Any, group: str = "g") -> dict[str, Any]:
    """Return an SQS event; texts are sent as they are, all else as JSON."""
    return {
        "Records": [
            {
                "messageId": f"m{index}",
                "receiptHandle": "r",
                "body": message if isinstance(message, str) else json.dumps(message),
                "attributes": {"MessageGroupId": group, "SentTimestamp": "1700000000000", "SequenceNumber": str(index)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:intake.fifo",
                "awsRegion": "us-east-1",
            }
            for index, message in enumerate(messages)
        ]
    }


def put(item_id: str, item: Any, **more: Any) -> dict[str, Any]:
    return {"op": "put", "collection": "orders", "id": item_id, "item": item} | more


def patch(item_id: str, change: Any) -> dict[str, Any]:
    return {"op": "patch", "collection": "orders", "id": item_id, "patch": change}


def delete(item_id: str) -> dict[str, Any]:
    return {"op": "delete", "collection": "orders", "id": item_id}


DONE: dict[str, Any] = {"batchItemFailures": []}

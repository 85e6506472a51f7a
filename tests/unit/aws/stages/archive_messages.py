"""Messages of the archive queue, as archive gets them."""

from typing import Any

from tailrace.encoding.tagged_json import dumps

NEXT_HOUR = "2024-10-27T01:00:00Z"


def batch(*messages: str | list[Any]) -> dict[str, Any]:
    """Return an SQS event; a list is sent as a batch of events, a text as it is."""
    bodies = [message if isinstance(message, str) else dumps(message) for message in messages]
    return {
        "Records": [
            {
                "messageId": f"m{index}",
                "body": body,
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for index, body in enumerate(bodies)
        ]
    }

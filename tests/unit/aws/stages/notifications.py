"""What S3 tells of the archive's objects."""

from typing import Any
from urllib.parse import quote_plus


def created(*keys: str, bucket: str = "the-archive", name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Return a notification as S3 sends it, keys escaped as S3 does."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": name,
                "s3": {
                    "bucket": {"name": bucket},
                    "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "e"},
                },
            }
            for key in keys
        ]
    }

"""Continue files whose notifications were lost: the emulator keeps them in memory, so they end with its process."""

import json
from typing import Any
from urllib.parse import quote_plus

from tailrace.outputs.inbox_keys import INBOX, checkpoint_key, receipt_key


def load_unfinished_files(s3: Any, functions: Any, bucket: str, function: str) -> list[str]:
    """Invoke the load function for each file that has no receipt of its content; return the keys."""
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=INBOX):
        for entry in page.get("Contents", ()):
            key, etag = entry["Key"], entry["ETag"].strip('"')
            if key.endswith("/") or _stored(s3, bucket, receipt_key(key)).get("etag") == etag:
                continue
            checkpoint = _stored(s3, bucket, checkpoint_key(key))
            sequencer = checkpoint.get("sequencer", "") if checkpoint.get("etag") == etag else ""
            described = {"key": quote_plus(key, safe="/"), "eTag": etag, "sequencer": sequencer}
            place = {"bucket": {"name": bucket}, "object": described}
            record = {"eventTime": entry["LastModified"].isoformat(), "s3": place, "continued": True}
            functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"Records": [record]}))
            found.append(key)
    return found


def _stored(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    """Return a receipt or a checkpoint, nothing if there is none, or another object in its place."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return {}
    try:
        about = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}

"""With tracing on, logs from which an item can be followed from its entrance to its rows and the archive.

The stream carries no trace header. So each step logs the names of its changes
(:func:`tailrace.outputs.change_ids.change_id`), and Powertools adds the trace's id to each line.
"""

import os
from collections.abc import Container, Iterable, Mapping
from typing import Any

from tailrace.aws.runtime.telemetry import logger
from tailrace.outputs.change_ids import change_id

_PER_LINE = 1000
"""A line of CloudWatch Logs holds 256 KB."""


def is_following() -> bool:
    """Tell whether the stack's parameter Tracing is Active."""
    return os.environ.get("TRACING") == "Active"


def correlate(request: str, **where: str) -> None:
    """Add to each following line the id by which the sender of a request, message or file knows it."""
    if is_following():
        logger().set_correlation_id(request)
        logger().append_keys(**where)


def log_written(rows: Iterable[Mapping[str, Any]], *, deleted: bool = False) -> None:
    """Log the changes that an entrance has written: rows, or the keys of deleted ones."""
    if is_following():
        _log("items written", [change_id(None if deleted else row, row) for row in rows])


def log_records(message: str, records: Iterable[Mapping[str, Any]], undone: Container[int], shard: str | None) -> None:
    """Log what a reader of the stream has done: each change with its event's id, without those in ``undone``."""
    if is_following():
        done = [record for record in records if int(record["dynamodb"]["SequenceNumber"]) not in undone]
        changes = [(record["dynamodb"].get("NewImage"), record["dynamodb"].get("Keys", {})) for record in done]
        events = [str(record.get("eventID", "")) for record in done]
        _log(message, [change_id(*change) for change in changes], events, shard=shard)


def log_events(message: str, events: Iterable[str]) -> None:
    """Log the ids of events."""
    if is_following():
        _log(message, [], list(events))


def _log(message: str, changes: list[str], events: list[str] | None = None, **where: Any) -> None:
    for start in range(0, max(len(changes), len(events or ())), _PER_LINE):
        part = slice(start, start + _PER_LINE)
        found = {"changes": changes[part], "events": (events or [])[part]}
        logger().info(message, extra={name: ids for name, ids in found.items() if ids} | where)

"""TTL on the emulator: an expired item leaves a record in its table's stream, as on AWS.

The emulator deletes expired items once a minute, without a record, so whoever reads the stream would count them
forever. Imported only in the emulator's environment.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import dynamodb

REAPER = "dynamodb-ttl-reaper"
"""The name of the emulator's thread that deletes expired items."""

IDENTITY = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""Who deleted an item that expired (DynamoDB guide, ttl-expired-items)."""

type Json = dict[str, Any]


def record_expiries() -> None:
    """Let the emulator write records of expired items to the streams."""
    functions = vars(dynamodb)
    functions["_remove_item"] = recording(functions["_remove_item"], functions["_emit_stream_event"])
    functions["_build_change_record"] = naming(functions["_build_change_record"])


def recording(remove: Callable[..., Json | None], emit: Callable[..., None]) -> Callable[..., Json | None]:
    """Return the function that removes an item, which also writes a record if the item has expired."""

    def removed(table: Mapping[str, Any], *key: Any) -> Json | None:
        old = remove(table, *key)
        if old is not None and _is_reaper():
            emit(table["TableName"], "REMOVE", old, None)
        return old

    return removed


def naming(build: Callable[..., Json]) -> Callable[..., Json]:
    """Return the function that builds a record, which also says that the item has expired."""

    def built(*change: Any) -> Json:
        record = build(*change)
        return {**record, "userIdentity": IDENTITY} if _is_reaper() else record

    return built


def _is_reaper() -> bool:
    return threading.current_thread().name == REAPER

"""TTL on the emulator: tables have the TTL of their template, and an expired item leaves a record, as on AWS.

The emulator's CloudFormation ignores `TimeToLiveSpecification`, so nothing of a stack would ever expire. The emulator
deletes expired items once a minute, however long ago they expired, and without a record, so whoever reads the stream
would count them forever.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

REAPER = "dynamodb-ttl-reaper"
"""The name of the emulator's thread that deletes expired items."""

IDENTITY = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""Who deleted an item that expired (DynamoDB guide, ttl-expired-items)."""

FIVE_YEARS_S = 5 * 365 * 86_400
"""An item that expired longer ago is never deleted (DynamoDB guide, time-to-live-ttl-before-you-start)."""

type Json = dict[str, Any]


def record_expiries(dynamodb: Json) -> None:
    """Let the emulator's module with these names write records of expired items to the streams."""
    settings = dynamodb["_ttl_settings"]
    dynamodb["_remove_item"] = recording(dynamodb["_remove_item"], dynamodb["_emit_stream_event"], settings)
    dynamodb["_build_change_record"] = naming(dynamodb["_build_change_record"])


def expire_as_templates_say(handlers: Json, dynamodb: Json) -> None:
    """Let these functions of CloudFormation, by type of resource, also set the TTL of a table."""
    table = handlers["AWS::DynamoDB::Table"]
    for name, properties_at in (("create", 1), ("update", 2)):
        table[name] = _with_ttl(table[name], properties_at, dynamodb["_update_ttl"])


def _with_ttl(
    provision: Callable[..., tuple[str, Json]], properties_at: int, set_ttl: Callable[[Json], Any]
) -> Callable[..., tuple[str, Json]]:
    def provisioned(*call: Any, **options: Any) -> tuple[str, Json]:
        name, attributes = provision(*call, **options)
        setting = call[properties_at].get("TimeToLiveSpecification")
        if setting:
            # CloudFormation passes a template's true on as a text
            enabled = str(setting.get("Enabled")).lower() == "true"
            set_ttl({"TableName": name, "TimeToLiveSpecification": {**setting, "Enabled": enabled}})
        return name, attributes

    return provisioned


def recording(remove: Callable[..., Json | None], emit: Callable[..., None], settings: Any) -> Callable[..., Any]:
    """Return the function that removes an item, which also writes a record if the item has expired."""

    def removed(table: Mapping[str, Any], *key: Any) -> Json | None:
        if not _is_reaper():
            return remove(table, *key)
        if _is_too_old(table, key, settings):
            return None
        old = remove(table, *key)
        if old is not None:
            emit(table["TableName"], "REMOVE", old, None)
        return old

    return removed


def _is_too_old(table: Mapping[str, Any], key: tuple[Any, ...], settings: Any) -> bool:
    partition, sort = key
    item = table["items"][partition][sort]
    names = [one.get("AttributeName") for (*_, name), one in settings.all_items() if name == table["TableName"]]
    oldest = time.time() - FIVE_YEARS_S
    return any(name in item and float(item[name].get("N", 0)) < oldest for name in names)


def naming(build: Callable[..., Json]) -> Callable[..., Json]:
    """Return the function that builds a record, which also says that the item has expired."""

    def built(*change: Any) -> Json:
        record = build(*change)
        return {**record, "userIdentity": IDENTITY} if _is_reaper() else record

    return built


def _is_reaper() -> bool:
    return threading.current_thread().name == REAPER

"""The time at which a request came in."""

import time
from collections.abc import Mapping
from typing import Any

from tailrace.inputs.received_items import stamp_of


def request_stamp(event: Mapping[str, Any]) -> str:
    """Return when the gateway received a request, in RFC 3339; the present time if the event does not say."""
    received_ms = event["requestContext"].get("timeEpoch")
    return stamp_of(received_ms if isinstance(received_ms, int) else time.time_ns() // 1_000_000)

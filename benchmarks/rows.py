"""The flights' group-by in plain Python: what each image of a record adds to which row.

Imports nothing from Tailrace, since bytewax runs it in its own Python.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
COLUMNS = ("aggregate", "first", "second", "flights", "departures", "cancellations", "delay", "squares")


@lru_cache(maxsize=65_536)
def buckets(text: str) -> tuple[str, str, str]:
    """Return a time's hour, day and month in New York."""
    local = datetime.fromisoformat(text).astimezone(NEW_YORK)
    return local.replace(minute=0).isoformat(timespec="minutes"), local.date().isoformat(), local.isoformat()[:7]


def rows(record: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield a tuple of COLUMNS for each aggregate and image of a stream record; old images count negatively."""
    images = record["dynamodb"]
    for name, sign in (("OldImage", -1), ("NewImage", 1)):
        image = images.get(name)
        if image is None:
            continue
        status = image["status"]["S"]
        departed = status in {"departed", "landed"}
        delay = int(image["dep_delay"]["N"]) if departed else 0
        hour, day, month = buckets(image["scheduled_departure"]["S"])
        numbers = (sign, sign * departed, sign * (status == "cancelled"), sign * delay, sign * delay * delay)
        yield ("carrier_hours", image["carrier"]["S"], hour, *numbers)
        yield ("origin_days", image["origin"]["S"], day, *numbers)
        yield ("route_months", f"{image['origin']['S']}-{image['dest']['S']}", month, *numbers)

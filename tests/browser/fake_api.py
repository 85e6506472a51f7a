"""An API in memory, for sizes and failures that are hard to get from a real table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tests.browser.site import Response

START = datetime(2024, 1, 1, tzinfo=UTC)
BUCKETS = [
    ("second", 1), ("second", 20), ("minute", 1), ("minute", 15), ("minute", 45), ("hour", 1), ("hour", 6),
    ("hour", 12), ("day", 1), ("week", 1), ("month", 1), ("quarter", 1), ("year", 1),
]  # fmt: skip
"""Time buckets of every unit, and some of several."""


def hours(name: str = "sensor_hours", zone: str = "UTC") -> Json:
    """Return the definition of an aggregate by sensor and hour."""
    return {
        "name": name,
        "version": 1,
        "collection": "readings",
        "description": "Readings of each sensor.",
        "groups": [
            {"name": "sensor", "kind": "field", "field": "sensor"},
            {"name": "hour", "kind": "hour", "field": "at", "time_zone": zone},
        ],
        "bucket": "hour",
        "intervals": ["day", "week", "month", "quarter", "year"],
        "measures": [
            {"name": "readings", "kind": "count", "unit": None, "description": None},
            {"name": "celsius", "kind": "mean", "unit": "°C", "description": "Of the air.", "field": "celsius"},
        ],
    }


def row(sensor: str, hour: int, readings: int, celsius: Any = 20.5) -> Json:
    """Return the row of an hour, counted from START."""
    label = (START + timedelta(hours=hour)).isoformat(timespec="minutes")
    return {
        "sensor": sensor,
        "hour": label,
        "readings": readings,
        "celsius": celsius,
        "updated_at": "2024-06-01T00:00:00Z",
    }


def day(sensors: int = 3, hour_count: int = 24) -> dict[str, list[Json]]:
    """Return rows of some sensors and hours, the first sensor with the most readings."""
    keys = [(sensor, hour) for sensor in range(sensors) for hour in range(hour_count)]
    return {"sensor_hours": [row(f"s{sensor}", hour, 10 * (sensors - sensor) + hour % 5) for sensor, hour in keys]}


def stage(name: str, **values: Any) -> Json:
    """Return a stage as in the health document."""
    refused = {"quarantined_today": 0} if name in ("load", "ingest", "fanout") else {}
    if name in ("fanout", "aggregate"):
        reader = {"newest_change": "2024-06-01T00:00:00Z", "age_s": 1, "behind_s": 1, "changes": 0}
        return {"name": name} | reader | refused | values
    if name == "load":
        return {"name": name, "changes": 0, "refused": 0, "waited_s": None} | refused | values
    if name == "catalog":
        return {"name": name, "changes": 0, "retried": 0, "waited_s": None} | values
    if name == "api":
        return {"name": name, "changes": 0, "failed": 0} | values
    return {"name": name, "waiting": 0, "in_work": 0, "failed": 0, "changes": 0} | refused | values


def stages(**values: Json) -> list[Json]:
    """Return all stages as in the health document, with values given by stage."""
    names = ("api", "load", "ingest", "fanout", "aggregate", "archive", "catalog")
    return [stage(name, **values.get(name, {})) for name in names]


@dataclass
class FakeApi:
    """Aggregates and their rows. If ``problem`` is set, it is the response to every request."""

    aggregates: Sequence[Json] = field(default_factory=lambda: [hours()])
    rows: dict[str, list[Json]] = field(default_factory=dict)
    freshness: Json = field(
        default_factory=lambda: {"newest_change": "2024-06-01T00:00:00Z", "age_s": 1, "behind_s": 1}
    )
    health: Json = field(
        default_factory=lambda: {
            "stages": stages(),
            "routes": [],
            "files_failed": 0,
            "quarantined_today": 0,
            "given_up": 0,
            "write_entrances": "on",
        }
    )
    problem: tuple[int, Json] | None = None
    too_many_groups: bool = False

    def respond(self, path: str, query: str, headers: Mapping[str, str]) -> Response:
        """Respond as the OpenAPI document specifies."""
        ranks = path.endswith("/groups") and "order=key" not in query
        if self.problem is not None or (ranks and self.too_many_groups):
            status, document = self.problem or (
                422,
                {"title": "Too much", "type": "urn:problem-type:tailrace:too-much"},
            )
            return status, {"Content-Type": "application/problem+json"}, json.dumps(document)
        return (
            200,
            {"Content-Type": "application/json"},
            dumps(self._document(path, parse_qsl(query, keep_blank_values=True))),
        )

    def _document(self, path: str, query: list[tuple[str, str]]) -> Json:
        if path == "/health":
            return self.health
        if path == "/aggregates":
            return {"aggregates": list(self.aggregates), "freshness": self.freshness}
        _, _, name, what = path.split("/")
        described = next(one for one in self.aggregates if one["name"] == name)
        group = described["groups"][0]["name"]
        rows = self.rows.get(name, [])
        if what == "groups" and dict(query).get("order") == "key":
            values = sorted({one[group] for one in rows})
            offset = int(dict(query).get("cursor", 0))
            more = {"cursor": str(offset + 100)} if offset + 100 < len(values) else {}
            listed = [{"value": value, "items": 1} for value in values[offset : offset + 100]]
            return {"group": group, "groups": listed, "freshness": self.freshness} | more
        if what == "groups":
            items: dict[str, int] = {}
            for one in rows:
                items[one[group]] = items.get(one[group], 0) + one["readings"]
            ranked = sorted(items.items(), key=lambda pair: -pair[1])[: int(dict(query)["n"])]
            groups = [{"value": value, "items": number} for value, number in ranked]
            page = {"aggregate": name, "group": group, "groups": groups, "freshness": self.freshness}
        else:
            page = self._page(name, group, rows, query)
        return page | {"version": described["version"]}

    def _page(self, name: str, group: str, rows: list[Json], query: list[tuple[str, str]]) -> Json:
        given = dict(query)
        low, high = (_label(given.get(end)) for end in ("from", "to"))
        values = [value for key, value in query if key == group]
        found = [
            one
            for value in values
            for one in rows
            if one[group] == value and (low is None or one["hour"] >= low) and (high is None or one["hour"] <= high)
        ]
        if given.get("order") == "desc":
            found.reverse()
        offset, limit = int(given.get("cursor", 0)), int(given["limit"])
        more = {"cursor": str(offset + limit)} if offset + limit < len(found) else {}
        page = {"aggregate": name, "rows": found[offset : offset + limit], "freshness": self.freshness}
        return page | more


def _label(instant: str | None) -> str | None:
    """Return the hour of an instant."""
    return None if instant is None else datetime.fromisoformat(instant).replace(minute=0).isoformat(timespec="minutes")

"""A fleet of devices: binary ids and numeric times as keys, readings and alarms told apart by an attribute."""

from typing import Any

from tailrace import Aggregate, Collection, Pipeline, count, field, hour, maximum, mean

_KEY = {"device": "{device:binary}", "at": "{at:number}"}


def _named(reading: dict[str, Any]) -> dict[str, Any]:
    """Give a reading its device as text, because a group's value is text or number."""
    reading["name"] = reading["device"].hex()
    return reading


readings = Collection("readings", schema={}, key=_KEY, match={"kind": 1}, transform=_named)
alarms = Collection("alarms", schema={}, key=_KEY, match={"kind": 2}, transform=_named)

pipeline = Pipeline(
    collections=[readings, alarms],
    aggregates=[
        Aggregate(
            "device_hours",
            of=readings,
            by=[field("name"), hour("at")],
            measures={"readings": count(), "celsius": mean("celsius"), "latest": maximum("at")},
        ),
        Aggregate("alarms", of=alarms, by=[field("name"), field("severity")], measures={"alarms": count()}),
    ],
)

"""The replay requests that fanout serves besides the stream, on behalf of ``tailrace replay`` and ``quarantine``.

The deployed definition decides what is valid and which events a route gets, and fanout's role sends them, so operators
need neither the definition nor permissions for the queues. An event ``{"replay": request}`` is one of

* ``{"items": [stream record, …]}``: see :func:`tailrace.outputs.replays.replay_items`,
* ``{"route": name, "events": [text, …]}``: see :func:`tailrace.outputs.replays.replay_events`.

With ``"check": true``, nothing is sent.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tailrace.aws.runtime.telemetry import count_metrics
from tailrace.aws.stages.fanout import Fanout
from tailrace.errors import InvalidMessage, Violation
from tailrace.outputs.replays import find_route, replay_events, replay_items

_MAX_VIOLATIONS = 20
"""Of one item or event: a report may have ten thousand, and a response holds 6 MB."""


class Replayer(Struct, frozen=True):
    """Sends items and events again, through fanout's destinations."""

    fanout: Fanout

    def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Serve a request.

        The response to items: ``failed``, the positions of those that could not be sent, and ``violations`` by position
        (as text) of those that are still refused, at most twenty each. To events of a route: ``failed``, ``matched``,
        their number, ``violations`` of those on which the route's predicate fails, and ``collection``, that of the
        route.

        Raises:
            InvalidMessage: the request is neither of the two.
            NotFound: there is no such route.
            Permanent: a queue or bucket rejects a request.
        """
        sends = not request.get("check")
        if isinstance(request.get("items"), list):
            return self._items(request["items"], sends)
        if isinstance(request.get("route"), str):
            return self._events(request["route"], request.get("events", []), sends)
        raise InvalidMessage("a replay needs items or a route")

    def _items(self, records: list[Mapping[str, Any]], sends: bool) -> dict[str, Any]:
        found = replay_items(records, self.fanout.pipeline)
        failed: list[int] = []
        if sends:
            failed += self.fanout.send_to_archive(found.archive)
            for route, events in found.routes.items():
                failed += self.fanout.send_to_route(route, events)
            count_metrics(ItemsReplayed=len(records) - len(found.violations.keys() | set(failed)))
        return {"failed": sorted(set(failed)), "violations": _by_position(found.violations)}

    def _events(self, name: str, texts: list[str], sends: bool) -> dict[str, Any]:
        route = find_route(self.fanout.pipeline, name)
        found = replay_events(texts, route)
        failed = self.fanout.send_to_route(route.name, found.events) if sends else []
        count_metrics(EventsReplayed=len(found.events) - len(failed) if sends else 0)
        return {
            "collection": route.of.name,
            "matched": len(found.events),
            "failed": sorted(failed),
            "violations": _by_position(found.violations),
        }


def _by_position(violations: Mapping[int, list[Violation]]) -> dict[str, list[dict[str, str]]]:
    return {
        str(position): [
            {"pointer": v.pointer, "keyword": v.keyword, "message": v.message} for v in reasons[:_MAX_VIOLATIONS]
        ]
        for position, reasons in violations.items()
    }

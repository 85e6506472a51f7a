"""Tumbling windows: which one a record belongs to, and the window's fields in the event.

services-ddb-windows: windows do not overlap, and they open and close at regular intervals. The time of a record's
insertion decides its window. Each invocation receives the state that the previous one returned, and a window's last
invocation is marked as final.
"""

from datetime import UTC, datetime
from typing import Self

from msgspec import Struct, field

from local.mapping.batching import json_size

IDLE_WAIT_S = 120
"""How long after its end a window without new records is over (services-ddb-windows)."""

type State = dict[str, object]


class TumblingWindow(Struct):
    """One open window of a shard. Times are in whole seconds since the epoch; `end` is exclusive."""

    start: int
    end: int
    state: State = field(default_factory=dict)
    terminated_early: bool = False

    @classmethod
    def containing(cls, time: float, length_s: int) -> Self:
        """The window of a record inserted at `time`."""
        start = int(time // length_s) * length_s
        return cls(start, start + length_s)

    def fields(self, *, shard_id: str, source_arn: str, is_final: bool) -> dict[str, object]:
        """The event's fields other than Records, under Lambda's names and in the order that was recorded."""
        return {
            "shardId": shard_id,
            "eventSourceARN": source_arn,
            "window": {"start": _iso(self.start), "end": _iso(self.end)},
            "state": self.state,
            "isFinalInvokeForWindow": is_final,
            "isWindowTerminatedEarly": self.terminated_early,
        }

    def carry_state(self, state: State, limit: int) -> None:
        """Keep the state that an invocation returned. If it exceeds `limit` bytes, the window terminates early."""
        self.state = state
        self.terminated_early = json_size(state) > limit


def returned_state(value: object) -> State | None:
    """The state in a function's response, or None if it has none: the invocation has then failed."""
    state = value.get("state") if isinstance(value, dict) else None
    return state if isinstance(state, dict) else None


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

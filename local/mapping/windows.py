"""Tumbling windows: which one a record belongs to, and what an invocation says of it.

services-ddb-windows: windows are distinct and open and close at regular intervals, a record belongs to one
window by the time at which it was inserted, every invocation receives the state that the one before
returned, and the last one of a window is marked as final.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

type State = dict[str, object]


@dataclass(slots=True)
class TumblingWindow:
    """One open window of a shard. Times are in whole seconds since the epoch; `end` is not part of it."""

    start: int
    end: int
    state: State = field(default_factory=dict)
    terminated_early: bool = False

    @classmethod
    def containing(cls, time: float, length_s: int) -> Self:
        """The window that a record of `time` belongs to."""
        start = int(time // length_s) * length_s
        return cls(start, start + length_s)

    def fields(self, *, shard_id: str, source_arn: str, is_final: bool) -> dict[str, object]:
        """What the event holds beside its Records, named as Lambda names it."""
        return {
            "window": {"start": _iso(self.start), "end": _iso(self.end)},
            "state": self.state,
            "shardId": shard_id,
            "eventSourceARN": source_arn,
            "isFinalInvokeForWindow": is_final,
            "isWindowTerminatedEarly": self.terminated_early,
        }

    def carry_state(self, state: State, limit: int) -> None:
        """Keep what an invocation returned. A state above `limit` bytes terminates the window early."""
        self.state = state
        self.terminated_early = len(json.dumps(state).encode()) > limit


def returned_state(value: object) -> State | None:
    """The state in an answer. None when there is none, which fails the invocation."""
    state = value.get("state") if isinstance(value, dict) else None
    return state if isinstance(state, dict) else None


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

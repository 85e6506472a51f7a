"""How fresh the aggregates are, found by comparing the progress of the two stream readers.

Every change in the stream has a time. For each shard, each reader records the time of the newest change it has
processed. The age of that change alone does not show whether anything is missing: nothing may have changed since. But
both readers see the same changes, so if fanout is ahead of aggregate, some changes are not counted yet, and vice versa.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FANOUT, AGGREGATE = "fanout", "aggregate"

type NewestByShard = Mapping[str, str]
"""By shard, the time (ISO 8601 in UTC, to the second) of the newest change that a reader has processed."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """The progress of a reader.

    Attributes:
        newest_change: time of the newest change it has processed; None if there was none recently.
        age_s: seconds since then.
        behind_s: 0 if it is level with the other reader in every shard. Otherwise it has processed every change older
            than this many seconds, but not all newer ones.
    """

    newest_change: str | None
    age_s: int | None
    behind_s: int

    def document(self) -> dict[str, Any]:
        """Return the JSON object for responses."""
        return {"newest_change": self.newest_change, "age_s": self.age_s, "behind_s": self.behind_s}


def freshness(own: NewestByShard, others: NewestByShard, now: datetime) -> Freshness:
    """Return the progress of one reader, compared with the other's."""
    newest = max(own.values(), default=None)
    # for a shard that this reader has not reported, all we know is that it lacks what the other has seen
    missing = [own.get(shard, seen) for shard, seen in others.items() if own.get(shard, "") < seen]
    return Freshness(
        newest,
        None if newest is None else _seconds(newest, now),
        max((_seconds(time, now) for time in missing), default=0),
    )


def _seconds(time: str, now: datetime) -> int:
    return max(int((now - datetime.fromisoformat(time)).total_seconds()), 0)

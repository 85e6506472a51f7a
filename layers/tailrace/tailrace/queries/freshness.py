"""How fresh the aggregates are: what the two readers of the stream have told of themselves, held side by side.

The stream says of each change when it was made. Each reader keeps, for each shard, the time of the newest change that
it has dealt with. How old the newest one is that is counted does not tell by itself whether anything is missing:
nothing may have changed since. But both readers see the same changes, so where fanout has come further than aggregate,
there are changes that are not counted yet; and the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FANOUT, AGGREGATE = "fanout", "aggregate"

type NewestByShard = Mapping[str, str]
"""By shard, the time (ISO 8601 in UTC, to the second) of the newest change that a reader has dealt with."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a reader has come.

    Attributes:
        newest_change: when the newest change was made that it has dealt with; None where there was none of late.
        age_s: how long ago that is.
        behind_s: 0 where it has come as far as the other reader in every shard; else it has dealt with every change
            that was made before so many seconds ago, and not with all that were made since.
    """

    newest_change: str | None
    age_s: int | None
    behind_s: int

    def document(self) -> dict[str, Any]:
        """Return it as answers hold it."""
        return {"newest_change": self.newest_change, "age_s": self.age_s, "behind_s": self.behind_s}


def freshness(own: NewestByShard, others: NewestByShard, now: datetime) -> Freshness:
    """Return how far one reader has come, beside the other one."""
    newest = max(own.values(), default=None)
    # of a shard that this reader has told nothing of, all that is known is that it lacks what the other has seen
    missing = [own.get(shard, seen) for shard, seen in others.items() if own.get(shard, "") < seen]
    return Freshness(
        newest,
        None if newest is None else _seconds(newest, now),
        max((_seconds(time, now) for time in missing), default=0),
    )


def _seconds(time: str, now: datetime) -> int:
    return max(int((now - datetime.fromisoformat(time)).total_seconds()), 0)

"""How fresh the aggregates are, as the two stream readers have recorded it.

Every change in the stream has a time. For each shard, each reader records the time of the newest change that it has
processed, and when that was. Nobody but the readers sees the stream, so how far they lag behind the table follows from
three signs:

* The other reader is ahead, or stuck at a later change: the changes in between are missing.
* A batch was processed only in part: the rest is missing.
* The newest change was already old when it was processed. A reader that works through a backlog shows nothing else,
  because the other reader may be just as late.

A reader that has had no batch for a while shows none of them. It may be idle, or it may not be invoked at all: the lag
is then unknown.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from msgspec import Struct

FANOUT, AGGREGATE = "fanout", "aggregate"

_MIN_SILENCE, _MAX_SILENCE = timedelta(seconds=10), timedelta(seconds=60)
"""How long a batch says something about the lag: as long as it was late itself, within these bounds."""


_RETENTION = timedelta(hours=24)
"""How long the stream keeps a change; the rows of progress live longer."""

_ROWS_LIVE = timedelta(hours=47)
"""How long the row of a reader lives after it was written, at least, by clocks that differ."""


class ShardProgress(Struct, frozen=True):
    """How far a reader is in a shard; all times are ISO 8601 in UTC, those of changes to the second.

    Attributes:
        newest: time of the newest change that it has processed.
        told_at: when it had processed that.
        missing_since: time of the oldest change that it was handed and could not process; None if there is none.
        given_up: changes up to this time are processed or never will be, because their batch was discarded, or they
            were not read while the stream had them; None if there are no such changes.
    """

    newest: str
    told_at: str
    missing_since: str | None = None
    given_up: str | None = None

    @property
    def done(self) -> str:
        """The time up to which nothing waits."""
        return max(self.newest, self.given_up or "")


type ReaderShards = Mapping[str, ShardProgress]
"""The progress of a reader, by shard."""


class Freshness(Struct, frozen=True):
    """The progress of a reader.

    Attributes:
        newest_change: time of the newest change it has processed; None if there was none recently.
        age_s: seconds since then.
        behind_s: how far it is behind the table, at least; None if unknown, because it has had no batch for a while.
            Never 0: even a batch that came at once does not show that it was the last.
    """

    newest_change: str | None
    age_s: int | None
    behind_s: int | None

    def document(self) -> dict[str, Any]:
        """Return the JSON object for responses."""
        return {"newest_change": self.newest_change, "age_s": self.age_s, "behind_s": self.behind_s}


def freshness(own: ReaderShards, others: ReaderShards, now: datetime) -> Freshness:
    """Return the progress of one reader, compared with the other's and with the table's times."""
    newest = max((shard.newest for shard in own.values()), default=None)
    lags = [_lag(own.get(name), others.get(name), now) for name in own.keys() | others.keys()]
    known = [lag for lag in lags if lag is not None]
    return Freshness(
        newest,
        None if newest is None else max(int(_since(newest, now).total_seconds()), 0),
        max(1, ceil(max(known).total_seconds())) if known else None,
    )


def _lag(own: ShardProgress | None, other: ShardProgress | None, now: datetime) -> timedelta | None:
    """Return how far a reader is behind in one shard, at least; None if unknown."""
    if own is None:  # all we know is that it lacks what the other has seen, or that its row has expired first
        return None if other is None or _since(other.newest, now) > _RETENTION else _since(other.newest, now)
    signs = []
    if other is not None and own.done < other.newest:
        signs.append(_since(own.done, now))
    if other is not None and other.missing_since is not None and own.done < other.missing_since:
        signs.append(_since(other.missing_since, now))  # both are stuck there, and only the other one could say so
    if own.missing_since is not None and (own.given_up is None or own.given_up < own.missing_since):
        signs.append(_since(own.missing_since, now))
    late = datetime.fromisoformat(own.told_at) - datetime.fromisoformat(own.newest)
    # an older change is not from the stream: an operator has delivered a discarded batch again
    if late <= _RETENTION and _since(own.told_at, now) <= min(max(late, _MIN_SILENCE), _MAX_SILENCE):
        signs.append(late)
    return max(signs, default=None)


def unread(own: ReaderShards, others: ReaderShards, now: datetime) -> dict[str, str]:
    """Return the shards in which a reader has missed changes that the stream has no longer, with their newest's time.

    The other reader has processed them. A reader without a row has never read the shard: its row would not have expired
    yet.
    """
    found = {}
    for shard, other in others.items():
        reached = own[shard].done if shard in own else ""
        if reached < other.newest and _RETENTION < _since(other.newest, now) < _ROWS_LIVE:
            found[shard] = other.newest
    return found


def _since(time: str, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(time)

"""How fresh the aggregates are, from the progress of the two stream readers."""

from copy import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.queries.freshness import Freshness, ShardProgress, freshness, unread

NOW = datetime(2026, 3, 1, 12, 0, 30, 500_000, tzinfo=UTC)


def at(second: float) -> str:
    """Return a moment of the minute in which NOW is, with the precision of a stream's times or of a clock."""
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=second)
    precision = "seconds" if isinstance(second, int) else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def reached(newest: int, told_at: float, missing_since: int | None = None) -> ShardProgress:
    return ShardProgress(at(newest), at(told_at), None if missing_since is None else at(missing_since))


def idle(newest: int) -> ShardProgress:
    """Return the progress of a reader that had its last batch a minute after that change, long ago."""
    return ShardProgress(at(newest - 3600), at(newest - 3599.5))


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        # nobody has seen a change: the readers may not be invoked at all
        ({}, {}, Freshness(None, None, None)),
        ({}, {"a": reached(20, 20.5)}, Freshness(None, None, 11)),
        # a change that was processed at once
        ({"a": reached(29, 29.7)}, {"a": reached(29, 29.5)}, Freshness(at(29), 1, 1)),
        ({"a": reached(29, 29.0)}, {"a": reached(29, 29.0)}, Freshness(at(29), 1, 1)),
        # both readers are as late as each other: level with one another, not with the table
        ({"a": reached(2, 28.5)}, {"a": reached(2, 28.0)}, Freshness(at(2), 28, 27)),
        # one reader alone, with a backlog
        ({"a": reached(2, 28.5)}, {}, Freshness(at(2), 28, 27)),
        # a batch that was discarded days ago is delivered again
        (
            {"a": reached(-3 * 86_400, 28.5), "b": reached(29, 29.5)},
            {"b": reached(29, 29.5)},
            Freshness(at(29), 1, 1),
        ),
        # the other is behind, but this one is late too
        ({"a": reached(4, 30.0)}, {"a": reached(2, 30.0)}, Freshness(at(4), 26, 26)),
        # late as the last batch was, another one is still expected
        ({"a": reached(-30, 0.5)}, {"a": reached(-30, 0.5)}, Freshness(at(-30), 60, 31)),
        # nothing for a while: idle, or not invoked
        ({"a": reached(19, 19.5)}, {"a": reached(19, 19.5)}, Freshness(at(19), 11, None)),
        ({"a": reached(-2000, -31.0)}, {"a": reached(-2000, -31.0)}, Freshness(at(-2000), 2030, None)),
        # one shard is half a minute behind, the other is up to date
        (
            {"a": reached(0, 0.5), "b": reached(29, 29.5)},
            {"a": reached(10, 10.5), "b": reached(29, 29.5)},
            Freshness(at(29), 1, 31),
        ),
        # nothing of the new shard is processed yet
        ({"a": reached(20, 20.5)}, {"a": reached(20, 20.5), "b": reached(10, 10.5)}, Freshness(at(20), 10, 21)),
        # of an idle shard, the row of one reader expired before the other's
        ({}, {"a": reached(-2 * 86_400, -2 * 86_400 + 1.5)}, Freshness(None, None, None)),
        ({"b": reached(29, 29.5)}, {"a": reached(-86_401, -86_400.0)}, Freshness(at(29), 1, 1)),
        # a closed shard says nothing about the open one
        ({"a": idle(0), "b": reached(29, 29.5)}, {"a": idle(0)}, Freshness(at(29), 1, 1)),
        # the rest of a batch is missing, for as long as it takes
        ({"a": reached(-100, -95.0, -99)}, {"a": reached(-100, -95.0)}, Freshness(at(-100), 130, 130)),
        # clock skew
        ({"a": reached(40, 30.0)}, {"a": reached(40, 30.0)}, Freshness(at(40), 0, 1)),
    ],
)
def test_age_and_lag(own: dict[str, ShardProgress], others: dict[str, ShardProgress], expected: Freshness) -> None:
    assert freshness(own, others, NOW) == expected


def test_both_stand_still_and_only_the_other_has_told_at_which_change() -> None:
    told = {"a": reached(-100, -99.0, -90)}
    assert freshness({"a": reached(-100, -99.0)}, told, NOW) == Freshness(at(-100), 130, 121)
    assert freshness({"a": reached(-90, -89.0)}, told, NOW) == Freshness(at(-90), 120, None)


def test_nobody_waits_for_changes_that_are_given_up() -> None:
    given_up = ShardProgress(at(-100), at(-99), at(-90), at(-80))
    others = {"a": reached(-80, -79.0)}
    assert freshness({"a": given_up}, others, NOW) == Freshness(at(-100), 130, None)
    # what came after them waits, whoever has told of it
    assert freshness({"a": given_up}, {"a": reached(-70, -69.0)}, NOW).behind_s == 111
    assert freshness({"a": replace(given_up, missing_since=at(-75))}, others, NOW).behind_s == 106
    assert freshness({"a": given_up}, {"a": reached(-85, -84.0, -75)}, NOW).behind_s == 106


shards = st.dictionaries(
    st.sampled_from("abc"),
    st.builds(reached, st.integers(-200, 30), st.floats(-200, 30), st.none() | st.integers(-200, 30)),
)


@given(shards, shards)
def test_a_lag_is_never_zero_and_at_least_what_each_shard_shows(
    own: dict[str, ShardProgress], others: dict[str, ShardProgress]
) -> None:
    found = freshness(own, others, NOW).behind_s
    assert found is None or found >= 1
    for name in own.keys() | others.keys():
        alone = freshness(
            {one: shard for one, shard in own.items() if one == name},
            {one: shard for one, shard in others.items() if one == name},
            NOW,
        ).behind_s
        assert alone is None or (found is not None and found >= alone)


HOUR = 3600
made = st.tuples(st.integers(1, 100 * HOUR), st.integers(0, 23 * HOUR), st.integers(0, 23 * HOUR))
"""A change: how long ago it was made, and after how many seconds each reader has processed it."""


def rows(changes: list[tuple[int, int, int]], reader: int) -> dict[str, ShardProgress]:
    """Return the row of a reader's only shard, which is written as changes are processed and lives for two days."""
    seen = [(-one[0], one[reader] - one[0]) for one in changes if one[reader] <= one[0]]
    if not seen or max(told for _, told in seen) + 48 * HOUR <= 0:
        return {}
    return {"a": reached(max(newest for newest, _ in seen), max(told for _, told in seen))}


@given(st.lists(made, max_size=6), st.booleans())
def test_what_a_reader_has_read_in_time_is_never_missed_and_what_it_has_not_is(
    changes: list[tuple[int, int, int]], misses: bool
) -> None:
    own, others = rows(changes, 1), rows(changes, 2)
    assert unread(own, others, NOW) == {}
    read = [ago for ago, _, seen in changes if seen <= ago]
    newest = min(read, default=0)
    if misses and 25 * HOUR < newest < 46 * HOUR:
        before = [one for one in changes if one[0] > newest]
        assert unread(rows(before, 1), others, NOW) == {"a": at(-newest)}

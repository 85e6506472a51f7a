"""Overlapping windows: the rows that an item is in, and when a window ends."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    DefinitionError,
    Pipeline,
    count,
    count_items,
    day,
    days,
    distinct,
    field,
    hop,
    hour,
    hours,
    maximum,
    minutes,
    total,
)
from tailrace.aggregation.fold import fold_records
from tailrace.backfill.fingerprints.meaning import fingerprint
from tailrace.definition.descriptions import describe
from tailrace.errors import NotAdditive
from tailrace.queries.parameters import parse_row_query, rollup_intervals
from tailrace.queries.rollup import non_additive_measures
from tailrace.testing import history, rows

ORDERS = Collection("orders", schema={"type": "object"})
MEASURES: Any = {"n": count(), "sum": total("amount"), "most": maximum("amount"), "kinds": distinct("amount")}


def aggregate(window: Any, **changes: Any) -> Aggregate:
    parts: dict[str, Any] = {"name": "a", "of": ORDERS, "by": [field("shop"), window], "measures": MEASURES}
    return Aggregate(**(parts | changes))


instants = st.datetimes(datetime(2024, 10, 25), datetime(2024, 10, 29)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
items = st.fixed_dictionaries(
    {"at": instants.map(datetime.isoformat), "shop": st.sampled_from("ab")}, optional={"amount": st.integers(0, 3)}
)
writes = st.lists(st.tuples(st.sampled_from("123"), st.one_of(st.none(), items, items)), max_size=8)


@given(writes, st.sampled_from(["UTC", "Europe/Berlin"]), st.sampled_from([(3, 1), (12, 6), (48, 24)]))
def test_a_row_counts_the_items_of_its_window(written: list[Any], tz: str, lengths: tuple[int, int]) -> None:
    size, every = lengths
    window = hop("at", size=hours(size), every=hours(every), tz=tz)
    found = rows(history("orders", written), Pipeline([ORDERS], [aggregate(window)]))["a"]
    final = [item for item in dict(written).values() if item is not None]
    step = day("at", tz=tz) if every == 24 else hour("at", tz=tz) if every == 1 else hours(every, "at", tz=tz)
    expected: dict[Any, list[Any]] = {}
    for item in final:
        moment = datetime.fromisoformat(item["at"])
        starts = {step.label(moment - timedelta(minutes=10 * back)) for back in range(6 * size * 3)}
        for label in starts:
            start, end = window.start(label), window.last_end(label)
            if start <= moment < end:
                expected.setdefault((item["shop"], label), []).append(item.get("amount"))
    assert {(row["shop"], row["hop"]): row["n"] for row in found} == {key: len(of) for key, of in expected.items()}
    for row in found:
        amounts = [one for one in expected[row["shop"], row["hop"]] if one is not None]
        assert (row["sum"], row["most"], row["kinds"]) == (sum(amounts), max(amounts, default=None), len(set(amounts)))


def test_windows_of_hours_last_as_long_when_the_clock_changes_and_days_end_at_midnight() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    by_hour = hop("at", size=hours(24), every=hours(1), tz="Europe/Berlin")
    label = by_hour.label(datetime(2024, 10, 26, 12, tzinfo=berlin))
    assert by_hour.last_end(label) - by_hour.start(label) == timedelta(hours=24)
    by_day = hop("at", size=days(2), every=days(1), tz="Europe/Berlin")
    assert by_day.last_end("2024-10-26") - by_day.start("2024-10-26") == timedelta(hours=49)


def test_windows_are_shorter_if_the_clock_changes_within_one_of_their_buckets() -> None:
    window = hop("at", size=hours(24), every=hours(6), tz="Europe/Berlin")
    found = {
        (window.last_end(label) - window.start(label)) // timedelta(hours=1)
        for at in (datetime(2024, 3, 31, 12, tzinfo=UTC), datetime(2024, 10, 27, 12, tzinfo=UTC))
        for back in range(48)
        for label in window.labels(window.label(at - timedelta(hours=back)))
    }
    assert found == {24, *range(17, 23)} - {18}


def test_a_row_is_kept_from_its_windows_end() -> None:
    one = aggregate(hop("at", size=hours(2), every=hours(1)), keep=days(1))
    folded = fold_records(
        history("orders", [("1", {"at": "2024-10-27T01:30Z", "shop": "a"})]), Pipeline([ORDERS], [one])
    )
    ends = {row.labels[1]: row.expires_at for row in folded.rows}
    midnight = 1_729_987_200
    assert ends == {
        "2024-10-27T01:00+00:00": midnight + 3 * 3600 + 86_400,
        "2024-10-27T00:00+00:00": midnight + 2 * 3600 + 86_400,
    }


@pytest.mark.parametrize("window", [day("at", name="hop"), hop("at", size=days(2), every=days(1))])
def test_a_row_that_would_be_kept_beyond_the_year_9999_never_expires(window: Any) -> None:
    one = aggregate(window, keep=days(3_500_000))
    assert [one.expires_at(["a", label]) for label in ("0500-01-01", "2024-01-01", "9999-12-31")] == [None] * 3


def test_windows_of_lines_count_each_item_once_in_a_row() -> None:
    one = aggregate(
        hop("lines.at", size=hours(2), every=hours(1)),
        each="lines",
        measures={"lines": count(), "orders": count_items()},
    )
    lines = [{"at": "2024-10-27T01:30Z"}, {"at": "2024-10-27T02:30Z"}]
    assert rows(history("orders", [("1", {"shop": "a", "lines": lines})]), Pipeline([ORDERS], [one]))["a"] == [
        {"shop": "a", "hop": "2024-10-27T00:00+00:00", "lines": 1, "orders": 1},
        {"shop": "a", "hop": "2024-10-27T01:00+00:00", "lines": 2, "orders": 1},
        {"shop": "a", "hop": "2024-10-27T02:00+00:00", "lines": 1, "orders": 1},
    ]


def test_the_first_window_of_the_calendar_has_no_window_before_it() -> None:
    window = hop("at", size=days(3), every=days(1))
    assert list(window.labels("0001-01-02")) == ["0001-01-02", "0001-01-01"]
    one = aggregate(window, keep=days(1))
    for at in ("0001-01-01T00:00", "9999-12-31T23:59"):
        records = history("orders", [("1", {"at": at, "shop": "a"})])
        assert fold_records(records, Pipeline([ORDERS], [one])).rows


@pytest.mark.parametrize(("characters", "counted"), [(997, True), (1000, False)])
@pytest.mark.parametrize("each", [None, "at"])
def test_an_item_is_not_counted_if_the_key_of_an_older_window_is_too_long(
    each: str | None, characters: int, counted: bool
) -> None:
    # the hour before standard time has the offset +00:53:28 in its label, three characters more
    window = hop("at", size=hours(2), every=hours(1), tz="Europe/Berlin")
    one = aggregate(window, by=[field("shop"), field("name"), window], measures={"n": count()}, each=each)
    at: Any = "1893-03-31T23:10:00Z"
    item = {"shop": "a", "name": "n" * characters, "at": at if each is None else [at]}
    folded = fold_records(history("orders", [("1", item)]), Pipeline([ORDERS], [one]))
    assert len(folded.rows) == (2 if counted else 0)
    assert [found.error.violations[0].keyword for found in folded.poison] == ([] if counted else ["key"])


def test_rows_of_windows_are_never_added_up() -> None:
    one = aggregate(hop("at", size=hours(2), every=hours(1)))
    assert rollup_intervals(one) == []
    assert non_additive_measures(one) == set(MEASURES)
    assert all(measure["additive"] is False for measure in describe(one)["measures"])
    assert describe(one)["groups"][1]["windows"] == 2
    wanted = {"shop": "a", "from": "2024-10-27", "to": "2024-10-28", "window": "24h"}
    with pytest.raises(NotAdditive):
        parse_row_query(one, list(wanted.items()))


def test_the_number_of_windows_is_part_of_the_meaning() -> None:
    found = {fingerprint(aggregate(hop("at", size=hours(size), every=hours(1), name="hour"))) for size in (2, 3)}
    assert len(found | {fingerprint(aggregate(hour("at")))}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": hours(1), "every": hours(1)}, "2 to 100 times"),
        ({"size": hours(101), "every": hours(1)}, "2 to 100 times"),
        ({"size": hours(3), "every": hours(2)}, "2 to 100 times"),
        ({"size": hours(10), "every": hours(5)}, "divide a day"),
        ({"size": days(4), "every": days(2)}, "divide a day"),
        ({"size": timedelta(milliseconds=1000), "every": timedelta(milliseconds=500)}, "divide a day"),
        ({"size": 24, "every": hours(1)}, "size= must be a duration"),
        ({"size": hours(1), "every": -minutes(1)}, "every= must be a duration"),
        ({"size": hours(2), "every": hours(1), "tz": "Mars"}, "unknown time zone"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        hop("at", **arguments)

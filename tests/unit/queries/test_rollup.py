"""Rollup: which rows are merged."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tailrace import Aggregate, count, field, hour
from tailrace.definition.collection import Collection
from tailrace.queries.moving_sums import MovingSums
from tailrace.queries.rollup import Rollup

events = Collection("events", schema={})


def rolled_up(aggregate: Aggregate, interval: str | None, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Roll rows up; return the kind and the count of each."""
    stored = [{"~n": row["n"], "hour": "2024-03-05T09:00+00:00"} | row for row in rows]
    rollup = Rollup(aggregate, interval, stored)
    return [(row["kind"], row["n"]) for _, row in rollup.rows(descending=False)]


def test_groups_with_different_keys_stay_apart_even_if_python_considers_their_values_equal() -> None:
    aggregate = Aggregate("n", of=events, by=[field("kind"), hour("at")], measures={"n": count()})
    rows: list[dict[str, Any]] = [{"kind": 1, "n": 2}, {"kind": True, "n": 3}, {"kind": False, "n": 4}]
    found = rolled_up(aggregate, "day", [*rows, {"kind": 1, "n": 5, "hour": "2024-03-05T10:00+00:00"}])
    assert [(str(kind), n) for kind, n in found] == [("1", 7), ("False", 4), ("True", 3)]


def test_lanes_of_one_key_are_one_row_even_if_their_values_differ_in_type() -> None:
    aggregate = Aggregate("n", of=events, by=[field("kind"), hour("at")], measures={"n": count()}, lanes=2)
    assert rolled_up(aggregate, None, [{"kind": "1", "n": 2}, {"kind": 1, "n": 3}]) == [("1", 5)]


def test_an_hour_below_zero_is_in_no_day_but_a_lane_below_zero_is_in_its_row() -> None:
    by = field("kind"), hour("at")
    rows: list[dict[str, Any]] = [
        {"kind": "a", "n": -1, "~n": -1},
        {"kind": "a", "n": 3, "~n": 3, "hour": "2024-03-05T10:00+00:00"},
    ]
    plain = Aggregate("n", of=events, by=by, measures={"n": count()})
    assert rolled_up(plain, "day", [dict(row) for row in rows]) == [("a", 3)]
    assert rolled_up(plain, "day", [dict(row) for row in reversed(rows)]) == [("a", 3)]
    assert rolled_up(plain, "day", [rows[0], {"kind": "a", "n": 0, "~n": 0}]) == []
    lanes = Aggregate("n", of=events, by=by, measures={"n": count()}, lanes=2)
    same_hour = [row | {"hour": "2024-03-05T09:00+00:00"} for row in rows]
    assert rolled_up(lanes, None, [dict(row) for row in same_hour]) == [("a", 2)]
    assert rolled_up(lanes, None, [dict(rows[0])]) == []
    lane = rows[0] | {"n": -2, "~n": -2}
    of_hours = [rows[0], rows[0] | {"n": 0, "~n": 0}, rows[1], rows[1] | lane]
    assert rolled_up(lanes, "day", of_hours) == [("a", 1)]
    bucket, eleven = hour("at"), datetime(2024, 3, 5, 11, tzinfo=UTC)
    stored = [{"hour": "2024-03-05T09:00+00:00"} | row for row in of_hours]
    sums = MovingSums(lanes, None, bucket, stored).rows("", eleven - timedelta(hours=2), eleven, descending=False)
    assert [row["n"] for _, row in sums] == [1]

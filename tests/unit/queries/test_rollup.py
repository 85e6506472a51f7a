"""Rows added up: which of them are one, and what becomes of their numbers."""

from typing import Any

from tailrace import Aggregate, count, field, hour
from tailrace.definition.collection import Collection
from tailrace.queries.rollup import Rollup

events = Collection("events", schema={})


def added_up(aggregate: Aggregate, interval: str | None, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Add up rows; return the kind and the count of each."""
    sums = Rollup(aggregate, interval)
    for row in rows:
        sums.add({"~n": row["n"], "hour": "2024-03-05T09:00+00:00"} | row)
    return [(row["kind"], row["n"]) for row in sums.rows(descending=False)]


def test_groups_whose_keys_differ_stay_apart_although_python_takes_their_values_for_equal() -> None:
    aggregate = Aggregate("n", of=events, by=[field("kind"), hour("at")], measures={"n": count()})
    rows: list[dict[str, Any]] = [{"kind": 1, "n": 2}, {"kind": True, "n": 3}, {"kind": False, "n": 4}]
    found = added_up(aggregate, "day", [*rows, {"kind": 1, "n": 5, "hour": "2024-03-05T10:00+00:00"}])
    assert [(str(kind), n) for kind, n in found] == [("1", 7), ("False", 4), ("True", 3)]


def test_lanes_of_one_key_are_one_row_whatever_each_holds_for_its_value() -> None:
    aggregate = Aggregate("n", of=events, by=[field("kind"), hour("at")], measures={"n": count()}, lanes=2)
    assert added_up(aggregate, None, [{"kind": "1", "n": 2}, {"kind": 1, "n": 3}]) == [("1", 5)]

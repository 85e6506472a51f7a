"""The recompute agrees with the engine and with plain Python, and detects a single wrong digit."""

import json
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from local.demo.flights import read_flights
from local.demo.recompute import Recompute, Row, RowKey, exact_statistic, matches_rounded, row_differences
from local.demo.timeline import BrokenItem, Timetable, timeline
from pipeline.definition import pipeline
from tailrace.inputs.effects import Effect
from tests.unit.local.demo.feed_stream import HEADER, ROW, SAMPLE_FILE, archive_lines, effects_of, folded, write_archive


@pytest.fixture(scope="module")
def effects() -> list[Effect]:
    return effects_of(SAMPLE_FILE)


@pytest.fixture(scope="module")
def recompute() -> Iterator[Recompute]:
    with Recompute(SAMPLE_FILE, None) as made:
        yield made


@pytest.fixture(scope="module")
def folded_once(effects: list[Effect]) -> dict[RowKey, Row]:
    return folded(effects, 1_000)


@pytest.fixture
def rows(folded_once: dict[RowKey, Row]) -> dict[RowKey, Row]:
    """The engine's rows, to be changed."""
    return deepcopy(folded_once)


@pytest.mark.parametrize("batch", [97, 100_000])
def test_the_engine_and_the_recompute_agree_to_the_last_digit(
    effects: list[Effect], recompute: Recompute, batch: int
) -> None:
    assert row_differences(recompute.all_rows(), folded(effects, batch)) == []
    assert recompute.changes() == sum(effect.kind is not None for effect in effects)


def test_rendered_means_and_variances_agree(rows: dict[RowKey, Row], recompute: Recompute) -> None:
    for key, must in recompute.all_rows().items():
        aggregate = pipeline.aggregate(key[0].partition("@")[0])
        rendered = aggregate.render(rows[key])
        assert rendered is not None
        for name, measure in aggregate.measures.items():
            if measure.kind in ("mean", "variance"):
                assert matches_rounded(
                    rendered[name], exact_statistic(must, name, variance=measure.kind == "variance"), 38
                )


@pytest.mark.parametrize(
    ("attribute", "change"),
    [
        ("departures", 1),
        ("departure_delay_variance_squares", -1),
        ("~n", 1),
        ("air_minutes", Decimal("1E-20")),
    ],
)
def test_one_wrong_digit_in_one_row_is_drift(
    rows: dict[RowKey, Row], recompute: Recompute, attribute: str, change: int | Decimal
) -> None:
    key = ("route_months@1#EWR-IAH", "2013-01")
    rows[key][attribute] += change
    (difference,) = row_differences(recompute.all_rows(), rows)
    assert difference.where == "route_months@1#EWR-IAH 2013-01"
    assert difference.found == {attribute: rows[key][attribute]}


def test_missing_rows_extra_rows_and_extra_attributes_are_drift(rows: dict[RowKey, Row], recompute: Recompute) -> None:
    del rows["origin_days@1#EWR", "2013-01-02"]
    rows["origin_days@1#EWR", "2013-01-03"] |= {"surprise": 1, "updated_at": "now", "~mark": "1"}
    rows["origin_days@1#XXX", "2013-01-01"] = {"~n": 0}
    missing, surprise, extra = row_differences(recompute.all_rows(), rows)
    assert missing.found is None
    assert surprise.found == {"surprise": 1}
    assert extra.expected is None
    assert str(extra) == "origin_days@1#XXX 2013-01-01: expected nothing, found {'~n': 0}"


def test_only_the_first_days_count() -> None:
    with Recompute(SAMPLE_FILE, 2) as recompute:
        assert recompute.flights() == 842 + 943
        assert {row["day"] for row in recompute.rows("origin_days")} == {"2013-01-01", "2013-01-02"}


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        ROW.replace(",2,830,", ",late,830,"),
        ROW.replace(",2,830,", ",-0,830,"),
        ROW.replace("1545", "01545"),
        ROW.replace("1545", "007"),
        ROW.replace("1545", "1٣"),
        ROW.replace("UA", '"UA"'),
        ROW.replace("UA", "U\x00"),
        ROW.replace("10:00:00Z", "11:00:00Z"),
        ROW.replace("10:00:00Z", "25:00:00Z"),
        ROW.replace("2013,1,1", "2013,2,30"),
        ROW.replace("2013", "1970"),
        ROW.replace("5,15,", "5,75,").replace("515", "575"),
        ROW.replace("830", "2401"),
        ROW.replace("830", "NA"),
        ROW.replace("227", "NA"),
        ROW.replace("N14228", ""),
        ROW + ",",
        ROW + "\r",
        " " + ROW,
        ROW.replace("2013,1,1,517,515,2", "2013,11,3,117,115,2").replace(",5,15,2013-01-01T10", ",1,15,2013-11-03T05"),
        ROW.replace("2013,1,1,517,515,2", "2013,11,3,117,115,2").replace(",5,15,2013-01-01T10", ",1,15,2013-11-03T06"),
        ROW.replace("2013,1,1,517,515,2", "2013,3,10,217,215,2").replace(",5,15,2013-01-01T10", ",2,15,2013-03-10T07"),
    ],
)
def test_reader_and_recompute_accept_and_parse_rows_alike(tmp_path: Path, row: str) -> None:
    path = tmp_path / "flights.csv"
    other = ROW.replace("EWR", "JFK")
    lines = [HEADER, other, row, row, other]
    path.write_bytes("\n".join(lines).encode())
    flights = read_flights(path).flights
    with Recompute(path, None) as recompute:
        assert recompute.flights() == len(flights)
        rows = folded(effects_of(path), 10)
        assert row_differences(recompute.all_rows(), rows) == []


def test_a_complete_archive_is_no_drift_and_a_duplicate_event_counts_once(
    effects: list[Effect], recompute: Recompute, tmp_path: Path
) -> None:
    lines = archive_lines(effects)
    write_archive([*lines, lines[7]], tmp_path)
    assert recompute.archive_differences(tmp_path) == []
    assert recompute.archived_events() == recompute.changes()


def test_missing_foreign_and_changed_events_are_drift(
    effects: list[Effect], recompute: Recompute, tmp_path: Path
) -> None:
    lines = archive_lines(effects)
    foreign = json.dumps(
        {"id": "x", "subject": "y", "type": "tailrace.flights.removed", "data": {"old": {}, "new": None}}
    )
    changed = lines[-1].replace('"departure_delay": ', '"departure_delay": 1')
    write_archive([*lines[1:-1], changed, foreign], tmp_path)
    differences = recompute.archive_differences(tmp_path)
    assert len([one for one in differences if one.found is None]) == 2
    assert len([one for one in differences if one.expected is None]) == 2


def test_each_change_of_a_flight_that_was_or_is_late_is_a_disruption() -> None:
    with Recompute(SAMPLE_FILE, 1) as recompute:
        told = recompute.disruptions()
    by_hand = set()
    for event in timeline(flight for flight in read_flights(SAMPLE_FILE).flights if flight.day.day == 1):
        if isinstance(event, Timetable | BrokenItem):
            continue
        late = max(event.item.get("dep_delay", 0), event.item.get("arr_delay", 0)) > 120
        if event.kind == "cancelled" or late:
            by_hand.add((event.id, event.kind))
    assert told == by_hand
    assert len(told) == 46


def test_exact_statistics() -> None:
    row = {"delay_total": 4, "delay_count": 3, "delay_squares": 10}
    assert exact_statistic(row, "delay", variance=False) == Fraction(4, 3)
    assert exact_statistic(row, "delay", variance=True) == Fraction(10, 3) - Fraction(16, 9)
    assert exact_statistic({"delay_total": 0, "delay_count": 0}, "delay", variance=False) is None
    assert matches_rounded(Decimal("1.333"), Fraction(4, 3), 4)
    assert not matches_rounded(Decimal("1.33"), Fraction(4, 3), 4)
    assert matches_rounded(None, None, 4)
    assert not matches_rounded(0, None, 4)

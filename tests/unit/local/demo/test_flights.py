"""Reading the source: which rows are accepted or rejected, and at what time flights depart."""

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.demo.flights import COLUMNS, SourceError, read_flights
from tests.unit.local.demo.feed_stream import HEADER, ROW, SAMPLE_FILE


def file_of(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "flights.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def with_fields(**changed: str) -> str:
    fields = dict(zip(COLUMNS, ROW.split(","), strict=True)) | changed
    return ",".join(fields.values())


def test_the_sample_in_the_repository_is_complete() -> None:
    source = read_flights(SAMPLE_FILE)
    assert source.rejected == []
    assert Counter(flight.day.day for flight in source.flights) == {
        1: 842,
        2: 943,
        3: 914,
        4: 915,
        5: 720,
        6: 832,
        7: 933,
    }
    assert len({flight.id for flight in source.flights}) == 6_099


def test_flights_are_sorted_by_departure() -> None:
    departures = [flight.departure.astimezone(UTC) for flight in read_flights(SAMPLE_FILE).flights]
    assert departures == sorted(departures)


@pytest.mark.parametrize(
    ("local", "time_hour", "written"),
    [
        (("3", "9", "23"), "2013-03-10T04:00:00Z", "2013-03-09T23:15:00-05:00"),
        (("3", "10", "1"), "2013-03-10T06:00:00Z", "2013-03-10T01:15:00-05:00"),
        (("3", "10", "3"), "2013-03-10T07:00:00Z", "2013-03-10T03:15:00-04:00"),
        (("11", "3", "1"), "2013-11-03T05:00:00Z", "2013-11-03T01:15:00-04:00"),
        (("11", "3", "1"), "2013-11-03T06:00:00Z", "2013-11-03T01:15:00-05:00"),
        (("11", "3", "2"), "2013-11-03T07:00:00Z", "2013-11-03T02:15:00-05:00"),
    ],
)
def test_the_offset_is_right_on_both_sides_of_a_clock_change(
    tmp_path: Path, local: tuple[str, str, str], time_hour: str, written: str
) -> None:
    month, day, hour = local
    row = with_fields(month=month, day=day, hour=hour, sched_dep_time=f"{hour}15", time_hour=time_hour)
    (flight,) = read_flights(file_of(tmp_path, row)).flights
    assert flight.departure.isoformat() == written
    assert (flight.day.month, flight.day.day) == (int(month), int(day))


def test_a_departure_in_the_skipped_hour_is_rejected(tmp_path: Path) -> None:
    row = with_fields(month="3", day="10", hour="2", sched_dep_time="215", time_hour="2013-03-10T07:00:00Z")
    assert len(read_flights(file_of(tmp_path, ROW, row)).rejected) == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"carrier": "united"}, "invalid carrier: 'united'"),
        ({"dep_delay": "late"}, "invalid dep_delay: 'late'"),
        ({"flight": "1٣"}, "invalid flight: '1٣'"),
        ({"distance": "14.5"}, "invalid distance: '14.5'"),
        ({"dep_time": "NA"}, "only one of dep_time and dep_delay is known"),
        ({"air_time": "NA"}, "only one of arr_delay and air_time is known"),
        ({"arr_time": "NA"}, "arr_delay without arr_time"),
        ({"arr_time": "2401"}, "invalid arr_time: 2401"),
        ({"sched_arr_time": "9999"}, "invalid sched_arr_time: 9999"),
        ({"minute": "16"}, "hour and minute differ from sched_dep_time"),
        ({"minute": "75", "sched_dep_time": "575"}, "invalid minute: 75"),
        ({"day": "2"}, "time_hour differs from year, month, day and hour in New York"),
        ({"month": "13"}, "time_hour differs from year, month, day and hour in New York"),
        (
            {"time_hour": "2013-13-01T10:00:00Z"},
            "time_hour differs from year, month, day and hour in New York",
        ),
        ({"time_hour": "2013-01-01 05:00:00"}, "invalid time_hour: '2013-01-01 05:00:00'"),
    ],
)
def test_an_invalid_row_is_reported_and_its_neighbours_are_accepted(
    tmp_path: Path, changed: dict[str, str], reason: str
) -> None:
    source = read_flights(file_of(tmp_path, with_fields(flight="1"), with_fields(**changed), with_fields(flight="2")))
    assert [flight.number for flight in source.flights] == [1, 2]
    assert source.rejected == [(3, reason)]


def test_wrong_field_counts_blank_lines_and_duplicate_flights(tmp_path: Path) -> None:
    source = read_flights(file_of(tmp_path, ROW, "", ROW + ",1", "2013", ROW, with_fields(origin="JFK")))
    assert [flight.origin for flight in source.flights] == ["EWR", "JFK"]
    assert source.rejected == [
        (4, "20 fields instead of 19"),
        (5, "1 fields instead of 19"),
        (6, "duplicate flight"),
    ]


def test_line_endings_byte_order_marks_and_compression_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "any-name"
    path.write_bytes(gzip.compress(f"\ufeff{HEADER}\r\n{ROW}\r\n".encode()))
    assert [flight.id for flight in read_flights(path).flights] == ["2013-01-01-UA-1545-EWR"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "its header lacks year, month"),
        (b"a,b\n1,2\n", "its header lacks year, month"),
        (HEADER.replace("dep_delay,", "").encode(), "its header lacks dep_delay"),
        (",".join(reversed(COLUMNS)).encode(), "it has extra or reordered columns"),
        (HEADER.encode(), "has no valid flight"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-9], "Cannot read"),
        (b"PK\x03\x04 and so on", "is a zip archive: unpack it first"),
    ],
)
def test_an_unusable_file_is_one_clear_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "flights.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=sentence) as error:
        read_flights(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file"):
        read_flights(tmp_path / "nothing.csv")


def test_departures_compare_by_instant() -> None:
    first = read_flights(SAMPLE_FILE).flights[0].departure
    assert first == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)

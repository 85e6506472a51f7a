"""The independent recompute: every row, event and disruption that a source file must produce, by DuckDB.

``local/demo/recompute.sql`` reads the source file and shares no code with the engine, the pipeline or the feed.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import duckdb
from msgspec import Struct

AGGREGATES = ("carrier_hours", "origin_days", "route_months")
_SQL = Path(__file__).with_suffix(".sql")
_GZIP_MAGIC = b"\x1f\x8b"
_ALL_DAYS = 1_000_000

type Row = dict[str, Any]
type RowKey = tuple[str, str]


class Difference(Struct, frozen=True):
    """A mismatch: where, and the expected and found values (None if absent)."""

    where: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.where}: expected {_display(self.expected)}, found {_display(self.found)}"


def _display(value: Any) -> str:
    return "nothing" if value is None else str(value)


class Recompute:
    """The expected results of a file's first ``days`` days (None: all days). A context manager."""

    def __init__(self, path: Path, days: int | None) -> None:
        with path.open("rb") as start:
            compression = "gzip" if start.read(2) == _GZIP_MAGIC else "none"
        # an in-memory database; two threads, to leave the rest of the machine alone
        self.connection = duckdb.connect(config={"threads": 2})
        self.connection.execute(
            "create table lines as select row_number() over () as number, line from read_csv(?, compression = ?, "
            "columns = {'line': 'varchar'}, delim = '\x1f', quote = '', escape = '', comment = '', header = false, "
            "auto_detect = false, strict_mode = false, ignore_errors = true, max_line_size = 16000000)",
            [str(path), compression],
        )
        self.connection.execute(f"set variable first_days = {days or _ALL_DAYS}")
        self.connection.execute(_SQL.read_text(encoding="utf-8"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.connection.close()

    def flights(self) -> int:
        """Return the number of accepted flights."""
        return int(self._scalar("select count(*) from flights"))

    def changes(self) -> int:
        """Return the number of table changes that these flights cause."""
        return int(self._scalar("select count(*) from events"))

    def disruptions(self) -> set[tuple[str, str]]:
        """Return the expected events of the route `disruptions`, as ``(flight's id, status after the change)``."""
        return set(self.connection.execute("select id, status from events where late").fetchall())

    def rows(self, aggregate: str) -> Iterator[Row]:
        """Yield the expected rows of an aggregate; numbers are int."""
        cursor = self.connection.execute(f"select * from {aggregate}")  # noqa: S608 - a name of AGGREGATES
        names = [column[0] for column in cursor.description]
        for values in cursor.fetchall():
            yield dict(zip(names, values, strict=True))

    def all_rows(self) -> dict[RowKey, Row]:
        """Return the expected rows of all aggregates, by key."""
        return {(row["pk"], row["sk"]): row for aggregate in AGGREGATES for row in self.rows(aggregate)}

    def archive_differences(self, folder: Path) -> list[Difference]:
        """Compare the archive with the expected changes; a duplicate event (same id) counts once.

        ``folder`` is a copy of the archive's objects.
        """
        self.connection.execute(
            "create or replace temp table archived as select id as event, any_value(subject) as id, "
            "any_value(split_part(type, '.', 3)) as kind, any_value(data->'new'->>'status') as status, "
            "any_value(cast(data->'new'->>'departure_delay' as integer)) as departure_delay, "
            "any_value(cast(data->'new'->>'arrival_delay' as integer)) as arrival_delay "
            "from read_json(?, format = 'newline_delimited', compression = 'gzip', "
            "columns = {'id': 'varchar', 'subject': 'varchar', 'type': 'varchar', 'data': 'json'}) group by id",
            [str(folder / "**" / "*.jsonl.gz")],
        )
        select = "select id, kind, status, departure_delay, arrival_delay from"
        both = [("events", "archived"), ("archived", "events")]
        missing, extra = (
            self.connection.execute(f"{select} {left} except all {select} {right} order by all").fetchall()
            for left, right in both
        )
        return [Difference(f"archive, {event[0]}", event[1:], None) for event in missing] + [
            Difference(f"archive, {event[0]}", None, event[1:]) for event in extra
        ]

    def archived_events(self) -> int:
        """Return the number of distinct archived events. Call :meth:`archive_differences` first."""
        return int(self._scalar("select count(*) from archived"))

    def _scalar(self, query: str) -> Any:
        ((value,),) = self.connection.execute(query).fetchall()
        return value


def row_differences(expected: Mapping[RowKey, Row], found: Mapping[RowKey, Row]) -> list[Difference]:
    """Compare rows to the last digit: missing rows, extra rows, and every attribute except the engine's own."""
    differences = []
    for key in sorted(expected.keys() | found.keys()):
        where = " ".join(key)
        if key not in found:
            differences.append(Difference(where, expected[key], None))
        elif key not in expected:
            differences.append(Difference(where, None, found[key]))
        else:
            wrong = _wrong_attributes(expected[key], found[key])
            if wrong:
                pair = [{name: row.get(name) for name in wrong} for row in (expected[key], found[key])]
                differences.append(Difference(where, *pair))
    return differences


def _wrong_attributes(expected: Row, found: Row) -> list[str]:
    compared = {name for name in found if not name.startswith("~") and name not in ("updated_at", "expires_at")}
    return sorted(name for name in expected.keys() | compared if expected.get(name) != found.get(name))


def exact_statistic(row: Row, measure: str, *, variance: bool) -> Fraction | None:
    """Return the mean (or, for a measure that keeps squares, the population variance) of a row as an exact fraction."""
    count = row[f"{measure}_count"]
    if not count:
        return None
    mean = Fraction(row[f"{measure}_total"], count)
    return Fraction(row[f"{measure}_squares"], count) - mean**2 if variance else mean


def matches_rounded(rendered: Decimal | int | None, exact: Fraction | None, digits: int) -> bool:
    """Tell whether a rendered number is the exact one, rounded to ``digits`` significant digits."""
    if rendered is None or exact is None:
        return rendered is None and exact is None
    return abs(Fraction(rendered) - exact) <= abs(exact) / Fraction(10) ** (digits - 1)

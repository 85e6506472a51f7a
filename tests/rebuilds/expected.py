"""The rows that a stack must hold after all edits, by DuckDB from the source file, and those that it holds."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.demo.recompute import Recompute
from tailrace.aws.backfill.control import ControlTable
from tailrace.backfill.admission import epoch_key
from tailrace.encoding.dynamodb import decode_item
from tests.rebuilds.edits import DEFINITION

AGGREGATES = ("carrier_hours", "dest_days", "origin_days", "route_months")
_SQL = Path(__file__).with_name("changed.sql")

type Rows = dict[tuple[str, str, str], dict[str, int]]
"""Counters, by aggregate and the two values of its groups."""


def expected_rows(source: Path, days: int) -> tuple[Rows, int]:
    """Return the rows of a file's first days, and the number of changes that these days cause."""
    found: Rows = {}
    with Recompute(source, days) as recompute:
        recompute.connection.execute(_SQL.read_text(encoding="utf-8"))
        for aggregate in AGGREGATES:
            cursor = recompute.connection.execute(f"select * from changed_{aggregate}")  # noqa: S608 - a name of AGGREGATES
            names = [column[0] for column in cursor.description]
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                found[aggregate, row.pop("first"), row.pop("second")] = row
        return found, recompute.changes()


def stored_rows(dynamodb: Any, table: str, folder: Path) -> Rows:
    """Return the rows of the generations that the definition in a copy of the repository names."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    rows = [decode_item(image) for page in pages for image in page["Items"]]
    generations = ControlTable(dynamodb, table).read().generations
    found: Rows = {}
    for aggregate, version in versions(folder).items():
        generation = generations.get((aggregate, version))
        if generation is None:
            continue
        prefix = epoch_key(f"{aggregate}@{version}", generation)
        for row in rows:
            head, _, value = row["pk"].partition("#")
            if head == prefix and row["~n"]:
                found[aggregate, value, row["sk"]] = {
                    name: number for name, number in row.items() if isinstance(number, int)
                }
    return found


def versions(folder: Path) -> Mapping[str, int]:
    """Return the version of each aggregate of a copy's definition."""
    text = (folder / DEFINITION).read_text()
    found = re.findall(r'Aggregate\(\s*"(\w+)",\s*of=flights,(?:\s*version=(\d+),)?', text)
    return {name: int(version or 1) for name, version in found}


def differences(expected: Rows, found: Rows) -> list[str]:
    """Return a line for each row that is missing, additional or different."""
    return [
        f"{' '.join(key)}: expected {expected.get(key)}, found {found.get(key)}"
        for key in sorted(expected.keys() | found.keys())
        if not _equal(expected.get(key), found.get(key))
    ]


def _equal(expected: Mapping[str, int] | None, found: Mapping[str, int] | None) -> bool:
    if expected is None or found is None:
        return False
    return all(found.get(name) == number for name, number in expected.items())

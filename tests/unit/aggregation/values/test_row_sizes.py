"""The most bytes that a row may take, compared with rows whose texts are as long as they may be."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local.in_memory import Database
from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    distinct,
    field,
    first,
    largest,
    maximum,
    mean,
    quantile,
    smallest,
    top,
    variance,
)
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.values.row_sizes import most_row_bytes, size_problem
from tailrace.aws.aggregates.commit import Committer
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.limits import item_bytes
from tailrace.testing import record
from tests.simulation.world.serial_executor import SerialExecutor

orders = Collection("orders", schema={"type": "object"})
_KEYS = 8_000  # of which a row with value rows uses a quarter
NAME = "n" * 240

DEFINITIONS: dict[str, Any] = {
    "ranked": {"best": largest("text", 40, show=["shop", "memo"])},
    "frequent": {"often": top("text", 30), "notes": top("memo", 20)},
    "frequent, shared": {"often": top("text", 30), "few": top("text", 2)},
    "single": {"low": maximum("text"), "kinds": distinct("text"), "p50": quantile("text", 0.5)},
    "of an end": {"opened": first("text", by="at"), "version": first("amount", by_value="text")},
    "numbers": {NAME: count(), f"{NAME}2": mean("amount"), f"{NAME}3": variance("amount"), "s": smallest("amount", 90)},
}
MIXED = {"mixed": {name: one for each in DEFINITIONS.values() for name, one in each.items() if one.kind != "count"}}


@pytest.mark.parametrize("name", [*DEFINITIONS, *MIXED])
def test_no_row_is_larger_and_rows_of_long_texts_are_nearly_as_large(name: str) -> None:
    measures = (DEFINITIONS | MIXED)[name]
    groups = [field("shop"), field("note", name=NAME[:200])]
    aggregate = Aggregate("a", of=orders, by=groups, measures=measures, listed=False)
    database: Any = Database()
    database.create("rows", "pk", "sk")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    committer = Committer(database, "rows", lambda: now, executor=lambda _threads: SerialExecutor(0))
    long = [f"{number:03}{'x' * 900}" for number in range(100)]
    kept = {"shop": "s" * 900, "note": "y" * 900, "at": "2026-01-01T00:00:00Z"}
    items = [kept | {"text": text, "memo": text, "amount": 10**17 + number} for number, text in enumerate(long)]
    records = [record(number, "orders", (str(number), None, one)) for number, one in enumerate(items, 1)]
    folded = fold_records(records, Pipeline([orders], [aggregate]))
    assert committer.commit(folded.rows, Lineage("~1")) == []
    (row,) = [one for one in map(decode_item, database.rows("rows")) if not one["pk"].startswith("~")]
    pk = row.pop("pk")
    size = item_bytes(pk, row)
    assert size <= most_row_bytes(aggregate)
    assert name in ("numbers", "mixed") or size > 0.8 * most_row_bytes(aggregate) - _KEYS


def test_only_unusual_definitions_exceed_what_a_row_may_hold() -> None:
    many = {f"m{number}": top("text", 100) for number in range(3)}
    assert size_problem(Aggregate("a", of=orders, by=[], measures=many)) is None
    named: Any = {f"{number}{NAME}": count() for number in range(180)}
    named["best"] = largest("text", 100, show=[f"a{NAME}", f"b{NAME}"])
    problem = size_problem(Aggregate("a", of=orders, by=[], measures=named))
    assert problem is not None
    assert problem.startswith("aggregate 'a': a row may take up to 410,565 bytes")

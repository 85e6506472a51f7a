"""The benchmarks' peers do the same work: they produce the same rows."""

from collections import Counter, defaultdict
from typing import Any

from benchmarks.changes import MAX_EVENT_BYTES, event, events
from benchmarks.peers import tutorial
from benchmarks.rows import rows
from pipeline.definition import pipeline
from tailrace.encoding.dynamodb import decode_value
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import derive_effect
from tailrace.testing import fold
from tests.unit.benchmarks.samples import SAMPLE_SIZE, valid_changes

type Sums = dict[tuple[str, str], dict[str, Any]]


class AddingTable:
    """A table that applies ADD updates."""

    def __init__(self) -> None:
        self.rows: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def update_item(self, **request: Any) -> None:
        """Add to a row."""
        row = self.rows[request["Key"]["pk"]["S"], request["Key"]["sk"]["S"]]
        for number, name in enumerate(request["ExpressionAttributeNames"].values()):
            row[name] += decode_value(request["ExpressionAttributeValues"][f":{number}"])


def folded() -> Sums:
    changes = (decode_record(record, None) for record in valid_changes())
    found = fold((derive_effect(one, pipeline) for one in changes if isinstance(one, Change)), pipeline)
    return {
        (row.key[0].replace("@1", ""), row.key[1]): dict(zip(row.layout.counters[1:], row.deltas()[1:], strict=True))
        for row in found.rows
    }


def without_zeros(sums: Any) -> Sums:
    kept = {key: {name: value for name, value in row.items() if value} for key, row in sums.items()}
    return {key: row for key, row in kept.items() if row}


def test_the_handwritten_handler_produces_the_rows_of_the_engine() -> None:
    table = AddingTable()
    calls = tutorial.handler({"Records": valid_changes()}, table)
    assert SAMPLE_SIZE * 0.99 < len(valid_changes()) < calls
    same = {"departure_delay_total", "departure_delay_count", "departure_delay_squares"}
    product = {
        # a variance repeats the sums of the same field's mean
        key: {n: v for n, v in row.items() if not n.startswith("departure_delay") or n in same}
        | {"departure_delay_squares": row["departure_delay_variance_squares"]}
        for key, row in folded().items()
    }
    assert without_zeros(table.rows) == without_zeros(product)


def test_the_group_by_of_the_other_engines_produces_the_same_counts() -> None:
    sums: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for record in valid_changes():
        for aggregate, first, second, flights, departures, cancellations, delay, squares in rows(record):
            found = sums[f"{aggregate}#{first}", second]
            found.update(flights=flights, departures=departures, cancellations=cancellations)
            found.update(delay=delay, squares=squares)
    product = {
        key: {
            "flights": row["flights"],
            "departures": row["departures"],
            "cancellations": row["cancellations"],
            "delay": row["departure_delay_total"],
            "squares": row["departure_delay_variance_squares"],
        }
        for key, row in folded().items()
    }
    assert without_zeros(sums) == without_zeros(product)


def test_the_largest_event_just_fits_into_an_invocation() -> None:
    (text,) = events(None, 1)
    assert MAX_EVENT_BYTES * 0.98 < len(text.encode()) <= MAX_EVENT_BYTES
    assert len(event([])) < 1_000

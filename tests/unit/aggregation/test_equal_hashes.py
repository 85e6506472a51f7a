"""Numbers whose hashes are equal, as a sender can choose them, take no longer to count than others."""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tailrace import Aggregate, Collection, Pipeline, count, field, hour, maximum, quantile, total
from tailrace.aggregation.counted_images import CountedImages
from tailrace.aggregation.fold import fold_records
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT, Number
from tailrace.testing import record

ITEMS = Collection("items", schema={"type": "object"})
NUMBERS = 8_000
OTHER, EQUAL = 10**18 + 1, 2**61 - 1
"""Multiples of the second have the same hash."""


def counting(group: Any, each: str | None = None, **measures: Any) -> Pipeline:
    return Pipeline(
        collections=[ITEMS], aggregates=[Aggregate("a", of=ITEMS, by=[group], each=each, measures=measures)]
    )


def seconds(pipeline: Pipeline, items: Sequence[Item]) -> float:
    records = [record(number, "items", (str(number), None, item)) for number, item in enumerate(items, 1)]
    began = time.process_time()
    found = fold_records(records, pipeline, images=CountedImages())
    taken = time.process_time() - began
    assert found.rows
    assert not found.poison
    return taken


def numbered(value: Number) -> Item:
    return {"group": "x", "number": value}


def late(value: Number) -> Item:
    return {"at": EXACT.add(1_700_000_000, EXACT.multiply(value, Decimal("1e-27")))}


CASES: dict[str, tuple[Pipeline, Callable[[Number], Item]]] = {
    "groups": (counting(field("number"), n=count()), numbered),
    "sums": (counting(field("group"), n=total("number")), numbered),
    "extremes": (counting(field("group"), n=maximum("number")), numbered),
    "quantiles": (counting(field("group"), n=quantile("number", 0.5, error=0.01)), numbered),
    "predicates": (counting(field("group"), n=count(where=lambda item: item["number"] > 3)), numbered),
    "times": (counting(hour("at"), n=count()), late),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_with_equal_hashes_are_counted_as_fast_as_others(case: str) -> None:
    pipeline, item = CASES[case]
    others, equal = (
        seconds(pipeline, [item(number * step) for number in range(1, NUMBERS + 1)]) for step in (OTHER, EQUAL)
    )
    assert equal < 3 * others + 1


def test_elements_with_equal_hashes_are_counted_as_fast_as_others() -> None:
    pipeline = counting(field("group"), each="numbers", n=total("numbers"))
    others, equal = (
        seconds(pipeline, [{"group": "x", "numbers": [number * step for number in range(1, NUMBERS + 1)]}])
        for step in (OTHER, EQUAL)
    )
    assert equal < 3 * others + 1

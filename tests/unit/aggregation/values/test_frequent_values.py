"""Candidates for the most frequent values: always the first there are, whatever happens to the others."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, top
from tailrace.aggregation.values import frequent_values
from tailrace.aggregation.values.frequent_values import FrequentValues, frequent_kinds, max_bytes, parse
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.dynamodb import decode_value, encode_value
from tailrace.encoding.sort_keys import encode_sort_key

SHOWN = 2
aggregate = Aggregate(
    "shops",
    of=Collection("orders", schema={"type": "object"}),
    by=[],
    measures={"best": top("kind", SHOWN), "one": top("kind", 1)},
)
(kind,) = frequent_kinds(aggregate).values()


def read(items: Counter[Any]) -> list[ValueCount]:
    """Return value rows in the order in which a table has them."""
    return [ValueCount((value,), items[value]) for value in sorted(items, key=encode_sort_key) if items[value] > 0]


def ranked(items: Counter[Any]) -> list[tuple[int, Any]]:
    """Return the most frequent values by a recount."""
    present = ((-count, encode_sort_key(value), value) for value, count in items.items() if count > 0)
    return [(-negative, value) for negative, _, value in sorted(present)]


def first(found: FrequentValues) -> list[tuple[Any, Any]]:
    """Return those that are shown."""
    return [(-negative, value) for negative, _, value in found.candidates[:SHOWN]]


@pytest.fixture(params=[0, 1, 3])
def reserve(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let rows keep only a few candidates beside those that are shown."""
    size: int = request.param
    monkeypatch.setattr(frequent_values, "reserve_size", lambda _shown: size)
    return size


@pytest.mark.parametrize("size", [0, 1, 3])
@given(batches=st.lists(st.dictionaries(st.integers(0, 9), st.integers(-2, 3), min_size=1, max_size=4), max_size=40))
def test_candidates_are_the_first_of_all_values(size: int, batches: list[dict[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frequent_values, "reserve_size", lambda _shown: size)
        items: Counter[int] = Counter()
        found = FrequentValues()
        for batch in batches:
            items.update(batch)
            merged = found.merged([ValueCount((value,), max(0, items[value])) for value in batch], SHOWN)
            found = FrequentValues.of(read(items), SHOWN) if merged.is_short(SHOWN) else merged
            assert first(found) == ranked(items)[:SHOWN]
            assert found.wrong(read(items)) == 0
            assert len(found.candidates) <= SHOWN + size
            told = found.stored(SHOWN, 1024)
            assert told is not None
            row = {"best": [{"value": value, "count": count} for count, value in ranked(items)[:SHOWN]]}
            found = parse(kind, row, decode_value(encode_value(told[1])))
            assert found == told[0]


def test_a_value_that_surpasses_the_bound_enters_and_raises_it(reserve: int) -> None:
    items = Counter(dict.fromkeys("abcdefgh", 5))
    found = FrequentValues.of(read(items), SHOWN)
    assert len(found.candidates) == SHOWN + reserve
    items["z"] = 6
    merged = found.merged([ValueCount(("z",), 6)], SHOWN)
    assert first(merged)[0] == (6, "z")
    assert merged.bound is not None
    assert found.bound is not None
    assert merged.bound < found.bound  # the smaller rank is the more frequent value
    assert merged.wrong(read(items)) == 0


def test_candidates_that_are_used_up_say_so(reserve: int) -> None:
    items = Counter(dict.fromkeys("abcdefgh", 5))
    found = FrequentValues.of(read(items), SHOWN)
    for gone, value in enumerate("abcde", 1):
        found = found.merged([ValueCount((value,), 0)], SHOWN)
        assert found.is_short(SHOWN) == (gone > reserve)


def test_all_values_of_a_row_need_no_bound() -> None:
    found = FrequentValues.of(read(Counter("abc")), SHOWN)
    assert found.bound is None
    for value in "abc":
        found = found.merged([ValueCount((value,), 0)], SHOWN)
    assert not found.candidates
    assert not found.is_short(SHOWN)


@pytest.mark.parametrize(
    ("items", "wrong"),
    [
        ({"a": 5, "b": 5, "c": 1}, 0),
        ({"a": 5, "b": 4, "c": 1}, 1),  # a candidate's number
        ({"a": 5, "c": 1}, 1),  # a candidate that is gone
        ({"a": 5, "b": 5, "c": 2}, 1),  # a value beyond the bound
        ({"a": 5, "b": 5, "c": 1, "B": 1}, 1),  # another one, first among equals
    ],
)
def test_what_contradicts_the_value_rows_is_wrong(
    items: dict[str, int], wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frequent_values, "reserve_size", lambda _shown: 0)
    found = FrequentValues.of(read(Counter({"a": 5, "b": 5, "c": 1})), SHOWN)
    assert found.wrong(read(Counter(items))) == wrong


def test_a_row_stores_no_more_than_its_bytes() -> None:
    items = Counter({f"{'long' * 20} {number}": 100 - number for number in range(50)})
    found = FrequentValues.of(read(items), SHOWN)
    told = found.stored(SHOWN, 1024)
    assert told is not None
    kept, stored = told
    assert len(str(stored)) < 1024 + 100
    assert SHOWN < len(kept.candidates) < len(found.candidates)
    assert kept.wrong(read(items)) == 0
    nothing_else = found.stored(SHOWN, 110)
    assert nothing_else is not None
    assert nothing_else[1][0] == []
    assert found.stored(SHOWN, 50) is None  # not even the bound: all values are read each time


def test_the_bytes_of_a_row_are_shared() -> None:
    assert max_bytes(1) == 1024
    assert max_bytes(200) * 200 <= 32_768

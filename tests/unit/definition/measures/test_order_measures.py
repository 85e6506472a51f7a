"""Order measures: the entry that an item adds, and the state derived from all entries."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    DefinitionError,
    count,
    distinct,
    field,
    first,
    largest,
    last,
    maximum,
    minimum,
    quantile,
    smallest,
    top,
)
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.value_rows import ValueCount, round_to_bin
from tailrace.encoding.numbers import is_representable
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.errors import InvalidItem
from tests import strategies

things = Collection("things", schema={"type": "object"})


@given(
    strategies.numbers,
    st.sampled_from([Decimal("0.5"), Decimal("0.05"), Decimal("0.01"), Decimal("0.001"), Decimal("1E-9")]),
)
def test_a_rounded_number_is_off_by_at_most_the_error(value: Any, error: Decimal) -> None:
    assert abs(Decimal(round_to_bin(value, error)) - value) <= error * abs(Decimal(value))
    assert round_to_bin(-value, error) == -round_to_bin(value, error)


@pytest.mark.parametrize("error", ["0.5", "0.3", "0.01", "0.001"])
@pytest.mark.parametrize("value", ["9.99E+125", "9E+125", "1E-130", "1.1E-130", "-1E-130", "-9.99E+125"])
def test_rounding_at_the_ends_of_the_range_gives_a_number_that_dynamodb_can_store(value: str, error: str) -> None:
    found = round_to_bin(Decimal(value), Decimal(error))
    assert is_representable(found)
    assert abs(Decimal(found) - Decimal(value)) <= Decimal(error) * abs(Decimal(value))


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_rounding_preserves_order(one: int, other: int) -> None:
    error = Decimal("0.01")
    assert one > other or round_to_bin(one, error) <= round_to_bin(other, error)


def test_rounding_bounds_the_number_of_values() -> None:
    # up to a million, some twenty in each bin
    values = {round(1.001**power) for power in range(13_824)}
    assert len({round_to_bin(value, Decimal("0.01")) for value in values}) < 700


def state(measure: OrderMeasure, values: list[Any]) -> Any:
    """Return a measure's state for these values."""
    counts = [ValueCount((value,), values.count(value)) for value in sorted(set(values), key=encode_sort_key)]
    return measure.state("m", counts).get("m")


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=30), st.integers(0, 100))
def test_a_quantile_is_the_smallest_value_that_enough_values_do_not_exceed(values: list[int], percent: int) -> None:
    found = state(quantile("x", Decimal(percent) / 100), values)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert found == min(values) or sum(value < found for value in values) * 100 < percent * len(values)


def test_every_digit_of_a_fraction_counts() -> None:
    above_a_third = "0.3333333333333333333333333333334"
    assert state(quantile("x", above_a_third), [1, 2, 3]) == 2


@given(st.lists(st.sampled_from(["a", "b", 1, 2, True]), min_size=1, max_size=20), st.integers(1, 4))
def test_top_orders_by_frequency_then_by_value(values: list[Any], most: int) -> None:
    values = [value for value in values if value is not True] or ["a"]
    found = state(top("x", most), values)
    ranked = sorted(set(values), key=lambda value: (-values.count(value), encode_sort_key(value)))[:most]
    assert found == [{"value": value, "count": values.count(value)} for value in ranked]


def test_measures_of_the_same_values_share_value_rows() -> None:
    aggregate = Aggregate(
        "a",
        of=things,
        by=[field("g")],
        measures={"n": count(), "low": minimum("x"), "high": maximum("x"), "p": quantile("x", 0.5), "y": top("y", 1)},
    )
    assert [(rows.name, sorted(rows.measures)) for rows in aggregate.value_rows] == [
        ("high", ["high", "low", "p"]),
        ("high.6", []),
        ("high.8", []),
        ("y", ["y"]),
    ]
    assert aggregate.layout.counters == ("~n", "n")


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, b"x", 10**40 + 1, "s" * 1024, "é" * 512])
def test_a_value_that_no_value_row_can_store_is_rejected(value: Any) -> None:
    with pytest.raises(InvalidItem):
        minimum("x").values.entry({"x": value})


@pytest.mark.parametrize("item", [{}, {"x": None}, {"x": 1}, {"x": 1, "t": None}, {"t": 5}])
def test_an_item_without_a_value_or_a_time_adds_nothing(item: dict[str, Any]) -> None:
    assert first("x", by="t").values.entry(item) is None


def test_times_are_parsed_as_in_time_buckets() -> None:
    entry = last("x", by="t", tz="America/New_York").values.entry
    spellings = ["2013-01-01T05:00:00", "2013-01-01T05:00:00-05:00", "2013-01-01T10:00:00Z", 1_357_034_400]
    found = {entry({"x": 7, "t": time}) for time in spellings}
    assert {(one.labels if one else None) for one in found} == {(7, "2013-01-01T10:00:00.000000Z")}
    with pytest.raises(InvalidItem):
        entry({"x": 7, "t": "noon"})
    with pytest.raises(InvalidItem, match="/t: not a time: .*out of range: the years are 1 to 9999"):
        entry({"x": 7, "t": "9999-12-31T23:00"})  # in UTC, it is of the year 10000


@pytest.mark.parametrize("kind", [first, last])
@pytest.mark.parametrize("options", [{"tz": "Europe/Berlin"}, {"by_unit": "ms"}, {"tz": "Asia/Tokyo", "by_unit": "ns"}])
def test_values_are_no_times_and_have_neither_zone_nor_unit(kind: Any, options: dict[str, str]) -> None:
    """They had no effect, although the caller expected times."""
    with pytest.raises(DefinitionError, match="tz= and by_unit= apply only to by="):
        kind("x", by_value="version", **options)
    assert kind("x", by_value="version", tz="UTC", by_unit="s") == kind("x", by_value="version")
    assert kind("x", by="version", **options) != kind("x", by="version")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: quantile("x", 2),
        lambda: quantile("x", "half"),
        lambda: quantile("x", 0.5, error=0),
        lambda: quantile("x", 0.5, error=0.6),
        lambda: quantile("x", 0.5, error="9.9E-10"),
        lambda: quantile("x", float("nan")),
        lambda: minimum("x", most=3),  # type: ignore[call-arg]
        lambda: first("x", by="t", most=3),  # type: ignore[call-arg]
        lambda: top("x", 3, fraction=0.5),  # type: ignore[call-arg]
        lambda: top("x", 0),
        lambda: top("x", 101),
        lambda: top("x", True),
        lambda: first("x", by="t", tz="Nowhere/Land"),
        lambda: Aggregate("a", of=things, by=[field("g")], measures={"m": minimum("x")}, lanes=2),
        lambda: Aggregate("a", of=things, by=[field("g")], measures={"n": count()}, lanes=0),
        lambda: Aggregate("a", of=things, by=[field("g")], measures={f"m{n}": top("x", 76) for n in range(4)}),
        lambda: Aggregate("a", of=things, by=[field("m_at")], measures={"m": first("x", by="t")}),
    ],
)
def test_a_mistake_in_the_definition_is_an_error_with_an_explanation(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r".{20}"):
        wrong()


def test_distinct_counts_equal_numbers_once() -> None:
    assert distinct("x").values.entry({"x": Decimal("1.50")}) == distinct("x").values.entry({"x": Decimal("1.5")})


SHOWN = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "\0", "a", "a\0b", "a\1", "é" * 300])
)


def counted(measure: OrderMeasure, items: list[dict[str, Any]]) -> list[ValueCount]:
    """Return the value rows of these items, in key order."""
    entries = [entry for item in items if (entry := measure.values.entry(item)) is not None]
    labels = {entry.sort_key: entry.labels for entry in entries}
    keys = [entry.sort_key for entry in entries]
    return [ValueCount(labels[key], keys.count(key)) for key in sorted(labels, key=str.encode)]


def rank(value: Any) -> tuple[int, Any]:
    """Order values as the definition says: none, booleans, numbers, strings."""
    return (0, 0) if value is None else (1 if isinstance(value, bool) else 2 if isinstance(value, int) else 3, value)


@given(
    st.lists(st.fixed_dictionaries({"x": st.integers(-3, 3)}, optional={"s": SHOWN, "t": SHOWN}), max_size=12),
    st.integers(1, 5),
)
def test_ranked_lists_order_by_value_then_by_the_shown_fields(items: list[dict[str, Any]], most: int) -> None:
    entries = [{"value": item["x"], "s": item.get("s"), "t": item.get("t")} for item in items]
    entries.sort(key=lambda entry: tuple(map(rank, entry.values())))
    low, high = smallest("x", most, show=["s", "t"]), largest("x", most, show=["s", "t"])
    assert low.state("m", counted(low, items)).get("m", []) == entries[:most]
    assert high.state("m", counted(high, items)).get("m", []) == entries[::-1][:most]
    assert all(len(count.labels[1]) == 2 for count in counted(low, items))


def test_values_with_long_shown_texts_have_distinct_keys_of_a_legal_length() -> None:
    entry = largest("x", 3, show=["s", "t"]).values.entry
    texts = ["é" * 500, "é" * 500 + "a", "é" * 512]
    keys = [found.sort_key for s in texts for t in texts if (found := entry({"x": 1, "s": s, "t": t})) is not None]
    assert len(set(keys)) == 9
    assert all(len(key.encode()) <= 1024 for key in keys)
    assert keys == sorted(keys, key=lambda key: key[:400])


def test_a_shown_text_that_a_row_cannot_hold_says_so() -> None:
    with pytest.raises(InvalidItem, match="1025 bytes"):
        largest("x", 3, show=["s"]).values.entry({"x": 1, "s": "a" * 1025})
    with pytest.raises(InvalidItem, match="type list"):
        largest("x", 3, show=["s"]).values.entry({"x": 1, "s": [1]})


def test_first_and_last_order_by_numbers_and_texts() -> None:
    items: list[dict[str, Any]] = [
        {"x": "b", "v": 2},
        {"x": "a", "v": Decimal("10.5")},
        {"x": "z"},
        {"x": "c", "v": -1},
        {"v": 99},
    ]
    end, start = last("x", by_value="v"), first("x", by_value="v")
    assert end.state("m", counted(end, items)) == {"m": "a", "m_by": Decimal("10.5")}
    assert start.state("m", counted(start, items)) == {"m": "c", "m_by": -1}
    assert end.render("m", {"m": "a", "m_by": 3}) == {"value": "a", "by": 3}
    texts: list[dict[str, Any]] = [{"x": 1, "v": "2.9"}, {"x": 2, "v": "2.10"}]
    assert end.state("m", counted(end, texts)) == {"m": 1, "m_by": "2.9"}


def test_lists_without_shown_fields_share_the_value_rows_of_the_extremes() -> None:
    measures = {
        "low": minimum("x"),
        "five": largest("x", 5),
        "two": smallest("x", 2),
        "bids": largest("x", 2, show=["y"]),
    }
    aggregate = Aggregate("a", of=things, by=[field("g")], measures=measures)
    shared = {rows.name: dict(rows.value_ranges) for rows in aggregate.value_rows}
    assert shared == {"bids": {"high": 2}, "five": {"high": 5, "low": 2}}


def test_entries_have_their_members_in_the_order_of_the_definition_however_the_table_returns_them() -> None:
    bids = largest("price", 2, show=["url", "bidder"])
    stored = {"bids": [{"bidder": "ada", "url": None, "value": 5}, {"url": "u", "value": 4, "bidder": "bob"}]}
    assert [list(entry.items()) for entry in bids.render("bids", stored)] == [
        [("value", 5), ("url", None), ("bidder", "ada")],
        [("value", 4), ("url", "u"), ("bidder", "bob")],
    ]
    assert bids.render("bids", {}) == []


def test_without_values_a_list_is_empty_a_count_is_0_and_nothing_else_is_there() -> None:
    measures = distinct("x"), top("x", 2), smallest("x", 1), minimum("x"), quantile("x", "0.5"), first("x", by="at")
    assert [measure.render("m", {}) for measure in measures] == [0, [], [], None, None, None]


def test_lists_and_orders_read_nested_fields() -> None:
    item = {"price": {"amount": 5}, "seller": {"name": "ada"}, "meta": {"version": 3}}
    bids = largest("price.amount", 2, show=["seller.name"])
    assert bids.state("m", counted(bids, [item])) == {"m": [{"value": 5, "name": "ada"}]}
    newest = last("seller.name", by_value="meta.version")
    assert newest.state("m", counted(newest, [item])) == {"m": "ada", "m_by": 3}
    with pytest.raises(InvalidItem) as raised:
        bids.values.entry(item | {"seller": {"name": []}})
    assert [violation.pointer for violation in raised.value.violations] == ["/seller/name"]

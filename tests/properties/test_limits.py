"""The limits of items: the quick check accepts nothing that the full one rejects."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding import limits
from tailrace.errors import InvalidItem
from tests import strategies

texts = st.one_of(
    strategies.awkward_texts, st.sampled_from(["\ud800", "é" * 600, "x" * 2_049, "pk", "expires_at", "~etag"])
)
numbers = st.one_of(
    strategies.numbers,
    st.sampled_from(
        [10**38, 10**38 - 1, -(10**38), Decimal("1E-130"), Decimal("1E-131"), Decimal("NaN"), Decimal("1.5E+126")]
    ),
    st.decimals(),
)
values = st.one_of(st.none(), st.booleans(), texts, numbers, strategies.values, st.floats(), st.just("x" * 410_000))


@given(texts, st.dictionaries(texts, values, max_size=5))
def test_the_quick_check_accepts_nothing_that_the_full_one_rejects(pk: str, item: dict[str, Any]) -> None:
    if limits._is_plain(pk, item):
        assert not [*limits._key_violations(pk), *limits._field_violations(item)]
        assert limits._size(item) + len("pk") + len(pk.encode()) <= limits.MAX_ITEM_BYTES


@given(st.dictionaries(strategies.awkward_texts, strategies.values, max_size=5))
def test_the_least_size_is_no_more_than_the_size(item: dict[str, Any]) -> None:
    assert limits._least_size(item) <= limits.item_bytes("", item)


@pytest.mark.parametrize("value", [[0] * 500_000, [[[0.5]]] * 50_000, {str(n): {"": n} for n in range(120_000)}])
def test_an_item_of_far_too_many_values_is_refused_without_a_look_at_each(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_field_violations", pytest.fail)
    with pytest.raises(InvalidItem) as raised:
        limits.check_item("orders#1", {"v": value})
    assert [violation.keyword for violation in raised.value.violations] == ["size"]


@pytest.mark.parametrize(("count", "reported"), [(10_000, 10_000), (10_001, 1), (100_000, 1)])
def test_a_report_of_very_many_violations_has_only_the_first(count: int, reported: int) -> None:
    """Deep in maps with long names, a line of 1 MiB made a report of more than a gigabyte."""
    value: Any = [Decimal("1E+999")] * count
    for _ in range(30):
        value = {"n" * 100: value}
    with pytest.raises(InvalidItem) as raised:
        limits.check_item("orders#1", {"v": value})
    violations = raised.value.violations
    assert len(violations) == reported
    assert violations[0].pointer.endswith("/0")
    assert {violation.keyword for violation in violations} == {"range"}
    assert all(len(violation.pointer) <= 503 for violation in violations)


@given(st.dictionaries(st.text("abc", min_size=1), st.text("xyzé", max_size=20) | st.integers(-99, 99) | st.none()))
def test_most_items_need_no_full_check(item: dict[str, Any]) -> None:
    assert limits._is_plain("orders#1", item)

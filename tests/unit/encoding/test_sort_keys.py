"""Sort keys of value rows compare as the values do."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding.sort_keys import encode_sort_key
from tests import strategies

comparable = st.one_of(st.booleans(), strategies.numbers, strategies.texts)


def rank(value: Any) -> tuple[int, Any]:
    """Return a key that orders values as value rows do: booleans, numbers, strings by code point."""
    return (0, value) if isinstance(value, bool) else (2, value) if isinstance(value, str) else (1, value)


@given(comparable, comparable)
def test_sort_keys_compare_as_values_do(one: Any, other: Any) -> None:
    assert (encode_sort_key(one).encode() < encode_sort_key(other).encode()) == (rank(one) < rank(other))
    assert (encode_sort_key(one) == encode_sort_key(other)) == (rank(one) == rank(other))


@given(st.lists(strategies.numbers, min_size=2, max_size=6))
def test_sort_keys_sort_numbers_of_any_size(numbers: list[Any]) -> None:
    extremes = [*numbers, Decimal("9.9E125"), Decimal("-9.9E125"), Decimal("1E-130"), Decimal("-1E-130"), 0]
    assert sorted(extremes, key=encode_sort_key) == sorted(extremes)

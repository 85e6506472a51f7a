"""Hypothesis strategies shared by several test modules."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tailrace.encoding.numbers import canonical_number

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
awkward_texts = st.one_of(texts, st.sampled_from(["", "#", "~", "a#b", "%23", "~set", "€", "\ufffe", "\x00", "9"]))

numbers = st.one_of(
    st.integers(-(10**37), 10**37),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9).map(
        canonical_number
    ),
    st.sampled_from([0, -1, Decimal("0.1"), 10**30, Decimal("-1e-30")]),
)

sets = st.one_of(
    st.sets(texts, min_size=1, max_size=3),
    st.sets(numbers, min_size=1, max_size=3),
    st.sets(st.binary(max_size=5), min_size=1, max_size=3),
)

values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), awkward_texts, numbers, st.binary(max_size=8), sets),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(awkward_texts, inner, max_size=3)),
    max_leaves=8,
)
"""Every value that DynamoDB can store as an attribute."""

orders: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "shop": st.sampled_from(["a", "b#1", "c%23"]),
        "placed": st.sampled_from(["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-03-10"]),
    },
    optional={
        "amount": st.one_of(st.none(), st.decimals(places=2, min_value=0, max_value=500).map(canonical_number)),
        "paid": st.booleans(),
        "lines": st.integers(0, 14),
    },
)
"""Orders for ``tests.pipelines.orders``, most of them valid (the transform raises for ``lines`` of 13)."""

"""Cache keys: the values of the fields that decide how an item counts, equal for items that count alike."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from types import NoneType
from typing import Any

from tailrace.encoding.json_types import Item

type FieldValues = tuple[Any, ...]
type CacheKey = tuple[FieldValues, FieldValues]
"""The values of the group fields, and those of all other fields that a measure or predicate reads."""

_MISSING = object()
"""Stands for a field that an item lacks: a predicate can tell a missing field from null."""

_UNAMBIGUOUS_TYPES = frozenset([str, int, NoneType, object])
"""Types whose values differ whenever they count differently. 1 equals True; 1.5 equals 1.50, which prints otherwise."""


def cache_key_function(groups: tuple[str, ...], others: Iterable[str]) -> Callable[[Item], CacheKey]:
    """Return a function from an item to its cache key, for these group fields and other fields.

    The function raises TypeError for an item with a value that cannot be told apart reliably, such as a list.
    """
    rest = tuple(others)

    def cache_key(item: Item) -> CacheKey:
        first = tuple([item.get(name, _MISSING) for name in groups])
        second = tuple([item.get(name, _MISSING) for name in rest])
        if _UNAMBIGUOUS_TYPES.issuperset(map(type, first + second)):
            return first, second
        return tuple(map(_distinguishable, first)), tuple(map(_distinguishable, second))

    return cache_key


def _distinguishable(value: Any) -> Any:
    kind = type(value)
    if kind in _UNAMBIGUOUS_TYPES:
        return value
    if kind in (bool, Decimal):
        return kind, str(value)
    raise TypeError

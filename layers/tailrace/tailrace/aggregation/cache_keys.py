"""Cache keys: the values of the fields that determine an item's contributions."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from types import NoneType
from typing import Any

from tailrace.encoding.json_types import Item

type FieldValues = tuple[Any, ...]
type CacheKey = tuple[FieldValues, FieldValues]
"""The values of the group fields, and of the other fields that measures and predicates read."""

_MISSING = object()
"""Marks a missing field, since predicates can distinguish missing from null."""

_UNAMBIGUOUS_TYPES = frozenset([str, int, NoneType, object])
"""Types whose equal values always count alike. Not so bool (1 == True) and Decimal (1.5 == 1.50, which prints
differently)."""


def cache_key_function(groups: tuple[str, ...], others: Iterable[str]) -> Callable[[Item], CacheKey]:
    """Return a function from an item to its cache key, given the group fields and the other fields.

    That function raises TypeError if a value, such as a list, cannot be part of a key.
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

"""Cache keys: the values of the fields that determine an item's contributions."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

from tailrace.definition.fields.paths import field_path
from tailrace.encoding.json_types import Item

type Steps = tuple[str, ...]
type FieldValues = tuple[Any, ...]
type CacheKey = tuple[FieldValues, FieldValues]
"""The values of the group fields, and of the other fields that measures and predicates read."""

_MISSING = object()
"""Marks a missing field, since predicates can distinguish missing from null."""

_UNAMBIGUOUS_TYPES = frozenset([str, int, NoneType, object])
"""Types whose equal values always count alike. Not so bool (1 == True) and Decimal (1.5 == 1.50, which prints
differently)."""


def cache_key_function(groups: tuple[str, ...], others: Iterable[str]) -> Callable[[Item], CacheKey]:
    """Return a function from an item to its cache key, given the paths of the group fields and of the other fields.

    That function raises TypeError if a value, such as a list, cannot be part of a key.
    """
    paths, other_paths = ([field_path(source).steps for source in sources] for sources in (groups, others))
    if any(len(steps) > 1 for steps in paths + other_paths):
        return _nested_key_function(paths, other_paths)
    groups, rest = (tuple(name for (name,) in names) for names in (paths, other_paths))

    def cache_key(item: Item) -> CacheKey:
        first = tuple([item.get(name, _MISSING) for name in groups])
        second = tuple([item.get(name, _MISSING) for name in rest])
        if _UNAMBIGUOUS_TYPES.issuperset(map(type, first + second)):
            return first, second
        return tuple(map(_distinguishable, first)), tuple(map(_distinguishable, second))

    return cache_key


def _nested_key_function(groups: Sequence[Steps], others: Sequence[Steps]) -> Callable[[Item], CacheKey]:
    read_groups, read_others = [_reader(steps) for steps in groups], [_reader(steps) for steps in others]

    def cache_key(item: Item) -> CacheKey:
        first = tuple([read(item) for read in read_groups])
        second = tuple([read(item) for read in read_others])
        if _UNAMBIGUOUS_TYPES.issuperset(map(type, first + second)):
            return first, second
        return tuple(map(_distinguishable, first)), tuple(map(_distinguishable, second))

    return cache_key


def _reader(steps: Steps) -> Callable[[Item], Any]:
    """Return a function from an item to the value of a field, or a mark of where its path ends."""
    first, *rest = steps
    if not rest:
        return lambda item: item.get(first, _MISSING)
    # predicates can distinguish where a path ends, and whether the step there is missing or null
    marked = [(step, object(), object()) for step in rest]

    def read(item: Item) -> Any:
        value = item.get(first, _MISSING)
        for step, missing, null in marked:
            if type(value) is dict:
                value = value.get(step, _MISSING)
            elif value is _MISSING:
                return missing
            elif value is None:
                return null
            else:  # a predicate may distinguish such values
                raise TypeError
        return value

    return read


def _distinguishable(value: Any) -> Any:
    kind = type(value)
    if kind in _UNAMBIGUOUS_TYPES:
        return value
    if kind in (bool, Decimal):
        return kind, str(value)
    raise TypeError

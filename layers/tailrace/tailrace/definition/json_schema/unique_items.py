"""``uniqueItems`` in linear time.

``jsonschema-rs`` compares long numbers pair by pair: 800 decimals of 30 digits take twenty seconds, and an item has
room for ten thousand.
"""

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any

_SMALL = 2**60
"""Integers below it hash as themselves; others can be chosen so that their hashes collide."""
_MAX_EXPANDED_EXPONENT = 400


class UniqueItems:
    """The keyword, in the form of a custom keyword of ``jsonschema-rs``."""

    def __init__(self, _schema: Any, value: Any, _path: Sequence[Any]) -> None:
        self._is_wanted = value is True

    def validate(self, instance: Any) -> None:
        """Check that all elements of an array are different, as JSON Schema compares them.

        Raises:
            ValueError: two are equal; the message says which.
        """
        if not self._is_wanted or not isinstance(instance, list | tuple):
            return
        if _is_simple(instance) and len(set(instance)) == len(instance):
            return
        places: dict[Hashable, int] = {}
        for place, element in enumerate(instance):
            first = places.setdefault(unique_key(element), place)
            if first != place:
                raise ValueError(f"elements {first + 1} and {place + 1} are equal")


def _is_simple(elements: Sequence[Any]) -> bool:
    """Tell whether elements are texts only, or short integers only."""
    kinds = set(map(type, elements))
    return kinds == {str} or (kinds == {int} and min(elements) > -_SMALL and max(elements) < _SMALL)


def unique_key(value: Any) -> Hashable:
    """Return a key that is equal for equal values only: 1 equals 1.0, and true equals neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return (value,)
    if isinstance(value, list | tuple):
        return ("array", *map(unique_key, value))
    if isinstance(value, dict):
        return ("object", frozenset((name, unique_key(inner)) for name, inner in value.items()))
    return _number_key(value)


def _number_key(value: Any) -> Hashable:
    if isinstance(value, int) and -_SMALL < value < _SMALL:
        return int(value)
    sign, digits, exponent = Decimal(value if isinstance(value, int | Decimal) else repr(value)).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return 0
    shown = text.rstrip("0")
    power = int(exponent) + len(text) - len(shown)
    if 0 <= power <= _MAX_EXPANDED_EXPONENT:
        whole = int(shown) * 10**power * (-1 if sign else 1)
        if -_SMALL < whole < _SMALL:
            return int(whole)
    return ("number", sign, shown, power)

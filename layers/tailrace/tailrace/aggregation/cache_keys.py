"""What a version of an item says in the fields that count: equal readings for versions that count alike.

Two readers: of the stream's images, for a collection that takes every item as it is, so that nothing else of the image
is looked at; and of items, where a schema or a transform has to see all of it first.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import NoneType
from typing import Any

from tailrace.definition.measures import Item
from tailrace.encoding.dynamodb import decode_value

type ItemVersion = Mapping[str, Any]
"""A version of an item: its image in the stream, or the item itself, valid and transformed."""

type FieldValues = tuple[Any, ...]
type CacheKey = tuple[FieldValues, FieldValues]
"""What a version says in the fields of the groups, and in the others."""

_SCALARS = frozenset(["S", "N", "BOOL", "NULL"])
_MISSING = object()
"""What a field says that is not there: a predicate may tell that from null."""

_UNAMBIGUOUS_TYPES = frozenset([str, int, NoneType, object])
"""Types of which no two values are equal and yet different, as 1 is to True, or 1.5 to 1.50 when they are printed."""


class ImageKeys:
    """Reads images of the stream.

    Attributes:
        key_functions: to read a version; if one raises anything, the next one may know better.
    """

    def __init__(self, groups: tuple[str, ...], others: Mapping[str, str]) -> None:
        """Take the fields of the groups, and the others with the type that each is likely to have."""
        self._groups = groups
        self._others = others
        self._types: Mapping[str, str] = {}
        self.key_functions: tuple[Callable[[ItemVersion], CacheKey], ...] = (self._learn_types, self._typed_key)

    def _learn_types(self, image: ItemVersion) -> CacheKey:
        """Learn from the first image that comes which types its fields have; the change's other one is read alike."""
        if self._types:
            return self.key_functions[0](image)
        types = dict.fromkeys(self._groups, "S") | dict(self._others)
        seen = {name: next(iter(image[name])) for name in types if name in image}
        self._types = types | {name: type_tag for name, type_tag in seen.items() if type_tag != "NULL"}
        compiled = _compile_lookup(self._groups, self._others, self._types)
        self.key_functions = (compiled, self._typed_key)
        return compiled(image)

    def _typed_key(self, image: ItemVersion) -> CacheKey:
        """Read an image that lacks a field, or has one of another type than most: its type is part of the answer."""
        return self._typed_values(image, self._groups), self._typed_values(image, self._others)

    def _typed_values(self, image: ItemVersion, names: Iterable[str]) -> FieldValues:
        found: list[Any] = []
        for name in names:
            value = image.get(name)
            if value is None:
                found.append(None)
            else:
                ((type_tag, text),) = value.items()
                if type_tag not in _SCALARS:
                    raise TypeError(type_tag)
                found.append(text if type_tag == self._types[name] else (type_tag, text))
        return tuple(found)

    def item(self, image: ItemVersion) -> Item:
        """Return the part of the item that counts."""
        return {name: decode_value(image[name]) for name in (*self._groups, *self._others) if name in image}


def _compile_lookup(
    groups: Iterable[str], others: Iterable[str], types: Mapping[str, str]
) -> Callable[[ItemVersion], CacheKey]:
    """Return what looks up ``image["carrier"]["S"]`` and so on, written out: a loop would take twice the time."""
    first = "".join(f"image[{name!r}][{types[name]!r}], " for name in groups)
    second = "".join(f"image.get({name!r}, missing)[{types[name]!r}], " for name in others)
    missing = dict.fromkeys(_SCALARS)
    lookup: Callable[[ItemVersion], CacheKey]
    lookup = eval(f"lambda image: (({first}), ({second}))", {"missing": missing})  # noqa: S307 - literals of names only
    return lookup


class ItemKeys:
    """Reads items; ``key_functions`` as in :class:`ImageKeys`."""

    def __init__(self, groups: tuple[str, ...], others: Iterable[str]) -> None:
        self._groups = groups
        self._others = tuple(others)
        self.key_functions: tuple[Callable[[ItemVersion], CacheKey], ...] = (self._key_of,)

    def _key_of(self, item: ItemVersion) -> CacheKey:
        groups = tuple([item.get(name, _MISSING) for name in self._groups])
        others = tuple([item.get(name, _MISSING) for name in self._others])
        if _UNAMBIGUOUS_TYPES.issuperset(map(type, groups + others)):
            return groups, others
        return tuple(map(_distinguishable, groups)), tuple(map(_distinguishable, others))

    @staticmethod
    def item(item: ItemVersion) -> Item:
        """Return the item, as it is."""
        return item  # type: ignore[return-value]


def _distinguishable(value: Any) -> Any:
    type_tag = type(value)
    if type_tag in _UNAMBIGUOUS_TYPES:
        return value
    if type_tag in (bool, Decimal):
        return type_tag, str(value)
    raise TypeError

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

type Source = Mapping[str, Any]
"""A version of an item: its image in the stream, or the item itself, valid and transformed."""

type Texts = tuple[Any, ...]
type Reading = tuple[Texts, Texts]
"""What a version says in the fields of the groups, and in the others."""

_SCALARS = frozenset(["S", "N", "BOOL", "NULL"])
_MISSING = object()
"""What a field says that is not there: a predicate may tell that from null."""

_DISTINCT = frozenset([str, int, NoneType, object])
"""Types of which no two values are equal and yet different, as 1 is to True, or 1.5 to 1.50 when they are printed."""


class Images:
    """Reads images of the stream.

    Attributes:
        ways: to read a version; if one raises anything, the next one may know better.
    """

    def __init__(self, groups: tuple[str, ...], others: Mapping[str, str]) -> None:
        """Take the fields of the groups, and the others with the type that each is likely to have."""
        self._groups = groups
        self._others = others
        self._kinds: Mapping[str, str] = {}
        self.ways: tuple[Callable[[Source], Reading], ...] = (self._first, self._closely)

    def _first(self, image: Source) -> Reading:
        """Learn from the first image that comes which types its fields have; the change's other one is read alike."""
        if self._kinds:
            return self.ways[0](image)
        kinds = dict.fromkeys(self._groups, "S") | dict(self._others)
        seen = {name: next(iter(image[name])) for name in kinds if name in image}
        self._kinds = kinds | {name: kind for name, kind in seen.items() if kind != "NULL"}
        quick = _lookups(self._groups, self._others, self._kinds)
        self.ways = (quick, self._closely)
        return quick(image)

    def _closely(self, image: Source) -> Reading:
        """Read an image that lacks a field, or has one of another type than most: its type is part of the answer."""
        return self._told_apart(image, self._groups), self._told_apart(image, self._others)

    def _told_apart(self, image: Source, names: Iterable[str]) -> Texts:
        found: list[Any] = []
        for name in names:
            value = image.get(name)
            if value is None:
                found.append(None)
            else:
                ((kind, text),) = value.items()
                if kind not in _SCALARS:
                    raise TypeError(kind)
                found.append(text if kind == self._kinds[name] else (kind, text))
        return tuple(found)

    def item(self, image: Source) -> Item:
        """Return the part of the item that counts."""
        return {name: decode_value(image[name]) for name in (*self._groups, *self._others) if name in image}


def _lookups(groups: Iterable[str], others: Iterable[str], kinds: Mapping[str, str]) -> Callable[[Source], Reading]:
    """Return what looks up ``image["carrier"]["S"]`` and so on, written out: a loop would take twice the time."""
    first = "".join(f"image[{name!r}][{kinds[name]!r}], " for name in groups)
    second = "".join(f"image.get({name!r}, missing)[{kinds[name]!r}], " for name in others)
    missing = dict.fromkeys(_SCALARS)
    read: Callable[[Source], Reading]
    read = eval(f"lambda image: (({first}), ({second}))", {"missing": missing})  # noqa: S307 - literals of names only
    return read


class Items:
    """Reads items; ``ways`` as in :class:`Images`."""

    def __init__(self, groups: tuple[str, ...], others: Iterable[str]) -> None:
        self._groups = groups
        self._others = tuple(others)
        self.ways: tuple[Callable[[Source], Reading], ...] = (self._read,)

    def _read(self, item: Source) -> Reading:
        groups = tuple([item.get(name, _MISSING) for name in self._groups])
        others = tuple([item.get(name, _MISSING) for name in self._others])
        if _DISTINCT.issuperset(map(type, groups + others)):
            return groups, others
        return tuple(map(_told_apart, groups)), tuple(map(_told_apart, others))

    @staticmethod
    def item(item: Source) -> Item:
        """Return the item, as it is."""
        return item  # type: ignore[return-value]


def _told_apart(value: Any) -> Any:
    kind = type(value)
    if kind in _DISTINCT:
        return value
    if kind in (bool, Decimal):
        return kind, str(value)
    raise TypeError

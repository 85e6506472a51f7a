"""From a sample of items to changes: inserts, updates and deletions, in memory for a bounded number of items."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random

from msgspec import Struct, field

from tailrace.encoding.json_types import Item

type Step = tuple[str, Item | None, Item | None]
"""A change: the item's id, the item before and after."""

_MAX_KNOWN = 50_000
_MAX_KNOWN_BYTES = 64 * 1024 * 1024
_TRIES = 5


class Shares(Struct, frozen=True):
    """The shares of changes that are made up: updates and deletions of items that the sample has."""

    updates: float = 0
    deletes: float = 0


class _Known(Struct):
    """The items that are in the table, as far as they are remembered: the last ones, in a ring."""

    ids: list[str] = field(default_factory=list)
    items: dict[str, tuple[Item, int]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    size: int = 0
    oldest: int = 0

    def put(self, item_id: str, item: Item, size: int) -> None:
        if item_id in self.items:
            self.size -= self.items[item_id][1]
        else:
            while self.ids and (len(self.ids) >= _MAX_KNOWN or self.size + size > _MAX_KNOWN_BYTES):
                self.oldest %= len(self.ids)
                self.remove(self.ids[self.oldest])
                self.oldest += 1
            self.places[item_id] = len(self.ids)
            self.ids.append(item_id)
        self.items[item_id] = item, size
        self.size += size

    def remove(self, item_id: str) -> Item:
        item, size = self.items.pop(item_id)
        place, last = self.places.pop(item_id), self.ids.pop()
        if last != item_id:
            self.ids[place], self.places[last] = last, place
        self.size -= size
        return item


class Changes(Struct):
    """Turns lines into changes. A line whose id is in the table is an update of that item; others are inserts.

    Attributes:
        fixed: fields that an update that is made up leaves as they are: those of keys and groups.
        accepts: whether an item is valid.
        unvaried: updates that could not be made up, since no valid variation was found.
        without_item: changes that could not be made up, since every item was deleted already.
    """

    shares: Shares
    fixed: frozenset[str]
    accepts: Callable[[Item], bool]
    random: Random
    unvaried: int = 0
    without_item: int = 0
    _known: _Known = field(default_factory=_Known)

    def steps(self, lines: Iterable[tuple[str, Item, int]]) -> Iterator[Step]:
        """Yield the changes of lines ``(id, item, size)``, with updates and deletions among them in their shares."""
        made_up = self.shares.updates + self.shares.deletes
        for item_id, item, size in lines:
            old = self._known.items.get(item_id, (None,))[0]
            if old != item:
                self._known.put(item_id, item, size)
                yield item_id, old, item
            while made_up and self.random.random() < made_up:
                step = self._made_up()
                if step is not None:
                    yield step

    def _made_up(self) -> Step | None:
        known, pick = self._known, self.random.choice
        if not known.ids:
            self.without_item += 1
            return None
        item_id = pick(known.ids)
        if self.random.random() * (self.shares.updates + self.shares.deletes) < self.shares.deletes:
            return item_id, known.remove(item_id), None
        old, size = known.items[item_id]
        for _ in range(_TRIES):
            new = varied(old, known.items[pick(known.ids)][0], self.fixed)
            if new != old and self.accepts(new):
                known.put(item_id, new, size)
                return item_id, old, new
        self.unvaried += 1
        return None


def varied(item: Item, other: Mapping[str, object], fixed: frozenset[str]) -> Item:
    """Return an item with the fields of another one, except those that are fixed."""
    kept = {name: value for name, value in item.items() if name in fixed}
    return kept | {name: value for name, value in other.items() if name not in fixed}


def group_fields(items: Sequence[Item], rows: Callable[[Item], object]) -> frozenset[str]:
    """Return the fields that decide to which rows an item belongs: swapping one of them changes its rows.

    ``rows`` returns the rows of an item, None if it is invalid.
    """
    found: set[str] = set()
    for item, other in pairwise(items):
        before = rows(item)
        for name in other.keys() - found:
            after = rows({**item, name: other[name]}) if item.get(name) != other[name] else before
            if after is not None and after != before:
                found.add(name)
    return frozenset(found)

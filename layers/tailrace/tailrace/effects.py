"""What a change means to everything downstream: the item before and after, as far as each was valid.

The pipeline sees valid, transformed items only. An item that breaks its rules is, for the archive, the routes and
the aggregates, an item that is not there; so a change from valid to invalid takes the item out, and the mending of it
brings it in again. Both readers of the stream derive this by themselves, from the images alone.
"""

from dataclasses import dataclass

from tailrace.changes import Change
from tailrace.collection import Collection
from tailrace.definitions import Pipeline
from tailrace.errors import InvalidItem, NotFound, Violation
from tailrace.measures import Item


@dataclass(frozen=True, slots=True)
class Effect:
    """A change with its valid, transformed items; ``rejected`` says why the new image was refused, if it was."""

    change: Change
    old: Item | None
    new: Item | None
    rejected: InvalidItem | None

    @property
    def kind(self) -> str | None:
        """Return inserted, modified, removed or expired; None where nothing valid was there before or after."""
        if self.old is None:
            return None if self.new is None else "inserted"
        if self.new is not None:
            return "modified"
        return "expired" if self.change.expired else "removed"


def effect_of(change: Change, pipeline: Pipeline) -> Effect:
    """Validate and transform both images of a change. Nothing is raised for bad items: see ``rejected``."""
    try:
        collection = pipeline.collection(change.collection)
    except NotFound as error:
        unknown = InvalidItem([Violation("", "collection", str(error))])
        return Effect(change, None, None, None if change.new is None else unknown)
    old = _prepared(collection, change.old)
    new = _prepared(collection, change.new)
    rejected = new if isinstance(new, InvalidItem) else None
    return Effect(change, old if isinstance(old, dict) else None, new if isinstance(new, dict) else None, rejected)


def _prepared(collection: Collection, item: Item | None) -> Item | InvalidItem | None:
    if item is None:
        return None
    try:
        return collection.prepare(item)
    except InvalidItem as error:
        return error

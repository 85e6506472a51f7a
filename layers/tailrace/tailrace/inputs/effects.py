"""Effects: the item before and after a change, each validated and transformed.

Archive, routes and aggregates see only valid, transformed items; to them an invalid item does not exist. A change from
valid to invalid therefore removes the item, and its correction inserts it again. Both readers of the stream derive the
effect independently, from the images alone.
"""

from dataclasses import dataclass

from tailrace.definition.collection import Collection
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import Change


@dataclass(slots=True)
class Version:
    """One version of an item: transformed, or the reason why it is invalid; both None if there is no item."""

    item: Item | None
    rejection: InvalidItem | None


ABSENT = Version(None, None)


@dataclass(slots=True)
class Effect:
    """A change with both versions of its item; ``collection`` is None if the definition has none of this name."""

    change: Change
    before: Version
    after: Version
    collection: Collection | None

    @property
    def old(self) -> Item | None:
        """The item before the change, transformed; None if absent or invalid."""
        return self.before.item

    @property
    def new(self) -> Item | None:
        """The item after the change, transformed; None if absent or invalid."""
        return self.after.item

    @property
    def rejection(self) -> InvalidItem | None:
        """Why the new version is invalid, if it is."""
        return self.after.rejection

    @property
    def kind(self) -> str | None:
        """``inserted``, ``modified``, ``removed`` or ``expired``; None if neither version is a valid item."""
        if self.old is None:
            return None if self.new is None else "inserted"
        if self.new is not None:
            return "modified"
        return "expired" if self.change.expired else "removed"


def derive_effect(change: Change, pipeline: Pipeline) -> Effect:
    """Validate and transform both versions of a change. Invalid items do not raise; see :attr:`Effect.rejection`."""
    collection = pipeline.collections_by_name.get(change.collection)
    if collection is None:
        names = ", ".join(pipeline.collections_by_name)
        text = f"no collection is named {change.collection!r}; defined: {names or 'none'}"
        unknown = None if change.new is None else InvalidItem([Violation("", "collection", text)])
        return Effect(change, ABSENT, Version(None, unknown), None)
    return Effect(
        change, _validated_version(collection, change.old), _validated_version(collection, change.new), collection
    )


def _validated_version(collection: Collection, fields: Item | None) -> Version:
    if fields is None:
        return ABSENT
    try:
        return Version(collection.prepare(fields), None)
    except InvalidItem as error:
        return Version(None, error)

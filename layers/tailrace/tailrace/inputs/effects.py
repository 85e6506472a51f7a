"""Effects: the item before and after a change, each validated and transformed.

Archive, routes and aggregates see only valid, transformed items; to them an invalid item does not exist. A change from
valid to invalid therefore removes the item, and its correction inserts it again. Both readers of the stream derive the
effect independently, from the images alone.
"""

from msgspec import Struct

from tailrace.definition.collection import Collection
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import Change


class Version(Struct):
    """One version of an item: transformed, or the reason why it is invalid; both None if there is no item."""

    item: Item | None
    rejection: InvalidItem | None


ABSENT = Version(None, None)


class Effect(Struct):
    """A change with both versions of its item; ``collection`` is None if the definition has none with this name."""

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
    def kind(self) -> str | None:
        """The kind of the change, as :func:`change_kind` returns it."""
        return change_kind(self.old is not None, self.new is not None, expired=self.change.expired)


def change_kind(before: bool, after: bool, *, expired: bool) -> str | None:
    """Return ``inserted``, ``modified``, ``removed`` or ``expired``; None if there is no valid item before or after."""
    if not before:
        return "inserted" if after else None
    if after:
        return "modified"
    return "expired" if expired else "removed"


def derive_effect(change: Change, pipeline: Pipeline) -> Effect:
    """Validate and transform both versions of a change. Invalid items do not raise; see :attr:`Version.rejection`."""
    collection = pipeline.collections_by_name.get(change.collection)
    if collection is None:
        unknown = None if change.new is None else unknown_collection(change.collection, pipeline)
        return Effect(change, ABSENT, Version(None, unknown), None)
    return Effect(
        change, validated_version(collection, change.old), validated_version(collection, change.new), collection
    )


def unknown_collection(name: str, pipeline: Pipeline) -> InvalidItem:
    """Return the reason why an item of an undefined collection is invalid."""
    names = ", ".join(pipeline.collections_by_name)
    return InvalidItem([Violation("", "collection", f"no collection is named {name!r}; defined: {names or 'none'}")])


def validated_version(collection: Collection, fields: Item | None) -> Version:
    """Validate and transform one version of an item."""
    if fields is None:
        return ABSENT
    try:
        return Version(collection.prepare(fields), None)
    except InvalidItem as error:
        return Version(None, error.without_frames())

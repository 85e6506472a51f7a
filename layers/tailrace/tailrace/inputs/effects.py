"""What a change means to everything downstream: the item before and after, as far as each was valid.

The pipeline sees valid, transformed items only. An item that breaks its rules is, for the archive, the routes and
the aggregates, an item that is not there; so a change from valid to invalid takes the item out, and the mending of it
brings it in again. Both readers of the stream derive this by themselves, from the images alone.
"""

from dataclasses import dataclass

from tailrace.definition.collection import Collection
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import Change


@dataclass(slots=True)
class Version:
    """One version of an item: valid and transformed, or why it is not; None for both where there is no item."""

    item: Item | None
    rejection: InvalidItem | None


ABSENT = Version(None, None)


@dataclass(slots=True)
class Effect:
    """A change with both versions of its item; ``collection`` is None where there is none of its name."""

    change: Change
    before: Version
    after: Version
    collection: Collection | None

    @property
    def old(self) -> Item | None:
        """The item before the change, valid and transformed."""
        return self.before.item

    @property
    def new(self) -> Item | None:
        """The item after the change, valid and transformed."""
        return self.after.item

    @property
    def rejection(self) -> InvalidItem | None:
        """Why the new image was refused, if it was."""
        return self.after.rejection

    @property
    def kind(self) -> str | None:
        """Return inserted, modified, removed or expired; None where nothing valid was there before or after."""
        if self.old is None:
            return None if self.new is None else "inserted"
        if self.new is not None:
            return "modified"
        return "expired" if self.change.expired else "removed"


def derive_effect(change: Change, pipeline: Pipeline) -> Effect:
    """Validate and transform both images of a change. Nothing is raised for bad items: see ``rejection``."""
    collection = pipeline.collections_by_name.get(change.collection)
    if collection is None:
        names = ", ".join(pipeline.collections_by_name)
        text = f"there is no collection {change.collection!r}; there are: {names or 'none'}"
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

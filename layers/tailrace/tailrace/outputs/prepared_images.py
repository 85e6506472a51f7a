"""Prepared images: what fanout needs of each image of an item, kept for as long as the next change may need it.

The new image of one change is the old image of the item's next one. Whatever is remembered here is a function of the
image, so an image that equals a remembered one need not be decoded, validated, transformed and serialized again.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from tailrace.definition.collection import Collection
from tailrace.definition.failures import FAILURES, describe_failure
from tailrace.definition.pipeline import Pipeline, Route
from tailrace.encoding.dynamodb import Image
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps
from tailrace.encoding.text import utf8_size
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import decode_fields
from tailrace.inputs.effects import validated_version
from tailrace.inputs.newest_images import NewestImages

ABSENT_TEXT = "null"

_TOO_LONG = "the transformed item takes more than 20 MB as JSON, so no event can hold it"

MAX_ITEM_TEXT_BYTES = 20_000_000
"""The longest JSON of an item in an event. An item of 400 KB takes less, even if all of it are numbers such as 1E+125,
which need three bytes in the table and 126 digits here; a transform may return more."""

_NESTING = frozenset([dict, list])

_MAX_IMAGES = 20_000
_MAX_CHARACTERS = 8_000_000
"""Bounds of what is remembered: images, and characters of their JSON. In memory, an image takes ten to thirty times as
much as its JSON: 100 to 200 MB at most."""


class PreparedItem(NamedTuple):
    """A valid, transformed item: its JSON, and whether each route of its collection matches, or why that failed."""

    item: Item
    text: str
    matches: tuple[bool | InvalidItem, ...]


class DecodedImage(Struct):
    """An image of a stream record, its fields, and what was prepared of them, once it was."""

    image: Image
    fields: Item
    prepared: PreparedItem | InvalidItem | None = None

    def has_order_of(self, image: Image) -> bool:
        """Tell whether an equal image has its members in the same order, which is the order in the item's JSON.

        Without this, an event's text would depend on what the process happens to remember.
        """
        if _NESTING.isdisjoint(map(type, self.fields.values())):
            return list(self.image) == list(image)
        return repr(self.image) == repr(image)


class PreparedImages:
    """Decodes and prepares images for one pipeline, and remembers the newest of each item within its bounds."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.routes: dict[str, list[Route]] = {
            name: [route for route in pipeline.routes if route.of.name == name] for name in pipeline.collections_by_name
        }
        self._newest = NewestImages[DecodedImage](_MAX_IMAGES, _MAX_CHARACTERS)

    def decode(self, key: str, image: Image, read: Callable[[Image], Item] = decode_fields) -> DecodedImage:
        """Decode an image of the item with this key, unless it is remembered.

        Raises:
            InvalidMessage: as ``read``.
        """
        known = self._newest.get(key)
        if known is not None and known.image == image and known.has_order_of(image):
            return known
        return DecodedImage(image, read(image))

    def prepare(self, collection: Collection, decoded: DecodedImage) -> PreparedItem | InvalidItem:
        """Validate, transform and serialize an item, unless that was done before."""
        if decoded.prepared is None:
            version = validated_version(collection, decoded.fields)
            if version.item is None:
                decoded.prepared = version.rejection or InvalidItem([])
            else:
                text = dumps(version.item)  # before a route's predicate sees the item
                if utf8_size(text) > MAX_ITEM_TEXT_BYTES:
                    decoded.prepared = InvalidItem([Violation("", "transform", _TOO_LONG)])
                    return decoded.prepared
                matches = tuple([route_matches(route, version.item) for route in self.routes[collection.name]])
                decoded.prepared = PreparedItem(version.item, text, matches)
        return decoded.prepared

    def remember(self, key: str, decoded: DecodedImage) -> None:
        """Remember an item's newest image, if it is valid."""
        if not isinstance(decoded.prepared, PreparedItem):
            return
        self._newest.put(key, decoded, len(decoded.prepared.text))


def route_matches(route: Route, item: Item) -> bool | InvalidItem:
    """Return whether an item satisfies a route's predicate, or why the predicate failed."""
    try:
        return bool(route.when(item))
    except FAILURES as error:  # a user's predicate may raise anything; other routes are not affected
        return InvalidItem([Violation("", "when", f"route {route.name!r}: {describe_failure(error, route.when)}")])

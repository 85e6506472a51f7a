"""Counted images: what each image of an item contributes, kept for as long as the item's next change may need it.

The new image of one change is the old image of the item's next one. Contributions are a function of the image, so an
image that equals a remembered one need not be decoded, validated, transformed and evaluated again.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from tailrace.aggregation.contributions import Contributions
from tailrace.aggregation.evaluator import Evaluator
from tailrace.encoding.dynamodb import Image
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem
from tailrace.inputs.newest_images import NewestImages

_MAX_IMAGES = 40_000
_MAX_BYTES = 16_000_000
"""Bounds of what is remembered: images, and bytes of their JSON."""

_ENCODER = msgspec.json.Encoder()


class CountedImage(Struct):
    """An image of a stream record: its JSON, its fields until they are counted, and then what they contribute."""

    key: str
    text: bytes
    fields: Item
    contributions: Contributions | None = None

    def count(self, evaluator: Evaluator) -> Contributions:
        """Validate, transform and evaluate the item, unless that was done before; an invalid one adds nothing."""
        if self.contributions is None:
            try:
                self.contributions = evaluator.contributions(evaluator.collection.prepare(self.fields, keep=False))
            except InvalidItem:
                self.contributions = evaluator.no_contributions
        return self.contributions


class CountedImages:
    """Decodes images, and remembers the newest of each item within its bounds; with a bound of 0, it remembers none."""

    def __init__(self, max_images: int = _MAX_IMAGES) -> None:
        self._newest = NewestImages[CountedImage](max_images, _MAX_BYTES) if max_images else None

    def decode(self, key: str, image: Image, read: Callable[[Image], Item]) -> CountedImage:
        """Decode an image of the item with this key, unless it is remembered.

        Raises:
            InvalidMessage: as ``read``.
        """
        if self._newest is None:
            return CountedImage(key, b"", read(image))
        text = _text(image)
        known = self._newest.get(key)
        return known if known is not None and known.text == text else CountedImage(key, text, read(image))

    def remember(self, counted: CountedImage) -> None:
        """Remember an item's newest image, if every aggregate can count it."""
        found = counted.contributions
        if self._newest is not None and counted.text and found is not None and InvalidItem not in map(type, found[1]):
            counted.fields = {}
            self._newest.put(counted.key, counted, len(counted.text))


def _text(image: Image) -> bytes:
    """Return the JSON of an image, with its attributes in their order; empty if there is none."""
    try:
        return _ENCODER.encode(image)
    except (TypeError, ValueError, RecursionError):
        return b""

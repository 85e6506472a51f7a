"""What an entrance adds to an item that comes in: the time at which it did, and when it may be deleted."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tailrace.definition.collection import Collection
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem


def stamp_of(milliseconds: int) -> str:
    """Return a time given in milliseconds since 1970, in RFC 3339."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def completed(collection: Collection, item: Item, expires_at: Any, stamp: str) -> tuple[Item, Any]:
    """Return an item with its received-at stamp and its expiry, as far as the collection has and the item lacks them.

    A field that cannot be read as a time makes no expiry here; validation refuses the item.
    """
    received = collection.received_field
    if received is not None and item.get(received) is None:
        item = item | {received: stamp}
    if expires_at is None and collection.lifetime is not None:
        with suppress(InvalidItem):
            expires_at = collection.lifetime.expires_at(item)
    return item, expires_at


def expiry_after(collection: Collection, before: Item, expires_at: Any, after: Item) -> Any:
    """Return the expiry of an item after a change: computed again, unless another one was given for it.

    Raises:
        InvalidItem: the field that it is counted from is not a time.
    """
    if collection.lifetime is None:
        return expires_at
    computed = None
    with suppress(InvalidItem):
        computed = collection.lifetime.expires_at(before)
    return collection.lifetime.expires_at(after) if expires_at in (None, computed) else expires_at

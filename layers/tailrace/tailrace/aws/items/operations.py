"""Operations of intake messages on the items table, and what an item is like after them."""

from contextlib import suppress

from msgspec.structs import replace

from tailrace.aws.items.rows import StoredItem, arriving
from tailrace.aws.items.store import ItemStore
from tailrace.definition.collection import Collection
from tailrace.errors import InvalidItem, NotFound, PreconditionFailed
from tailrace.http.merge_patch import merge_patch
from tailrace.http.preconditions import parse_states
from tailrace.inputs.ids import made_id
from tailrace.inputs.messages import Operation
from tailrace.inputs.received_items import expiry_after


def apply_operation(items: ItemStore, requested: Operation, stamp: str) -> None:
    """Apply an operation; if its precondition fails although the item is already as requested, do nothing.

    So a conditional message that is delivered twice has one effect. ``stamp`` is the time at which the message was
    sent, the same at each delivery.

    Raises:
        PreconditionFailed: the precondition does not hold.
        TailraceError: as :class:`ItemStore`.
    """
    operation = _arriving(items, requested, stamp)
    preconditions = parse_states(operation.if_match, operation.if_absent)
    try:
        match operation.op:
            case "put":
                body, expires_at = operation.body, operation.expires_at
                items.put(operation.collection, operation.id, body, expires_at, preconditions)
            case "patch":
                items.patch(operation.collection, operation.id, operation.body, preconditions)
            case "delete":
                items.delete(operation.collection, operation.id, preconditions)
    except PreconditionFailed:
        collection = items.pipeline.collection(operation.collection)
        if not is_applied(operation, _current_item(items, operation), collection):
            raise


def _arriving(items: ItemStore, operation: Operation, stamp: str) -> Operation:
    """Return an operation with what the collection makes: the id of an item to put, its stamp and its expiry."""
    if operation.op != "put":
        return operation
    collection = items.pipeline.collection(operation.collection)
    item_id = operation.id or made_id(operation.body, collection.id_columns)
    given = StoredItem(operation.body, operation.expires_at)
    stored = arriving(items.pipeline, operation.collection, item_id, given, stamp)
    # with all that is stored, so that a repeated message recognizes it
    return replace(operation, id=item_id, body=stored.item, expires_at=stored.expires_at)


def is_applied(operation: Operation, current: StoredItem | None, collection: Collection | None = None) -> bool:
    """Return whether an operation would leave an item as it is; ``current`` is None if there is no item.

    ``collection`` is that of :func:`item_after`.
    """
    after = item_after(operation, current, collection)
    if current is None or after is None:
        return current is after and operation.op == "delete"
    return after.etag == current.etag


def item_after(
    operation: Operation, current: StoredItem | None, collection: Collection | None = None
) -> StoredItem | None:
    """Return the item after an operation, without checking it; None if there is none.

    ``collection`` says what a patch cannot remove, and how it moves the item's expiry; without one, the expiry stays.
    """
    match operation.op:
        case "put":
            return StoredItem(operation.body, operation.expires_at)
        case "patch" if current is not None:
            merged, expires_at = merge_patch(current.item, operation.body), current.expires_at
            if collection is not None:
                merged = collection.keys.completed(operation.id, merged)
                with suppress(InvalidItem):  # it will be refused
                    expires_at = expiry_after(collection, current.item, expires_at, merged)
            return StoredItem(merged, expires_at)
    return None


def _current_item(items: ItemStore, operation: Operation) -> StoredItem | None:
    try:
        return items.get(operation.collection, operation.id)
    except NotFound:
        return None

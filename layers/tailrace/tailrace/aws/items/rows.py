"""Rows of the items table: an item's key and attributes to its row and back."""

from typing import Any

from msgspec import Struct

from tailrace.aws.items.conditions import MAX_COMPARED_FIELDS, MAX_LISTED_FIELDS
from tailrace.definition.item_keys import PLAIN_ATTRIBUTE, PLAIN_TTL, CollectionKey
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.digests import entity_tag, item_digest
from tailrace.encoding.dynamodb import DIGEST, REPLICATION, decode_item, encode_item
from tailrace.encoding.json_types import Item, Row
from tailrace.encoding.keys import item_key, split_item_key
from tailrace.encoding.limits import check_item
from tailrace.encoding.text import json_pointer
from tailrace.encoding.times import MAX_EPOCH_SECOND
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.received_items import completed

_ANY_DIGEST = {DIGEST: item_digest({})}  # all have the same length


class StoredItem(Struct, frozen=True):
    """An item as the table stores it: its fields, and its expiry, if any.

    ``expires_at`` is in whole seconds since 1970, unless another writer stored something else.
    """

    item: Item
    expires_at: Any = None

    @property
    def etag(self) -> str:
        """The item's strong entity tag, a function of its content alone."""
        return entity_tag(item_digest(self.item, self.expires_at))


def arriving(pipeline: Pipeline, collection: str, item_id: str, stored: StoredItem, stamp: str) -> StoredItem:
    """Return an item as it comes in at the time ``stamp``, with all that its id and its collection give it.

    Raises:
        NotFound: the collection does not exist.
        InvalidMessage: the id is invalid.
    """
    known = pipeline.collection(collection)
    item = known.keys.completed(item_id, stored.item)
    return StoredItem(*completed(known, item, stored.expires_at, stamp))


def validated_row(
    pipeline: Pipeline, collection: str, item_id: str, stored: StoredItem, expiry_name: str = PLAIN_TTL
) -> dict[str, Any]:
    """Check an item and return its row in DynamoDB's JSON.

    The transform runs as well, so that an item that could not be counted later is rejected here. ``expiry_name`` is the
    name under which the expiry was given.

    Raises:
        NotFound: the collection does not exist.
        InvalidMessage: the id is invalid.
        InvalidItem: the item breaks its schema, its transform or the table's limits.
    """
    known = pipeline.collection(collection)
    keys = known.keys
    key = key_attributes(keys, item_id)
    item = keys.completed(item_id, stored.item)
    fields = {name: value for name, value in item.items() if name not in keys.fields}
    has_open_schema = listed_fields(pipeline, collection) is None
    beside = dict(key)
    if stored.expires_at is not None:
        beside[keys.ttl] = MAX_EPOCH_SECOND
    if has_open_schema:
        beside |= _ANY_DIGEST
    check_item(_key_text(key), fields, keys.reserved, beside)
    row = keys.row(item_id, item)
    known.prepare(item)
    if known.lifetime is not None:
        known.lifetime.expires_at(item)  # raises if its field is not a time
    expiry = {} if stored.expires_at is None else {keys.ttl: _epoch_seconds(stored.expires_at, expiry_name)}
    digest = {DIGEST: item_digest(item, stored.expires_at)} if has_open_schema else {}
    return encode_item(row | expiry | digest)


def key_attributes(keys: CollectionKey, item_id: str) -> Item:
    """Return the key attributes of an item.

    Raises:
        InvalidMessage: no item of the collection can have this id.
        InvalidItem: the table cannot store the key.
    """
    if keys.is_plain:
        pk = item_key(keys.collection, item_id)
        split_item_key(pk)
        check_item(pk, {})
        return {PLAIN_ATTRIBUTE: pk}
    return keys.key_of(item_id)


def _key_text(key: Item) -> str:
    return next((value for value in key.values() if isinstance(value, str)), "")


def listed_fields(pipeline: Pipeline, collection: str) -> frozenset[str] | None:
    """Return the names of all fields that an item can have; None if the schema allows others, or names too many."""
    names = pipeline.collection(collection).compiled.allowed_fields
    return None if names is None or len(names) > MAX_LISTED_FIELDS else names


def absent_attributes(pipeline: Pipeline, collection: str, row: Row, after: Row) -> set[str]:
    """Return the attributes that a row must still lack to be as it was read: all that it may have been given since.

    ``row`` is what was read, ``after`` what is written. If the schema allows fields that it does not list, those that
    it names are included, as far as one condition can hold them.
    """
    known = pipeline.collection(collection)
    keys, listed = known.keys, listed_fields(pipeline, collection)
    absent = {*after, keys.ttl, *((DIGEST,) if listed is None else listed)}
    if listed is None:
        own = {*keys.reserved, *keys.attributes}
        room = min(MAX_COMPARED_FIELDS - len({*row, *after} - own), MAX_LISTED_FIELDS - len(after.keys() - row.keys()))
        named = sorted(known.compiled.named_fields - own - row.keys() - after.keys())
        absent.update(named[: max(room, 0)])
    return absent - keys.fields.keys() - row.keys()


def _epoch_seconds(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_EPOCH_SECOND:
        text = "not a whole number of seconds since 1970"
        raise InvalidItem([Violation(json_pointer(name), "expires_at", text)])
    return value


PLAIN = CollectionKey("any")
"""The keys of collections without ``key=``, whatever their name."""


def stored_item(row: Row, keys: CollectionKey | None = None) -> StoredItem:
    """Return the item of a row; ``keys`` are those of its collection, if they may not be plain."""
    attributes = decode_item(row)
    known = keys or PLAIN
    identity = None if known.is_plain else known.identity(attributes)
    expires_at = attributes.pop(known.ttl, None)
    hidden = {DIGEST, *REPLICATION, *known.attributes}
    in_key = {} if identity is None else identity.fields
    fields = {name: value for name, value in attributes.items() if name not in hidden and name not in in_key}
    return StoredItem(in_key | fields, expires_at)

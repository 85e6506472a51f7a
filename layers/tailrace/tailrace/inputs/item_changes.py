"""Changes of items, as a pipeline's keys read them from stream records.

A table with keys of its own may hold other items, and an item may pass from one collection to another, which is a
removal there and an insertion here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from msgspec import Struct

from tailrace.definition.item_keys import PLAIN_TTL, Identity, ItemKeys
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import Image
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import is_item_key
from tailrace.encoding.numbers import parse_number
from tailrace.errors import InvalidMessage
from tailrace.inputs.changes import (
    UNREADABLE,
    Change,
    Decode,
    StreamPosition,
    UnreadableRecord,
    decode_fields,
    decode_image,
    decode_record,
    is_ttl_deletion,
    position_of,
    read_record,
)

MOVED = ":moved"
"""Ends the event id of the removal where an item passes from one collection to another; the insertion has the plain
one."""


UNMATCHED = "no collection matches the item's key and attributes"


class UnmatchedItem(Struct, frozen=True):
    """A record whose new item no collection matches, in a table that may hold others."""


type Reading[Fields] = Sequence[Change[Fields] | UnreadableRecord | UnmatchedItem]


def decoded_changes(
    records: Iterable[Mapping[str, Any]], pipeline: Pipeline, shard: str | None = None
) -> Iterator[Change]:
    """Yield the changes in stream records, in order; records that are not changes are skipped.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    if pipeline.keys is None and not pipeline.keeping:
        for record in records:
            change = decode_record(record, shard)
            if isinstance(change, Change):
                yield change
        return
    for record in records:
        for found in changes_of(record, shard, position_of(record), pipeline, decode_image):
            if isinstance(found, Change):
                yield found


def changes_of[Fields](
    record: Mapping[str, Any],
    shard: str | None,
    position: StreamPosition,
    pipeline: Pipeline,
    decode: Decode[Fields],
) -> Reading[Fields]:
    """Read one stream record: a change in most cases, two if the item passes from one collection to another."""
    if pipeline.keys is not None:
        return _own_changes(record, shard, position, pipeline.keys, pipeline, decode)
    change = read_record(record, shard, position, decode)
    if isinstance(change, Change) and change.new is None and is_expiry(record, change.collection, pipeline):
        change = change._replace(expired=True)
    return (change,)


def expired_collections(
    records: Iterable[Mapping[str, Any]], pipeline: Pipeline, others: AbstractSet[str] = frozenset()
) -> set[str]:
    """Return the collections whose items have expired, by stream records, whether they keep them or not.

    Items of ``others``, which earlier definitions had, cannot always be told from one another.
    """
    ttl = PLAIN_TTL if pipeline.keys is None else pipeline.keys.ttl
    gone = (one for one in records if one["dynamodb"].get("OldImage") and "NewImage" not in one["dynamodb"])
    expired = (one["dynamodb"]["OldImage"] for one in gone if is_ttl_deletion(one) or _has_ended(one, ttl))
    found: set[str] = set()
    for image in expired:
        name = stored_key(image, pipeline).partition("#")[0]
        found |= {name} if name in pipeline.collections_by_name else _undefined(image, pipeline, others)
    return found


def _undefined(image: Image, pipeline: Pipeline, others: AbstractSet[str]) -> set[str]:
    """Return the collections, of those that the definition has no more, which an item of none of its own may be of."""
    missing = others - pipeline.collections_by_name.keys()
    plain = str(image.get("pk", {}).get("S", "")).partition("#")[0]
    return {plain} if plain in missing else {*missing}


def stored_key(image: Image, pipeline: Pipeline) -> str:
    """Return the key of the item in a row, ``<collection>#<id>`` whatever the table's keys; empty if there is none."""
    if pipeline.keys is None:
        key = str(image.get("pk", {}).get("S", ""))
        return key if is_item_key(key) else ""
    identity = _identify(pipeline.keys, image, image)
    return identity.key if isinstance(identity, Identity) else ""


def stored_fields(image: Image, pipeline: Pipeline) -> Item:
    """Return the fields of the item in a row.

    Raises:
        InvalidMessage: no collection matches it, or as :func:`tailrace.encoding.dynamodb.decode_value`.
    """
    if pipeline.keys is None:
        return decode_fields(image)
    identity = pipeline.keys.identify(image, image)
    if identity is None:
        raise InvalidMessage(UNMATCHED)
    return pipeline.keys.decode(identity, image)


def _own_changes[Fields](  # noqa: PLR0913, PLR0917 - what it works on
    record: Mapping[str, Any],
    shard: str | None,
    position: StreamPosition,
    keys: ItemKeys,
    pipeline: Pipeline,
    decode: Decode[Fields],
) -> Reading[Fields]:
    event_id = str(record.get("eventID", position.sequence))
    found: list[Change[Fields] | UnreadableRecord | UnmatchedItem] = []
    try:
        body = record["dynamodb"]
        old_image, new_image = body.get("OldImage"), body.get("NewImage")
        keys.check_attributes(body["Keys"])
        before, after = (_identify(keys, body["Keys"], image) for image in (old_image, new_image))
        for identity in dict.fromkeys(one.address for one in (before, after) if isinstance(one, Identity)):
            is_old, is_new = (isinstance(one, Identity) and one.address == identity for one in (before, after))
            found.append(
                Change(
                    event_id if is_new or not isinstance(after, Identity) else f"{event_id}{MOVED}",
                    str(record.get("eventSourceARN", "")),
                    shard,
                    *position,
                    *identity,
                    _decoded(keys, before, old_image, decode) if is_old else None,
                    _decoded(keys, after, new_image, decode) if is_new else None,
                    new_image is None and is_expiry(record, identity[0], pipeline),
                )
            )
    except UNREADABLE as error:
        return (UnreadableRecord(event_id, *position, record, str(error) or type(error).__name__),)
    if isinstance(after, str):
        found.append(UnreadableRecord(event_id, *position, record, after))
    elif after is None and new_image is not None:
        found.append(UnreadableRecord(event_id, *position, record, UNMATCHED) if keys.strict else UnmatchedItem())
    return found


def _identify(keys: ItemKeys, key: Image, image: Image | None) -> Identity | str | None:
    """Return which item an image is; None if no collection matches it, or why several do.

    It is a function of the image alone, so that what a version adds is what its successor takes back.
    """
    if image is None:
        return None
    try:
        return keys.identify(key, image)
    except InvalidMessage as error:
        return str(error)


def _decoded[Fields](keys: ItemKeys, identity: Identity | str | None, image: Image, decode: Decode[Fields]) -> Fields:
    if not isinstance(identity, Identity):
        raise TypeError("only an identified image is decoded")
    return decode(identity.key, image, partial(keys.decode, identity))


def is_expiry(record: Mapping[str, Any], collection: str, pipeline: Pipeline) -> bool:
    """Tell whether the deletion of an item of a collection is its expiry."""
    ttl = PLAIN_TTL if pipeline.keys is None else pipeline.keys.ttl
    return is_ttl_deletion(record) or (collection in pipeline.keeping and _has_ended(record, ttl))


def _has_ended(record: Mapping[str, Any], ttl: str) -> bool:
    """Tell whether a deleted item's end had passed.

    A global table does not say that a deletion in another region was made by TTL.
    """
    body = record["dynamodb"]
    try:
        end = parse_number(body["OldImage"][ttl]["N"])
        return bool(end <= int(body["ApproximateCreationDateTime"]))
    except (KeyError, TypeError, ValueError, InvalidMessage):
        return False

"""The items table: every item is checked before it is written, through whichever entrance it arrives."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.items.conditions import (
    OF_ANOTHER,
    Condition,
    existence,
    merge_parameters,
    not_of_another,
    unchanged_since,
    update_parameters,
)
from tailrace.aws.items.rows import StoredItem, absent_attributes, key_attributes, stored_item, validated_row
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.aws.runtime.trace_logs import log_written
from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.digests import item_digest
from tailrace.encoding.dynamodb import DIGEST, encode_item, encode_value
from tailrace.encoding.json_types import Item, Row
from tailrace.encoding.limits import check_item
from tailrace.errors import Conflict, InvalidItem, NotFound, PreconditionFailed, TailraceError, Violation, WritesOff
from tailrace.http.merge_patch import merge_patch
from tailrace.http.preconditions import UNCONDITIONAL, Preconditions
from tailrace.inputs.received_items import expiry_after

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_VALIDATION_ERROR = "ValidationException"
_MAX_ATTEMPTS = 5


def translate_item_error(error: ClientError | BotoCoreError) -> TailraceError:
    """Translate the error of a write: a validation error of the table means that the item is invalid.

    :func:`tailrace.encoding.limits.check_item` reports every known reason before the write; this covers the others.
    """
    if isinstance(error, ClientError) and error.response["Error"]["Code"] == _VALIDATION_ERROR:
        reason = f"the table rejects the item: {error.response['Error'].get('Message', '')}"
        return InvalidItem([Violation("", "table", reason)])
    return translate(error)


class ItemStore(Struct, frozen=True):
    """The items table.

    Besides the errors that it names, every method raises Transient (retry later), Permanent (the table rejects the
    request), NotFound (no such collection) and InvalidMessage (the id is invalid).

    A conditional write raises PreconditionFailed if a condition does not hold, and Conflict if other writers keep
    changing the item. It reads the item, and writes on condition that the item is unchanged since.
    """

    client: "DynamoDBClient"
    table: str
    pipeline: Pipeline
    is_writable: bool = True

    def require_writes(self) -> None:
        """Refuse to continue where the write entrances are off; ``api`` and ``ingest`` ask before they read or write.

        Raises:
            WritesOff: they are.
        """
        if not self.is_writable:
            raise WritesOff

    def put(
        self,
        collection: str,
        item_id: str,
        item: Item,
        expires_at: int | None = None,
        preconditions: Preconditions = UNCONDITIONAL,
    ) -> bool:
        """Store a whole item; return True if it is new.

        Raises:
            InvalidItem: with every violation.
        """
        row = validated_row(self.pipeline, collection, item_id, StoredItem(item, expires_at))
        request = {"TableName": self.table, "Item": row, "ReturnValues": "ALL_OLD"}
        response = self._write(self.client.put_item, request, collection, item_id, preconditions)
        log_written([row])
        return not response.get("Attributes")

    def get(self, collection: str, item_id: str) -> StoredItem:
        """Read an item, strongly consistent.

        Raises:
            NotFound: it does not exist.
        """
        return self._stored(collection, self._require_row(collection, item_id))

    def delete(self, collection: str, item_id: str, preconditions: Preconditions = UNCONDITIONAL) -> bool:
        """Delete an item; return True if it existed."""
        key = self._key(collection, item_id)
        request = {"TableName": self.table, "Key": key, "ReturnValues": "ALL_OLD"}
        response = self._write(self.client.delete_item, request, collection, item_id, preconditions)
        log_written([key], deleted=True)
        return bool(response.get("Attributes"))

    def patch(
        self, collection: str, item_id: str, patch: Item, preconditions: Preconditions = UNCONDITIONAL
    ) -> StoredItem:
        """Apply a JSON merge patch (RFC 7396) to an item and return the whole resulting item.

        Only changed fields are written, and only if every field still has the value that was read: no update is lost,
        and writers with a plain SDK need no version attribute.

        Raises:
            InvalidItem: the merged item is invalid (nothing is written), or it has too many fields to compare.
            NotFound: the item does not exist.
            Conflict: other writers kept changing the item.
        """
        # reject values that no item can hold before merging
        check_item("", patch, self._keys(collection).reserved)
        perhaps_written: Row | None = None
        for _ in range(_MAX_ATTEMPTS):
            row = self._require_row(collection, item_id)
            before = self._stored(collection, row)
            if perhaps_written is not None and self._is_same(collection, perhaps_written, row):
                return before
            preconditions.require(before.etag)
            after = self._merged(collection, item_id, row, before, patch)
            change = update_parameters(row, after)
            if not change:
                return before
            request = {"TableName": self.table, "Key": self._key(collection, item_id), "ReturnValues": "ALL_NEW"}
            condition = self._unchanged_condition(collection, row, after)
            response = _call_if(self.client.update_item, merge_parameters(request, change, condition.parameters()))
            if not isinstance(response, Unmet):
                log_written([response["Attributes"]])
                return self._stored(collection, response["Attributes"])
            perhaps_written = after if response.repeated else None
        raise _conflict(collection, item_id)

    def _merged(self, collection: str, item_id: str, row: Row, before: StoredItem, patch: Item) -> Row:
        """Return the row with the patch merged in; untouched fields keep their exact representation."""
        # as in a whole item that is put, what the key and the collection give is never missing
        merged = self._keys(collection).completed(item_id, merge_patch(before.item, patch))
        expires_at = before.expires_at
        with suppress(InvalidItem):  # the check of the whole item reports it
            expires_at = expiry_after(self.pipeline.collection(collection), before.item, expires_at, merged)
        room = None if expires_at is None else 0  # another writer's expiry may be anything: only its room counts
        checked = validated_row(self.pipeline, collection, item_id, StoredItem(merged, room))
        kept, in_key, ttl = encode_item(before.item), self._keys(collection).fields, self._keys(collection).ttl
        names = [name for name in merged if name not in in_key]
        fields = {name: row[name] if checked[name] == kept.get(name) else checked[name] for name in names}
        known = [name for name in before.item if name not in in_key]
        others = {name: value for name, value in row.items() if name not in known}
        if expires_at != before.expires_at:
            others.pop(ttl, None)
            others |= encode_item({ttl: expires_at} if expires_at is not None else {})
        changed = expires_at != before.expires_at or fields != {name: row[name] for name in known}
        if DIGEST in checked and changed:
            others[DIGEST] = encode_value(item_digest(merged, expires_at))
        return others | fields

    def _write(
        self,
        write: Callable[..., Any],
        request: dict[str, Any],
        collection: str,
        item_id: str,
        preconditions: Preconditions,
    ) -> Any:
        if not preconditions:
            return self._write_own(write, request, collection)
        if preconditions.requires_absence:  # a condition expression suffices, without a read
            absence = existence(self._keys(collection).hash_attribute, exists=False)
            response = _call_if(write, merge_parameters(request, absence.parameters()))
            if not isinstance(response, Unmet):
                return response
            found = self._read_any(collection, item_id)
            if self._is_of_another(collection, found):
                return _without_effect(request)
            if response.repeated and self._is_same(collection, request.get("Item"), found):
                return {}
            raise PreconditionFailed("the item exists")
        row, perhaps_written = None, False
        for _ in range(_MAX_ATTEMPTS):
            before, row = row, self._read_any(collection, item_id)
            if self._is_of_another(collection, row):
                preconditions.require(None)
                return _without_effect(request)
            if perhaps_written and self._is_same(collection, request.get("Item"), row):
                return {"Attributes": before}
            preconditions.require(None if row is None else self._stored(collection, row).etag)
            condition = self._unchanged_condition(collection, row, request.get("Item", {}))
            response = _call_if(write, merge_parameters(request, condition.parameters()))
            if not isinstance(response, Unmet):
                return response
            perhaps_written = response.repeated
        raise _conflict(collection, item_id)

    def _write_own(self, write: Callable[..., Any], request: dict[str, Any], collection: str) -> Any:
        """Write without conditions of the caller, but never to an item of another collection."""
        condition = not_of_another(self._keys(collection))
        if condition is None:
            return _call(write, request)
        response = _call_if(write, merge_parameters(request, condition.parameters()))
        return _without_effect(request) if isinstance(response, Unmet) else response

    def _unchanged_condition(self, collection: str, row: Row | None, after: Row) -> Condition:
        absent = absent_attributes(self.pipeline, collection, row or {}, after)
        return unchanged_since(row, absent, self._keys(collection))

    def _keys(self, collection: str) -> CollectionKey:
        return self.pipeline.collection(collection).keys

    def _key(self, collection: str, item_id: str) -> dict[str, Any]:
        return encode_item(key_attributes(self._keys(collection), item_id))

    def _stored(self, collection: str, row: Row) -> StoredItem:
        return stored_item(row, self._keys(collection))

    def _require_row(self, collection: str, item_id: str) -> Row:
        row = self._read(collection, item_id)
        if row is None:
            raise NotFound(f"{collection} has no item {item_id[:80]!r}")
        return row

    def _read(self, collection: str, item_id: str) -> Row | None:
        row = self._read_any(collection, item_id)
        return None if self._is_of_another(collection, row) else row

    def _is_of_another(self, collection: str, row: Row | None) -> bool:
        return row is not None and not self._keys(collection).matches(row)

    def _is_same(self, collection: str, requested: Row | None, found: Row | None) -> bool:
        """Tell whether the table has the row that was requested; None means no row.

        By the entity tag, because in Python ``True`` equals 1.
        """
        if requested is None or found is None:
            return requested is found
        return self._stored(collection, requested).etag == self._stored(collection, found).etag

    def _read_any(self, collection: str, item_id: str) -> Row | None:
        """Return the row with an item's key, even if it is an item of another collection."""
        key = self._key(collection, item_id)
        with map_aws_errors():
            response = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return response.get("Item")


def _without_effect(request: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a deletion under the key of another collection's item; a put is refused."""
    if "Item" in request:
        raise InvalidItem([Violation("", "key", OF_ANOTHER)])
    return {}


def _conflict(collection: str, item_id: str) -> Conflict:
    return Conflict(f"other writers keep changing {collection}/{item_id[:80]}")


def _call(call: Callable[..., Any], request: dict[str, Any]) -> Any:
    try:
        return call(**request)
    except (ClientError, BotoCoreError) as error:
        raise translate_item_error(error) from error


class Unmet(Struct, frozen=True):
    """The condition of a write that does not hold.

    If the SDK has ``repeated`` the call, an earlier attempt may have been carried out without an acknowledgement. Then
    an item that is as requested counts as written by this request (RFC 9110, 13.1.1).
    """

    repeated: bool


def _call_if(call: Callable[..., Any], request: dict[str, Any]) -> Any | Unmet:
    """Make a conditional call and return its response, or :class:`Unmet`."""
    try:
        return call(**request)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and has_code(error, CONDITION_FAILED):
            return Unmet(bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts")))
        raise translate_item_error(error) from error

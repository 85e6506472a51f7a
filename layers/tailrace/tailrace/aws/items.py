"""Items in the items table: checked before they are written, whoever brings them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.clients import translate
from tailrace.changes import ENGINE_ATTRIBUTES, Item, decode_item, encode_item, encode_value
from tailrace.definitions import Pipeline
from tailrace.errors import Conflict, InvalidItem, NotFound, TailraceError, Violation
from tailrace.keys import item_key, split_item_key
from tailrace.limits import check
from tailrace.merging import merge

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CONDITION_FAILED, _INVALID = "ConditionalCheckFailedException", "ValidationException"
_TRIES = 5

# An expression holds at most 300 operators, and each compared field takes two (= and AND):
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MOST_COMPARED = 140


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as the table holds it: its fields, and when it expires, if it does.

    ``expires_at`` are whole seconds since 1970, unless another writer has put something else there.
    """

    item: Item
    expires_at: Any = None


def row_of(pipeline: Pipeline, collection: str, item_id: str, stored: StoredItem) -> dict[str, Any]:
    """Check an item and return its row in DynamoDB's JSON.

    The transform is tried, so that what could not be counted later is refused at the door.

    Raises:
        NotFound: there is no such collection.
        InvalidMessage: the id cannot be one.
        InvalidItem: the item breaks its schema, its transform or the table's limits.
    """
    pk = item_key(collection, item_id)
    known = pipeline.collection(collection)
    split_item_key(pk)
    check(pk, stored.item)
    known.prepare(stored.item)
    expiry = {} if stored.expires_at is None else {"expires_at": _epoch(stored.expires_at)}
    return encode_item({"pk": pk} | stored.item | expiry)


def _epoch(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**11:
        raise InvalidItem([Violation("/expires_at", "expires_at", "not a whole number of seconds since 1970")])
    return value


def refusal(error: ClientError | BotoCoreError) -> TailraceError:
    """Return our error for one of a write: what the table finds invalid is the item's fault.

    :func:`tailrace.limits.check` has told all that is known of it before; this is for what is not.
    """
    if isinstance(error, ClientError) and error.response["Error"]["Code"] == _INVALID:
        reason = f"the table refuses the item: {error.response['Error'].get('Message', '')}"
        return InvalidItem([Violation("", "table", reason)])
    return translate(error)


@dataclass(frozen=True, slots=True)
class ItemStore:
    """The items table.

    Every method raises, beside what it names: Transient (try later), Permanent (the table refuses for good),
    NotFound (no such collection), InvalidMessage (the id cannot be one).
    """

    client: "DynamoDBClient"
    table: str
    pipeline: Pipeline

    def put(self, collection: str, item_id: str, item: Item, expires_at: int | None = None) -> bool:
        """Store a whole item; True when there was none before.

        Raises:
            InvalidItem: with every violation.
        """
        row = row_of(self.pipeline, collection, item_id, StoredItem(item, expires_at))
        try:
            answer = self.client.put_item(TableName=self.table, Item=row, ReturnValues="ALL_OLD")
        except (ClientError, BotoCoreError) as error:
            raise refusal(error) from error
        return not answer.get("Attributes")

    def get(self, collection: str, item_id: str) -> StoredItem:
        """Read an item, strongly consistent.

        Raises:
            NotFound: there is none.
        """
        row = self._read(collection, item_id)
        if row is None:
            raise NotFound(f"{collection} has no item {item_id[:80]!r}")
        return row

    def delete(self, collection: str, item_id: str) -> bool:
        """Delete an item; True when there was one."""
        key = self._key(collection, item_id)
        answer = _call(lambda: self.client.delete_item(TableName=self.table, Key=key, ReturnValues="ALL_OLD"))
        return bool(answer.get("Attributes"))

    def patch(self, collection: str, item_id: str, patch: Item) -> Item:
        """Apply a JSON merge patch (RFC 7396) to an item and return the whole of it as it is now.

        Only the fields that change are written, and only if every field is still what it was when read, whoever writes:
        no lost update, and no version field that a plain SDK writer would have to keep.

        Raises:
            InvalidItem: the merged item breaks rules; nothing is written. Or it has too many fields to compare.
            NotFound: there is no such item.
            Conflict: others kept changing the item in the meantime.
        """
        # what no item could hold is refused before it is merged into one
        check(item_key(collection, item_id), patch)
        for _ in range(_TRIES):
            before = self.get(collection, item_id).item
            merged: Item = merge(before, patch)
            row_of(self.pipeline, collection, item_id, StoredItem(merged))
            after = self._change(self._key(collection, item_id), before, merged)
            if after is not None:
                return after
        raise Conflict(f"{collection}/{item_id[:80]} keeps being changed by others")

    def _key(self, collection: str, item_id: str) -> dict[str, Any]:
        self.pipeline.collection(collection)
        pk = item_key(collection, item_id)
        split_item_key(pk)
        check(pk, {})
        return {"pk": encode_value(pk)}

    def _read(self, collection: str, item_id: str) -> StoredItem | None:
        key = self._key(collection, item_id)
        answer = _call(lambda: self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True))
        if "Item" not in answer:
            return None
        fields = decode_item(answer["Item"])
        fields.pop("pk")
        return StoredItem(fields, fields.pop("expires_at", None))

    def _change(self, key: dict[str, Any], before: Item, merged: Item) -> Item | None:
        """Change the fields that differ, if all are still as they were before, and return the item; None if not."""
        names = {name: f"#{index}" for index, name in enumerate(before.keys() | merged.keys())}
        if len(names) > _MOST_COMPARED:
            text = f"an item of more than {_MOST_COMPARED} fields cannot be patched; put it whole"
            raise InvalidItem([Violation("", "patch", text)])
        old, new = encode_item(before), encode_item(merged)
        # compared as the table sees them, since to Python True is 1
        changed = {name: value for name, value in new.items() if value != old.get(name)}
        removed = [names[name] for name in old if name not in new]
        if not changed and not removed:
            return merged
        sets = [f"{names[name]} = :new{names[name][1:]}" for name in changed]
        same = [f"{names[name]} = :old{names[name][1:]}" for name in old]
        absent = [f"attribute_not_exists({names[name]})" for name in new if name not in old]
        values = {f":old{names[name][1:]}": value for name, value in old.items()}
        values |= {f":new{names[name][1:]}": value for name, value in changed.items()}
        request: dict[str, Any] = {
            "TableName": self.table,
            "Key": key,
            "UpdateExpression": _clause("SET", sets) + _clause("REMOVE", removed),
            "ConditionExpression": " AND ".join(["attribute_exists(pk)", *same, *absent]),
            "ExpressionAttributeNames": {short: name for name, short in names.items()},
            "ReturnValues": "ALL_NEW",
        } | ({"ExpressionAttributeValues": values} if values else {})
        try:
            return _fields(self.client.update_item(**request)["Attributes"])
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == _CONDITION_FAILED:
                return None
            raise refusal(error) from error


def _clause(word: str, parts: Sequence[str]) -> str:
    return f"{word} {', '.join(parts)} " if parts else ""


def _fields(row: Mapping[str, Any]) -> Item:
    return {name: value for name, value in decode_item(row).items() if name not in ENGINE_ATTRIBUTES}


def _call[T](call: Callable[[], T]) -> T:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error

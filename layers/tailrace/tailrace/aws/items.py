"""Items in the items table: checked before they are written, whoever brings them."""

from collections.abc import Callable, Iterable
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
_MOST_COMPARED = 148
_MOST_PATCHED_FIELDS = 140


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

        The merged item is written only if every field is still what it was when read, and every other field that the
        schema names is still absent, whoever writes: no version field that a plain SDK writer would have to keep. A
        field that neither the item had nor the schema names is lost when another writer adds it in that moment.

        Raises:
            InvalidItem: the merged item breaks rules; nothing is written. Or it has too many fields to compare.
            NotFound: there is no such item.
            Conflict: others kept changing the item in the meantime.
        """
        # what no item could hold is refused before it is merged into one
        check(item_key(collection, item_id), patch)
        known = self.pipeline.collection(collection)
        for _ in range(_TRIES):
            before = self.get(collection, item_id)
            merged: Item = merge(before.item, patch)
            row = row_of(self.pipeline, collection, item_id, StoredItem(merged))
            if before.expires_at is not None:  # as it was, even where another writer has put something odd
                row["expires_at"] = encode_value(before.expires_at)
            if self._replace(before, [*merged, "expires_at", *known.compiled.properties], row):
                return merged
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

    def _replace(self, before: StoredItem, watched: Iterable[str], row: dict[str, Any]) -> bool:
        """Write the row if the item is still as it was before; False if it is not.

        ``watched`` are fields that must still be absent if they were, those that count most first.
        """
        expected = dict(before.item) | ({} if before.expires_at is None else {"expires_at": before.expires_at})
        if len((expected.keys() | row.keys()) - set(ENGINE_ATTRIBUTES)) > _MOST_PATCHED_FIELDS:
            text = f"an item of more than {_MOST_PATCHED_FIELDS} fields cannot be patched; put it whole"
            raise InvalidItem([Violation("", "patch", text)])
        absent = [name for name in dict.fromkeys(watched) if name not in expected]
        absent = absent[: _MOST_COMPARED - len(expected)]
        names = {f"#{index}": name for index, name in enumerate((*expected, *absent))}
        values = {f":{index}": encode_value(value) for index, value in enumerate(expected.values())}
        same = [f"#{index} = :{index}" for index in range(len(expected))]
        new = [f"attribute_not_exists(#{index})" for index in range(len(expected), len(names))]
        request: dict[str, Any] = {
            "TableName": self.table,
            "Item": row,
            "ConditionExpression": " AND ".join(["attribute_exists(pk)", *same, *new]),
            "ExpressionAttributeNames": names,
        } | ({"ExpressionAttributeValues": values} if values else {})
        try:
            self.client.put_item(**request)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == _CONDITION_FAILED:
                return False
            raise translate(error) from error
        return True


def _call[T](call: Callable[[], T]) -> T:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error

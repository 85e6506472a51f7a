"""Items in the table, as operations and reports name them: the definition says under which key each is stored."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from copy import replace
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from cli.errors import CommandError
from tailrace.aws.items.rows import StoredItem, key_attributes, stored_item
from tailrace.definition.collection import Collection
from tailrace.definition.item_keys import CollectionKey, ItemKeys
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import COLLECTION_NAME
from tailrace.errors import InvalidItem, InvalidMessage
from tailrace.inputs.ids import made_id
from tailrace.inputs.messages import Operation

_INVALID_KEY = "ValidationException"

type Address = tuple[str, str]
"""Collection and id."""

type FindDefinition = Callable[[], Pipeline | str]
"""Returns the definition on this machine, or the reason why it cannot be imported."""


class ItemTable(Struct, frozen=True):
    """The items table.

    Without a definition, keys are taken to be plain: ``pk = "<collection>#<id>"``.
    """

    dynamodb: Any
    name: str
    definition: FindDefinition

    def collection(self, name: str) -> Collection | None:
        """Return a collection of the definition; None if it has none with this name, or cannot be imported."""
        found = self.definition()
        return found.collections_by_name.get(name) if isinstance(found, Pipeline) else None

    def keys_of(self, collection: str) -> CollectionKey | None:
        """Return the keys of a collection's items; None if the table can hold none of them."""
        known = self.collection(collection)
        if known is not None:
            return known.keys
        plain = self._table_keys is None
        return CollectionKey(collection) if plain and COLLECTION_NAME.fullmatch(collection) else None

    def key_of(self, address: Address) -> Row | None:
        """Return an item's key in DynamoDB's JSON; None if no item can have this collection and id."""
        keys = self.keys_of(address[0])
        if keys is None:
            return None
        try:
            return encode_item(key_attributes(keys, address[1]))
        except (InvalidMessage, InvalidItem):
            return None

    def with_id(self, operation: Operation) -> Operation:
        """Return an operation with the id that the definition makes for a new item without one, if it can."""
        known = self.collection(operation.collection)
        if not operation.id and operation.op == "put" and known is not None:
            with suppress(InvalidMessage):
                return replace(operation, id=made_id(operation.body, known.id_columns))
        return operation

    def stamped(self, operation: Operation, stamp: str | None) -> Operation:
        """Return an operation with the time at which it came in, if that is known and the item is to have it."""
        known = self.collection(operation.collection)
        received = None if known is None else known.received_field
        if operation.op != "put" or received is None or stamp is None or operation.body.get(received) is not None:
            return operation
        return replace(operation, body=operation.body | {received: stamp})

    def completed(self, operation: Operation, current: StoredItem | None) -> Operation:
        """Return an operation with what ingest adds to an item: the fields in its key, constants, its expiry.

        Without a stamp of its own (:meth:`stamped`), it has that of the item in the table.
        """
        known = self.collection(operation.collection)
        if operation.op != "put" or known is None:
            return operation
        item, expires_at = known.keys.completed(operation.id, operation.body), operation.expires_at
        received = known.received_field
        if current is not None and received in current.item and item.get(received) is None:
            item = item | {received: current.item[received]}
        if expires_at is None and known.lifetime is not None:
            with suppress(InvalidItem):
                expires_at = known.lifetime.expires_at(item)
        return replace(operation, body=item, expires_at=expires_at)

    def read_rows(self, addresses: Iterable[Address]) -> dict[Address, Row]:
        """Return the rows of those items that exist; strongly consistent.

        Raises:
            CommandError: the table has keys that only the definition can make, and it cannot be imported.
        """
        keys = {address: key for address in addresses if (key := self.key_of(address)) is not None}
        wanted = {_hashable(key): key for key in keys.values()}
        names = list(next(iter(wanted.values()), ()))
        rows = {_hashable({name: row[name] for name in names}): row for row in self._read(list(wanted.values()))}
        found = {address: rows[_hashable(key)] for address, key in keys.items() if _hashable(key) in rows}
        return {address: row for address, row in found.items() if self._is_of(address, row)}

    def read_row(self, key: Row) -> Row | None:
        """Return the row with a key, whether it is an item or not; strongly consistent."""
        return next(iter(self._read([key])), None)

    def read(self, addresses: Iterable[Address]) -> dict[Address, StoredItem | None]:
        """Return items, as :meth:`read_rows` does; None for those that do not exist."""
        wanted = list(addresses)
        rows = self.read_rows(wanted)
        return {one: stored_item(rows[one], self.keys_of(one[0])) if one in rows else None for one in wanted}

    def _read(self, keys: Sequence[Row]) -> Iterable[Row]:
        left: Any = {self.name: {"Keys": keys, "ConsistentRead": True}} if keys else None
        while left:
            try:
                response = self.dynamodb.batch_get_item(RequestItems=left)
            except ClientError as error:
                missing = self.definition()
                if error.response["Error"]["Code"] == _INVALID_KEY and isinstance(missing, str):
                    text = f"The items table has its own keys, which only the definition can make: {missing}"
                    raise CommandError(text) from error
                raise
            yield from response["Responses"].get(self.name, ())
            left = response.get("UnprocessedKeys")

    def _is_of(self, address: Address, row: Row) -> bool:
        keys = self.keys_of(address[0])
        return keys is not None and keys.matches(row)

    @property
    def _table_keys(self) -> ItemKeys | None:
        found = self.definition()
        return found.keys if isinstance(found, Pipeline) else None


def _hashable(key: Row) -> tuple[Any, ...]:
    return tuple(decode_item(key).values())

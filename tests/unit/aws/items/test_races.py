"""Conditional writes while another writer, with a plain SDK, adds to the item between their read and their write."""

from collections.abc import Callable
from typing import Any

import pytest

from local.in_memory import Database
from tailrace import Collection, Pipeline, days
from tailrace.aws.items.store import ItemStore
from tailrace.encoding.dynamodb import encode_value
from tailrace.errors import PreconditionFailed
from tailrace.http.preconditions import Preconditions, parse_preconditions

FIELDS: dict[str, Any] = {"a": {}, "b": {}, "placed": {}}
CLOSED = Collection("closed", schema={"properties": FIELDS, "additionalProperties": False})
OPEN = Collection("open", schema={"properties": FIELDS})
KEPT = Collection("kept", schema={"properties": FIELDS}, keep=days(1), keep_from="placed")
OWN_TTL = Collection("own", key={"pk": "own#{id}"}, ttl="ends", schema={"properties": FIELDS})
MANY = Collection("many", schema={"properties": {f"named{n}": {} for n in range(200)}})
# the collections of a table have one TTL attribute
PIPELINES = [Pipeline([CLOSED, OPEN, KEPT, MANY]), Pipeline([OWN_TTL])]

type Write = Callable[[ItemStore, str, Preconditions], object]

WRITES: dict[str, Write] = {
    "put": lambda store, name, given: store.put(name, "1", {"a": 2}, preconditions=given),
    "patch": lambda store, name, given: store.patch(name, "1", {"a": 2}, given),
    "delete": lambda store, name, given: store.delete(name, "1", given),
}


class Busy:
    """A table to which another writer adds an attribute right after the first read."""

    def __init__(self, key: str, attribute: str, value: Any) -> None:
        self.table = Database()
        self.table.create("items", "pk")
        self.attribute, self.value = attribute, value
        self.key = {"pk": {"S": key}}
        self.is_done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def get_item(self, **request: Any) -> Any:
        found = self.table.get_item(**request)
        if not self.is_done:
            self.is_done = True
            self.table.update_item(
                TableName="items",
                Key=self.key,
                UpdateExpression="SET #added = :value",
                ExpressionAttributeNames={"#added": self.attribute},
                ExpressionAttributeValues={":value": encode_value(self.value)},
            )
        return found


def prepared(name: str, attribute: str, value: Any, item: dict[str, Any]) -> tuple[ItemStore, Preconditions]:
    """Return a store with an item to which an attribute is about to be added, and the condition of its entity tag."""
    busy = Busy(f"{name}#1", attribute, value)
    pipeline = PIPELINES[name == "own"]
    store = ItemStore(busy, "items", pipeline)  # type: ignore[arg-type]
    store.put(name, "1", item)
    quiet = ItemStore(busy.table, "items", pipeline)  # type: ignore[arg-type]
    return store, parse_preconditions(quiet.get(name, "1").etag, None)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    ("name", "attribute"),
    [("closed", "b"), ("closed", "expires_at"), ("open", "b"), ("open", "expires_at"), ("own", "b"), ("own", "ends")],
)
def test_an_attribute_that_another_writer_adds_changes_the_tag(name: str, attribute: str, write: Write) -> None:
    store, unchanged = prepared(name, attribute, 1900000000, {"a": 1})
    with pytest.raises(PreconditionFailed):
        write(store, name, unchanged)
    expected = {"a": {"N": "1"}, attribute: {"N": "1900000000"}}
    assert expected.items() <= store.client.get_item(TableName="items", Key={"pk": {"S": f"{name}#1"}})["Item"].items()


def test_a_patch_that_moves_the_expiry_keeps_one_that_another_writer_gave_meanwhile() -> None:
    store, _ = prepared("kept", "expires_at", 1900000000, {"a": 1})
    store.patch("kept", "1", {"placed": "2026-01-01T00:00:00Z"})
    assert store.get("kept", "1").expires_at == 1900000000


@pytest.mark.parametrize("fields", [1, 60, 139, 140])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_many_names_of_a_schema_leave_room_for_the_items_own_fields(fields: int, write: Write) -> None:
    item = {"a": 1} | {f"f{n}": n for n in range(fields - 1)}
    store, unchanged = prepared("many", "f0" if fields > 1 else "a", 1 if fields == 1 else 0, item)
    write(store, "many", unchanged)


@pytest.mark.parametrize(("added", "found"), [("named0", True), ("other", False)])
def test_a_name_that_neither_item_nor_schema_has_is_missed_as_documented(added: str, found: bool) -> None:
    store, unchanged = prepared("many", added, 7, {"a": 1})
    try:
        store.delete("many", "1", unchanged)
    except PreconditionFailed:
        assert found
    else:
        assert not found

"""The largest items that are accepted are those that the table can store, with all that is stored beside the fields."""

from contextlib import suppress
from typing import Any

import pytest

from local.in_memory import Database
from tailrace import Collection, Pipeline
from tailrace.aws.items.rows import StoredItem, validated_row
from tailrace.aws.items.store import ItemStore
from tailrace.errors import InvalidItem

LIMIT = 400 * 1024
KEY = {"partition": "CUSTOMER#{customer}", "sort": "ORDER#{order}"}
COLLECTIONS = {
    "plain": (Collection("orders", schema={}), "1"),
    "closed": (Collection("orders", schema={"properties": {"x": {}}, "additionalProperties": False}), "1"),
    "own keys": (Collection("orders", schema={}, key=KEY, match={"entity": "Order"}, ttl="ends"), "c/" + "o" * 1000),
    "a key without a text": (Collection("orders", schema={}, key={"n": "{n:number}", "b": "{b:binary}"}), "7/aaaa"),
}


def size_of(row: dict[str, Any]) -> int:
    """Return the size of a row of texts, numbers and bytes as DynamoDB documents it; a number has one digit or more."""
    least = {"S": lambda text: len(text.encode()), "N": lambda text: (len(text) + 1) // 2 + 1, "B": len}
    return sum(len(name) + least[kind](value) for name, one in row.items() for kind, value in one.items())


@pytest.mark.parametrize("expires_at", [None, 4_000_000_000])
@pytest.mark.parametrize("name", COLLECTIONS)
def test_an_item_that_fits_without_its_other_attributes_only_is_too_large(name: str, expires_at: int | None) -> None:
    collection, item_id = COLLECTIONS[name]
    pipeline, sizes = Pipeline([collection]), []
    for spare in range(0, 1_200, 7):
        stored = StoredItem({"x": "x" * (LIMIT - spare)}, expires_at)
        with suppress(InvalidItem):
            sizes.append(size_of(validated_row(pipeline, "orders", item_id, stored)))
    assert LIMIT - 300 < max(sizes) <= LIMIT
    with pytest.raises(InvalidItem) as raised:
        validated_row(pipeline, "orders", item_id, StoredItem({"x": "x" * (LIMIT - 10)}, expires_at))
    assert [violation.keyword for violation in raised.value.violations] == ["size"]


def test_a_patch_counts_the_expiry_that_the_item_keeps() -> None:
    """Otherwise the table refuses it, with a message that does not name the size."""
    pipeline = Pipeline([Collection("orders", schema={})])
    table = Database()
    table.create("items", "pk")
    client: Any = table
    store = ItemStore(client, "items", pipeline)
    store.put("orders", "1", {"x": "x"}, 4_000_000_000)
    store.put("orders", "2", {"x": "x"})
    sizes: dict[str, list[int]] = {"1": [], "2": []}
    for item_id, found in sizes.items():
        for spare in range(0, 400, 3):
            with suppress(InvalidItem):
                store.patch("orders", item_id, {"x": "x" * (LIMIT - spare)})
                (row,) = [row for row in table.rows("items") if row["pk"]["S"] == f"orders#{item_id}"]
                found.append(size_of(row))
                break
    assert all(LIMIT - 100 < max(found) <= LIMIT for found in sizes.values())


@pytest.mark.parametrize("name", ["plain", "closed"])
def test_a_patch_leaves_room_for_the_expiry_of_the_item(name: str) -> None:
    collection, item_id = COLLECTIONS[name]
    database = Database()
    database.create("items", "pk")
    store = ItemStore(database, "items", Pipeline([collection]))  # type: ignore[arg-type]
    sizes = []
    for spare in range(0, 200, 7):
        store.put("orders", item_id, {}, 4_000_000_000)
        with suppress(InvalidItem):
            store.patch("orders", item_id, {"x": "x" * (LIMIT - spare)})
            sizes.append(size_of(database.rows("items")[0]))
    assert LIMIT - 100 < max(sizes) <= LIMIT

"""Items of a table with keys of its own, through the store: reads, writes and conditions."""

from copy import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.in_memory.database import Database
from tailrace import Collection, Pipeline, days
from tailrace.aws.items.batch_writer import RefusedItem, Unprocessed, put_all_or_raise, write_all
from tailrace.aws.items.conditions import OF_ANOTHER
from tailrace.aws.items.operations import apply_operation
from tailrace.aws.items.rows import StoredItem
from tailrace.aws.items.store import ItemStore
from tailrace.encoding.dynamodb import encode_item
from tailrace.errors import InvalidItem, InvalidMessage, NotFound, PreconditionFailed
from tailrace.http.preconditions import parse_preconditions, parse_states
from tailrace.inputs.messages import Operation

KEY = {"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}"}
orders = Collection("orders", schema={}, key=KEY, match={"entity": "Order"}, ttl="ends")
ITEM = {"customer": "c", "order": "1", "entity": "Order", "paid": True}
ROW = {"PK": "CUSTOMER#c", "SK": "ORDER#1", "entity": "Order", "paid": True}


@pytest.fixture
def database() -> Database:
    database = Database()
    database.create("shop", "PK", "SK")
    return database


@pytest.fixture
def items(database: Database) -> ItemStore:
    return ItemStore(database, "shop", Pipeline([orders]))  # type: ignore[arg-type]


def stored(database: Database) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "~etag"} for row in database.rows("shop")]


def test_a_foreign_row_is_read_by_its_id(database: Database, items: ItemStore) -> None:
    database.put_item(
        TableName="shop", Item=encode_item(ROW | {"ends": 5, "customer": "Bob", "aws:rep:deleting": False})
    )
    assert items.get("orders", "c/1") == StoredItem(ITEM, 5)
    database.put_item(TableName="shop", Item=encode_item(ROW | {"entity": "Return"}))
    with pytest.raises(NotFound):
        items.get("orders", "c/1")
    with pytest.raises(InvalidMessage):
        items.get("orders", "c")


def test_an_item_is_written_under_its_key(database: Database, items: ItemStore) -> None:
    assert items.put("orders", "c/1", {"paid": True}, 7)
    assert stored(database) == [encode_item(ROW | {"ends": 7})]
    assert not items.put("orders", "c/1", ITEM)
    assert stored(database) == [encode_item(ROW)]
    with pytest.raises(InvalidItem):
        items.put("orders", "c/1", {"order": "2"})
    with pytest.raises(PreconditionFailed):
        items.put("orders", "c/1", ITEM, preconditions=parse_states(None, if_absent=True))
    etag = items.get("orders", "c/1").etag
    assert items.patch("orders", "c/1", {"paid": False}, parse_states(etag, if_absent=False)).item == ITEM | {
        "paid": False
    }
    assert stored(database) == [encode_item(ROW | {"paid": False})]
    with pytest.raises(InvalidItem):
        items.patch("orders", "c/1", {"customer": "d"})
    assert items.delete("orders", "c/1", parse_states(items.get("orders", "c/1").etag, if_absent=False))
    assert stored(database) == []


@pytest.mark.parametrize("removed", [{"entity": None}, {"customer": None}, {"entity": None, "order": None}], ids=str)
def test_a_patch_removes_nothing_that_key_or_collection_give(
    database: Database, items: ItemStore, removed: dict[str, None]
) -> None:
    """Without the attribute in ``match=``, the item would belong to no collection."""
    items.put("orders", "c/1", {"paid": True}, 7)
    assert items.patch("orders", "c/1", removed).item == ITEM
    assert items.patch("orders", "c/1", removed | {"paid": False}).item == ITEM | {"paid": False}
    assert items.get("orders", "c/1") == StoredItem(ITEM | {"paid": False}, 7)
    assert stored(database) == [encode_item(ROW | {"paid": False, "ends": 7})]


def test_a_conditional_patch_that_removes_what_the_key_gives_is_applied_once(items: ItemStore) -> None:
    items.put("orders", "c/1", {"paid": True})
    patch = {"entity": None, "customer": None, "paid": False}
    message = Operation("patch", "orders", "c/1", patch, if_match=items.get("orders", "c/1").etag)
    for _ in range(2):
        apply_operation(items, message, "2024-06-01T10:00:00Z")
    assert items.get("orders", "c/1").item == ITEM | {"paid": False}


def test_no_entrance_writes_over_an_item_of_another_collection(database: Database, items: ItemStore) -> None:
    other = encode_item(ROW | {"entity": "Return"})
    database.put_item(TableName="shop", Item=other)
    with pytest.raises(InvalidItem, match="an item of another collection has this key"):
        items.put("orders", "c/1", ITEM)
    assert not items.delete("orders", "c/1")
    rows = [encode_item(ROW), encode_item(ROW | {"SK": "ORDER#2"})]
    table: Any = database
    assert put_all_or_raise(table, "shop", rows, keys=orders.keys) == [RefusedItem(0, OF_ANOTHER)]
    assert stored(database) == [other, rows[1]]
    assert put_all_or_raise(table, "shop", rows[1:], keys=orders.keys) == []
    assert items.delete("orders", "c/2")


def test_items_for_which_no_time_is_left_are_told(database: Database) -> None:
    rows = [encode_item(ROW | {"SK": f"ORDER#{number}"}) for number in range(30)]
    table: Any = database
    left = iter([True] * 3 + [False] * 27)
    found = write_all(table, "shop", rows, keys=orders.keys, has_time=lambda: next(left))
    assert [type(one) for one in found] == [Unprocessed] * 27
    assert len({one.position for one in found}) == 27
    assert len(stored(database)) == 3


def test_a_conditional_message_that_comes_again_is_applied_once(items: ItemStore) -> None:
    message = Operation("put", "orders", "c/1", {"paid": True}, if_absent=True)
    for _ in range(2):
        apply_operation(items, message, "2024-06-01T10:00:00Z")
    assert items.get("orders", "c/1").item == ITEM
    with pytest.raises(PreconditionFailed):
        apply_operation(items, replace(message, body={"paid": False}), "2024-06-01T10:00:00Z")


@pytest.mark.parametrize("name", ["entity", "customer"])
def test_a_patch_cannot_take_an_item_out_of_its_collection(database: Database, items: ItemStore, name: str) -> None:
    items.put("orders", "c/1", {"paid": True})
    patched = items.patch("orders", "c/1", {name: None, "paid": False})
    assert patched == items.get("orders", "c/1") == StoredItem(ITEM | {"paid": False})
    assert stored(database) == [encode_item(ROW | {"paid": False})]
    assert database.rows("shop")[0]["~etag"] == {"S": patched.etag.strip('"')}
    # what a message asks for a second time is recognized
    message = Operation("patch", "orders", "c/1", {name: None, "paid": True}, if_match=patched.etag)
    for _ in range(2):
        apply_operation(items, message, "2024-06-01T10:00:00Z")
    assert items.get("orders", "c/1").item == ITEM


def test_an_expiry_counted_from_the_key_survives_a_patch_that_removes_the_field(database: Database) -> None:
    kept = Collection("kept", schema={}, key={"PK": "{device}", "SK": "{at}"}, keep=days(1), keep_from="at")
    items = ItemStore(database, "shop", Pipeline([kept]))  # type: ignore[arg-type]
    items.put("kept", "d/2024-06-01", {}, 1_717_286_400)
    assert items.patch("kept", "d/2024-06-01", {"at": None}).expires_at == 1_717_286_400


@pytest.mark.parametrize("tag", ["*", '"earlier"'])
def test_conditions_do_not_see_an_item_of_another_collection(database: Database, items: ItemStore, tag: str) -> None:
    other = encode_item(ROW | {"entity": "Return"})
    database.put_item(TableName="shop", Item=other)
    absent, present = parse_preconditions(None, tag), parse_preconditions(tag, None)
    with pytest.raises(InvalidItem, match="an item of another collection has this key"):
        items.put("orders", "c/1", ITEM, preconditions=absent)
    assert not items.delete("orders", "c/1", absent)
    with pytest.raises(PreconditionFailed, match="the item does not exist"):
        items.put("orders", "c/1", ITEM, preconditions=present)
    with pytest.raises(PreconditionFailed, match="the item does not exist"):
        items.delete("orders", "c/1", present)
    assert stored(database) == [other]


def test_a_field_called_pk_tells_another_writer_s_item_from_a_lost_answer(
    database: Database, items: ItemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this table, ``pk`` is not the key."""
    put = database.put_item

    def overtaken(**request: Any) -> None:
        monkeypatch.setattr(database, "put_item", put)
        put(TableName="shop", Item=request["Item"] | encode_item({"pk": "theirs"}))
        repeated: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "ResponseMetadata": {"RetryAttempts": 1}}
        raise ClientError(repeated, "PutItem")

    monkeypatch.setattr(database, "put_item", overtaken)
    with pytest.raises(PreconditionFailed):
        items.put("orders", "c/1", {"pk": "ours"}, preconditions=parse_preconditions(None, "*"))

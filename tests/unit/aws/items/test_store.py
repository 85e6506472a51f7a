"""The items table: what is checked before it is written, and patches among other writers."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import Stubber

from tailrace.aws.items.store import ItemStore
from tailrace.aws.runtime.clients import client
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import encode_item, encode_value
from tailrace.errors import Conflict, InvalidItem, NotFound, Transient
from tests.unit.aws.conftest import Cloud

ORDER = {"shop": "a", "placed": "2024-10-27"}
KEY = {"pk": {"S": "orders#1"}}


@pytest.fixture
def store(cloud: Cloud) -> ItemStore:
    return ItemStore(cloud.dynamodb, "items", load_pipeline("tests.pipelines.orders:pipeline"))


@pytest.fixture
def meanwhile(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let another writer, with a plain SDK, change the item between a patch's read and its write."""
    read = ItemStore._read

    def arrange(field: str, *values: Any, key: Any = KEY) -> None:
        left = list(values)

        def racing(self: ItemStore, collection: str, item_id: str) -> Any:
            found = read(self, collection, item_id)
            if left:
                self.client.update_item(
                    TableName="items",
                    Key=key,
                    UpdateExpression="SET #field = :value",
                    ExpressionAttributeNames={"#field": field},
                    ExpressionAttributeValues={":value": encode_value(left.pop())},
                )
            return found

        monkeypatch.setattr(ItemStore, "_read", racing)

    return arrange


def test_a_put_tells_whether_the_item_is_new(store: ItemStore) -> None:
    assert store.put("orders", "1", ORDER) is True
    assert store.put("orders", "1", ORDER | {"paid": True}) is False
    assert store.delete("orders", "1") is True
    assert store.delete("orders", "1") is False
    with pytest.raises(NotFound):
        store.get("orders", "1")


@pytest.mark.parametrize(
    ("field", "value"), [("amount", 7), ("paid", True), ("shop", "b"), ("notes", {"a": [1, None]}), ("expires_at", 7)]
)
def test_a_patch_keeps_what_another_writer_changed_meanwhile(
    store: ItemStore, cloud: Cloud, meanwhile: Callable[..., None], field: str, value: Any
) -> None:
    store.put("orders", "1", ORDER | {"amount": 5})
    meanwhile(field, value)
    store.patch("orders", "1", {"lines": 3})
    assert cloud.items()["orders#1"] == ORDER | {"amount": 5, "lines": 3, field: value}


def test_a_patch_has_the_last_word_on_its_own_fields(
    store: ItemStore, cloud: Cloud, meanwhile: Callable[..., None]
) -> None:
    store.put("orders", "1", ORDER)
    meanwhile("lines", 1, 2)
    assert store.patch("orders", "1", {"lines": 3}).item == ORDER | {"lines": 3}
    assert cloud.items()["orders#1"] == ORDER | {"lines": 3}


def test_a_patch_gives_up_when_others_never_rest(store: ItemStore, meanwhile: Callable[..., None]) -> None:
    store.put("orders", "1", ORDER | {"amount": -1})
    meanwhile("amount", *range(1000))
    with pytest.raises(Conflict):
        store.patch("orders", "1", {"lines": 3})


def test_a_patch_does_not_bring_back_an_item_that_is_deleted_meanwhile(
    store: ItemStore, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("orders", "1", ORDER)
    read = ItemStore._read

    def racing(self: ItemStore, collection: str, item_id: str) -> Any:
        found = read(self, collection, item_id)
        self.client.delete_item(TableName="items", Key=KEY)
        return found

    monkeypatch.setattr(ItemStore, "_read", racing)
    with pytest.raises(NotFound):
        store.patch("orders", "1", {"lines": 3})
    assert cloud.items() == {}


@pytest.mark.parametrize("expiry", [{"N": "1900000000.5"}, {"S": "2030-01-01"}, {"N": "1900000000"}])
def test_a_patch_leaves_an_expiry_as_another_writer_put_it(
    store: ItemStore, cloud: Cloud, expiry: dict[str, str]
) -> None:
    row: Any = {"shop": {"S": "a"}, "placed": {"S": "b"}, "expires_at": expiry}
    cloud.dynamodb.put_item(TableName="items", Item=KEY | row)
    store.patch("orders", "1", {"lines": 3})
    found = cloud.dynamodb.get_item(TableName="items", Key=KEY)["Item"]
    assert found == KEY | row | {"lines": {"N": "3"}}


def test_a_patch_of_sets_and_binary_compares_them(store: ItemStore, cloud: Cloud) -> None:
    strange: Any = {"notes": {"M": {"s": {"SS": ["a", "b"]}, "n": {"NS": ["1", "2.5"]}, "b": {"B": b"\x00"}}}}
    cloud.dynamodb.put_item(TableName="items", Item=KEY | {"shop": {"S": "a"}, "placed": {"S": "b"}} | strange)
    notes = {"s": {"a", "b"}, "n": {1, Decimal("2.5")}, "b": b"\x00"}
    expected = {"shop": "a", "placed": "b", "notes": notes, "lines": 3}
    assert store.patch("orders", "1", {"lines": 3}).item == expected
    assert store.get("orders", "1").item == expected


def test_a_patch_keeps_a_field_that_no_schema_names(cloud: Cloud, meanwhile: Callable[..., None]) -> None:
    store = ItemStore(cloud.dynamodb, "items", load_pipeline("tests.pipelines.anything:pipeline"))
    store.put("things", "1", {"a": True, "b": [1], "c": {"d": 1}})
    meanwhile("new", 7, key={"pk": {"S": "things#1"}})
    expected = {"a": 1, "c": {"d": 1, "e": 2}, "new": 7}
    assert store.patch("things", "1", {"a": 1, "b": None, "c": {"e": 2}}).item == expected
    assert encode_item(store.get("things", "1").item) == encode_item(expected)


def test_a_patch_that_changes_nothing_writes_nothing(store: ItemStore) -> None:
    store.put("orders", "1", ORDER)
    with Stubber(client("dynamodb")) as stub:
        stub.add_response("get_item", {"Item": KEY | encode_item(ORDER)})
        assert store.patch("orders", "1", {"lines": None, "shop": "a"}).item == ORDER


def test_an_item_of_very_many_fields_is_put_whole_and_not_patched(cloud: Cloud) -> None:
    store = ItemStore(cloud.dynamodb, "items", load_pipeline("tests.pipelines.anything:pipeline"))
    store.put("things", "1", {f"f{n}": n for n in range(140)})
    assert store.patch("things", "1", {"f0": None}).item["f1"] == 1
    store.put("things", "1", {f"f{n}": n for n in range(141)})
    with pytest.raises(InvalidItem, match="put the whole item"):
        store.patch("things", "1", {"f0": None})


def test_what_only_the_table_finds_invalid_is_the_items_fault(store: ItemStore) -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("put_item", "ValidationException", "too odd", http_status_code=400)
        with pytest.raises(InvalidItem, match="too odd"):
            store.put("orders", "1", ORDER)
        stub.add_client_error("put_item", "ThrottlingException", http_status_code=400)
        with pytest.raises(Transient):
            store.put("orders", "1", ORDER)

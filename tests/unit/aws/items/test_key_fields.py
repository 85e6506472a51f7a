"""Keys of an existing table at every entrance: names that are no fields, ids at DynamoDB's limits, made ids, expiry."""

from decimal import Decimal
from typing import Any

import pytest

from local.in_memory.database import Database
from tailrace import Collection, Pipeline, days
from tailrace.aws.items.rows import StoredItem, arriving, validated_row
from tailrace.aws.items.store import ItemStore
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.errors import InvalidItem, InvalidMessage

KEY = {"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}"}
orders = Collection("orders", schema={}, key=KEY, ttl="ends")
fields_named_alike = Collection("things", schema={}, key={"name": "{name}", "SK": "{SK}#x"}, ttl="ends")
plain = Collection("plain", schema={}, ttl="ends")


def row(collection: Collection, item_id: str, item: dict[str, Any], expires_at: Any = None) -> dict[str, Any]:
    found = validated_row(Pipeline([collection]), collection.name, item_id, StoredItem(item, expires_at))
    return {name: value for name, value in decode_item(found).items() if name != "~etag"}


@pytest.mark.parametrize(
    ("collection", "item_id", "name"),
    [
        (orders, "c/1", "PK"),
        (orders, "c/1", "SK"),
        (orders, "c/1", "ends"),
        (orders, "c/1", "~etag"),
        (orders, "c/1", "aws:rep:deleting"),
        (orders, "c/1", "aws:rep:updatetime"),
        (orders, "c/1", "aws:rep:updateregion"),
        (plain, "1", "pk"),
        (plain, "1", "ends"),
        (Collection("usual", schema={}), "1", "expires_at"),
    ],
)
def test_an_item_with_a_field_named_like_an_attribute_of_the_table_is_refused(
    collection: Collection, item_id: str, name: str
) -> None:
    with pytest.raises(InvalidItem) as failure:
        row(collection, item_id, {name: "x", "paid": True})
    (violation,) = failure.value.violations
    assert (violation.pointer, violation.keyword) == (f"/{name.replace('~', '~0')}", "name")
    assert "not a field: rename it" in violation.message
    with pytest.raises(InvalidItem):
        collection.keys.row(item_id, {name: "x"})


def test_a_patch_cannot_name_an_attribute_of_the_table_either() -> None:
    database = Database()
    database.create("shop", "PK", "SK")
    items = ItemStore(database, "shop", Pipeline([orders]))  # type: ignore[arg-type]
    items.put("orders", "c/1", {"pk": 1})
    for name in ("PK", "ends", "~etag"):
        for value in ("x", None):
            with pytest.raises(InvalidItem):
                items.patch("orders", "c/1", {name: value})
    assert items.patch("orders", "c/1", {"pk": None, "expires_at": 5}).item == {
        "customer": "c",
        "order": "1",
        "expires_at": 5,
    }


def test_names_of_other_tables_are_ordinary_fields() -> None:
    item = {"pk": "x", "expires_at": "soon"}
    assert row(orders, "c/1", item, 7) == item | {"PK": "CUSTOMER#c", "SK": "ORDER#1", "ends": 7}
    assert row(plain, "1", {"expires_at": 5}, 7) == {"pk": "plain#1", "expires_at": 5, "ends": 7}
    assert row(fields_named_alike, "n/s", {"pk": 1}) == {"name": "n", "SK": "s#x", "pk": 1}
    found = fields_named_alike.keys.identity({"name": "n", "SK": "s#x"})
    assert found is not None
    assert found.fields == {"name": "n", "SK": "s"}


LONGEST = "c" * (2048 - len("CUSTOMER#")) + "/" + "o" * (1024 - len("ORDER#"))
NOT_ASCII = "é" * ((2048 - len("CUSTOMER#")) // 2) + "/" + "o"
ESCAPED = "~1" * (2048 - len("CUSTOMER#")) + "/" + "~0" * (1024 - len("ORDER#"))


@pytest.mark.parametrize("item_id", [LONGEST, NOT_ASCII, ESCAPED])
def test_an_id_is_as_long_as_its_key_may_be(item_id: str) -> None:
    found = row(orders, item_id, {"paid": True})
    identity = orders.keys.identity(found)
    assert identity is not None
    assert (identity.id, identity.fields) == (item_id, orders.keys.fields_of(item_id))
    customer, order = item_id.split("/")
    for longer, name, limit in ((f"cc{customer}/{order}", "PK", 2048), (f"c/{'o' * 1019}", "SK", 1024)):
        with pytest.raises(InvalidMessage, match=f"the key '{name}' has .* bytes; DynamoDB stores at most {limit}"):
            row(orders, longer, {})
    with pytest.raises(InvalidMessage, match="longer than any key"):
        row(orders, "c" * 1_000_000, {})


def test_an_id_of_a_plain_key_has_at_most_1024_characters_in_any_table() -> None:
    assert row(plain, "x" * 1024, {})["pk"] == "plain#" + "x" * 1024
    for item_id in ("x" * 1025, ""):
        with pytest.raises(InvalidMessage, match="1 to 1024 characters"):
            row(plain, item_id, {})
        with pytest.raises(InvalidMessage):
            plain.keys.key_of(item_id)
    keys = Pipeline([plain]).keys
    assert keys is not None
    image = encode_item({"pk": "plain#" + "x" * 1025})
    with pytest.raises(InvalidMessage, match="1 to 1024 characters"):
        keys.identify(image, image)


def test_an_item_comes_in_with_the_fields_of_its_key_wherever_it_does() -> None:
    kept = Collection(
        "kept", schema={}, key={"device": "{device}", "at": "{at:number}"}, ttl="ends", keep=days(1), keep_from="at"
    )
    given = arriving(Pipeline([kept]), "kept", "d/1700000000", StoredItem({"celsius": Decimal("1.5")}), "")
    assert given == StoredItem({"device": "d", "at": 1_700_000_000, "celsius": Decimal("1.5")}, 1_700_000_000 + 86_400)

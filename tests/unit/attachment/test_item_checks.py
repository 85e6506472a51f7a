"""What keeps a table from holding a definition's items: its key, its TTL attribute, and the keys of its indexes."""

from collections.abc import Mapping
from copy import replace
from typing import Any

import pytest

from tailrace import Collection, Pipeline, days
from tailrace.attachment.facts import Described
from tests.unit.attachment.tables import FINE, ORDERS, PLAIN, TABLE, WANTED, errors, only, table, warnings


def keyed(*attributes: tuple[str, str]) -> Described:
    """Return a table with this key, the partition key first; DescribeTable may list it in another order."""
    schema = [
        {"AttributeName": name, "KeyType": "RANGE" if index else "HASH"} for index, (name, _) in enumerate(attributes)
    ]
    definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in (*attributes, ("other", "N"))]
    return table(KeySchema=schema[::-1], AttributeDefinitions=definitions)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ([("PK", "S")], "with a sort key that the table does not have"),
        ([("pk", "S"), ("SK", "S")], "case matters"),
        ([("SK", "S"), ("PK", "S")], "in another order"),
        ([("PK", "N"), ("SK", "S")], "'PK' (number) and 'SK' (text)"),
        ([("PK", "S"), ("SK", "B")], "'PK' (text) and 'SK' (binary)"),
        ([("customer", "S"), ("order", "N")], "such as {'customer': '{id}', 'order': '{part:number}'}"),
    ],
)
def test_a_key_that_the_definition_does_not_have(attributes: list[tuple[str, str]], told: str) -> None:
    text = only(errors(WANTED, keyed(*attributes)))
    assert told in text
    assert "but key= of the definition is 'PK' (text) and 'SK' (text)" in text


def test_a_definition_without_the_sort_key() -> None:
    pipeline = Pipeline(collections=[Collection("orders", schema={}, key={"PK": "{order}"})])
    assert "is 'PK' (text), without the sort key" in only(errors(WANTED, FINE, pipeline))


def test_the_key_that_is_listed_in_another_order_fits() -> None:
    assert errors(WANTED, keyed(("PK", "S"), ("SK", "S"))) == []


@pytest.mark.parametrize("attributes", [[("id", "S")], [("pk", "N")], [("pk", "S"), ("sk", "S")], [("pk", "B")]])
def test_collections_without_key_need_pk(attributes: list[tuple[str, str]]) -> None:
    text = only(errors(WANTED, keyed(*attributes), PLAIN))
    assert "collections without key= need 'pk' (text): give 'orders', 'users' a key= such as {" in text
    assert errors(WANTED, keyed(("pk", "S")), PLAIN) == []


def with_ttl(status: str, name: str | None = None) -> Described:
    return replace(FINE, time_to_live={"TimeToLiveStatus": status} | ({"AttributeName": name} if name else {}))


EXPIRING = Pipeline(collections=[Collection("orders", schema={}, key=ORDERS.key, ttl="ends_at")])


@pytest.mark.parametrize("status", ["ENABLED", "ENABLING"])
def test_another_ttl_attribute(status: str) -> None:
    """Without ttl=, it is expires_at."""
    found = with_ttl(status, "ends_at")
    assert "the definition's TTL attribute is 'expires_at': write ttl='ends_at'" in only(errors(WANTED, found))
    assert errors(WANTED, found, EXPIRING) == []
    assert "TTL attribute is 'ends_at'" in only(errors(WANTED, with_ttl(status, "expires_at"), EXPIRING))
    assert errors(WANTED, with_ttl(status, "expires_at")) == []


@pytest.mark.parametrize("found", [with_ttl("DISABLED"), with_ttl("DISABLING", "ends_at")])
def test_a_ttl_attribute_that_nothing_expires_by(found: Described) -> None:
    assert errors(WANTED, found, EXPIRING) == []
    assert "table 'shop' has no TTL" in warnings(WANTED, found, EXPIRING)[0]
    assert warnings(WANTED, found) == []


def test_items_that_would_never_expire() -> None:
    """Only this stack gives them their expiry."""
    key = ORDERS.key
    kept = Pipeline(collections=[Collection("orders", schema={}, key=key, keep=days(30), keep_from="placed")])
    assert "would never expire" in only(errors(replace(WANTED, writes=True), FINE, kept))
    assert errors(WANTED, FINE, kept) == []
    assert errors(replace(WANTED, writes=True), with_ttl("ENABLED", "expires_at"), kept) == []


def indexed(name: str, kind: str, where: str = "GlobalSecondaryIndexes") -> Described:
    return table(
        AttributeDefinitions=[*TABLE["AttributeDefinitions"], {"AttributeName": name, "AttributeType": kind}],
        **{where: [{"IndexName": "by", "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}]}]},
    )


STATUS = Pipeline(
    collections=[Collection("orders", schema={"properties": {"status": {"type": "integer"}}}, key=ORDERS.key)]
)


@pytest.mark.parametrize("where", ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"])
def test_items_that_an_index_would_refuse(where: str) -> None:
    writing = replace(WANTED, writes=True)
    assert "needs 'status' as a text" in only(errors(writing, indexed("status", "S", where), STATUS))
    assert errors(writing, indexed("status", "N", where), STATUS) == []
    assert errors(writing, indexed("status", "S", where)) == []  # the schema leaves it open
    assert errors(WANTED, indexed("status", "S", where), STATUS) == []  # nothing is written


@pytest.mark.parametrize(
    ("schema", "match", "name", "kind", "refused"),
    [
        ({"properties": {"status": {"type": ["string", "null"]}}}, {}, "status", "S", False),
        ({"properties": {"status": {"type": ["string", "number"]}}}, {}, "status", "N", False),
        ({"properties": {"status": {"type": "null"}}}, {}, "status", "N", False),
        (
            {"properties": {"a": {}, "customer": {}, "order": {}}, "additionalProperties": False},
            {},
            "status",
            "N",
            False,
        ),
        ({}, {"entity": "Order"}, "entity", "S", False),
        ({}, {"entity": "Order"}, "entity", "N", True),
        ({}, {"entity": True}, "entity", "S", True),
        ({"properties": {"customer": {"type": "string"}}}, {}, "customer", "N", False),  # no attribute
        ({"properties": {"blob": {"type": "string"}}}, {}, "blob", "B", False),  # binary in base64
    ],
)
def test_what_the_schema_says_of_an_index_key(
    schema: Mapping[str, Any], match: Mapping[str, Any], name: str, kind: str, refused: bool
) -> None:
    pipeline = Pipeline(collections=[Collection("orders", schema=schema, key=ORDERS.key, match=match or None)])
    assert bool(errors(replace(WANTED, writes=True), indexed(name, kind), pipeline)) is refused

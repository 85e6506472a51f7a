"""What the engine believes that a table holds, held against DynamoDB Local."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings

from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.items.rows import StoredItem, validated_row
from tailrace.aws.items.store import ItemStore
from tailrace.aws.runtime.clients import client
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.limits import MAX_ITEM_BYTES, check_item
from tailrace.encoding.numbers import parse_number
from tailrace.errors import InvalidItem, InvalidMessage, TailraceError
from tests.strategies import values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THINGS = load_pipeline("tests.pipelines.anything:pipeline")


@pytest.fixture
def store(dynamodb: "DynamoDBClient", table: Callable[..., str]) -> ItemStore:
    return ItemStore(dynamodb, table("pk"), THINGS)


def nested(kind: type, levels: int, leaf: Any) -> Any:
    for _ in range(levels):
        leaf = {"a": leaf} if kind is dict else [leaf]
    return leaf


HELD: dict[str, dict[str, Any]] = {
    "empty text and binary": {"a": "", "b": b"", "c": {"", "x"}, "d": {b""}},
    "an empty map and list": {"a": {}, "b": []},
    "38 digits": {"a": int("9" * 38), "b": parse_number("0." + "1" * 38), "c": {int("9" * 38)}},
    "trailing zeros": {"a": parse_number("1.5" + "0" * 60), "b": 10**125},
    "the largest and smallest numbers": {"a": parse_number("9." + "9" * 37 + "E125"), "b": parse_number("-1E-130")},
    "31 maps": {"a": nested(dict, 31, "x")},
    "31 lists": {"a": nested(list, 31, {1, 2})},
    "30 maps around an empty one": {"a": nested(dict, 30, {})},
    "a name of 64 KB": {"n" * 65_535: 1},
    "awkward names": {"#": 1, "~": 2, ":a": 3, "a.b": {"c[0]": 4}, "\x00": 5, "é€😀": 6, '"': 7},
    "almost 400 KB": {"a": "é" * (MAX_ITEM_BYTES // 2 - 40)},
    "control characters": {"a": "\x01" * (MAX_ITEM_BYTES - 60)},
}

NOT_HELD: dict[str, dict[str, Any]] = {
    "an empty name": {"": 1},
    "an empty name inside": {"a": [{"": 1}]},
    "an empty set": {"a": set()},
    "a set of two kinds": {"a": {1, "x"}},
    "a set of truth values": {"a": {True}},
    "a set of nothing": {"a": {None}},
    "39 digits": {"a": int("1" * 39)},
    "39 digits in a set": {"a": {int("1" * 39)}},
    "too large a number": {"a": 10**126},
    "too large a number in a set": {"a": {10**126}},
    "too small a number": {"a": parse_number("1E-131")},
    "32 maps": {"a": nested(dict, 32, "x")},
    "32 lists": {"a": nested(list, 32, 1)},
    "31 maps around an empty one": {"a": nested(dict, 31, {})},
    "31 lists around an empty one": {"a": nested(list, 31, [])},
    "a name of more than 64 KB": {"n" * 65_536: 1},
    "more than 400 KB": {"a": "x" * MAX_ITEM_BYTES},
    "more than 400 KB of names": {f"{n:05}" * 100: True for n in range(900)},
}


@pytest.mark.parametrize("name", HELD)
def test_what_is_let_through_the_table_holds(store: ItemStore, name: str) -> None:
    store.put("things", "1", HELD[name])
    assert store.get("things", "1").item == HELD[name]


@pytest.mark.parametrize("name", NOT_HELD)
def test_what_is_refused_the_table_would_refuse(store: ItemStore, name: str) -> None:
    with pytest.raises(InvalidItem):
        store.put("things", "1", NOT_HELD[name])
    with pytest.raises((ClientError, TailraceError)):
        store.client.put_item(TableName=store.table, Item=encode_item({"pk": "things#1"} | NOT_HELD[name]))


@pytest.mark.parametrize("length", [1, 1024])
def test_any_id_that_is_let_through_is_a_key(store: ItemStore, length: int) -> None:
    for character in "a#~%/é\x00":
        item_id = character * length
        if len(item_id.encode()) > 2000:
            continue
        store.put("things", item_id, {"a": 1})
        assert store.patch("things", item_id, {"b": 2}).item == {"a": 1, "b": 2}
        assert store.delete("things", item_id)


@pytest.mark.parametrize("item_id", ["", "a" * 1025, "é" * 1024, "\ud800"])
def test_no_other_id_reaches_the_table(store: ItemStore, item_id: str) -> None:
    for call in (
        lambda: store.put("things", item_id, {"a": 1}),
        lambda: store.patch("things", item_id, {"a": 1}),
        lambda: store.get("things", item_id),
        lambda: store.delete("things", item_id),
    ):
        with pytest.raises((InvalidMessage, InvalidItem)):
            call()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values)
def test_whatever_the_check_says_the_table_says(store: ItemStore, value: Any) -> None:
    item = {"a": value}
    try:
        check_item("things#1", item)
    except InvalidItem:
        with pytest.raises(ClientError):
            store.client.put_item(TableName=store.table, Item=encode_item({"pk": "things#1"} | item))
    else:
        store.put("things", "1", item)
        assert store.get("things", "1").item == item
        assert store.get("things", "1").etag == StoredItem(item).etag
        assert store.patch("things", "1", {"b": 1}).item == item | {"b": 1}


def test_a_patch_compares_as_many_fields_as_it_says(store: ItemStore) -> None:
    store.put("things", "1", {f"f{n}": n for n in range(139)}, 1_900_000_000)
    assert len(store.patch("things", "1", {"f0": "x", "new": 1}).item) == 140
    with pytest.raises(InvalidItem, match="put the whole item"):
        store.patch("things", "1", {"newer": 1})


def test_large_rows_are_stored_by_the_call(store: ItemStore) -> None:
    rows = [validated_row(THINGS, "things", str(n), StoredItem({"a": "\x01" * 80_000})) for n in range(26)]
    assert put_all_or_raise(store.client, store.table, rows) == []
    assert store.get("things", "25").item == {"a": "\x01" * 80_000}


def test_a_row_that_the_table_finds_invalid_keeps_no_other_out(store: ItemStore) -> None:
    rows: list[dict[str, Any]] = [{"pk": {"S": f"things#{n}"}, "a": {"N": "1"}} for n in range(30)]
    rows[7]["a"] = {"N": "1" * 39}
    (refused,) = put_all_or_raise(store.client, store.table, rows)
    assert refused.position == 7
    assert "38 digits" in refused.reason
    assert len(store.client.scan(TableName=store.table)["Items"]) == 29


def test_a_query_answers_what_the_table_holds(
    dynamodb_endpoint: str, table: Callable[..., str], aws_env: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are taken as the table sends them, past the SDK's own reading of them, and every type is read alike."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_endpoint)
    name = table("pk", "sk")
    row: dict[str, Any] = {"pk": "a", "sk": "b", "s": "é\x00", "n": parse_number("1.50"), "b": b"\x00\xff", "t": True}
    row |= {"u": None, "m": {"b": b"x"}, "l": [1, b"y", {"a"}]}
    row |= {"ss": {"a", "b"}, "ns": {1, parse_number("2.5")}, "bs": {b"\x00", b"\x01"}}
    made = client("dynamodb")
    made.put_item(TableName=name, Item=encode_item(row))
    asked: Any = {
        "TableName": name,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "a"}},
        "Limit": 1,
    }
    answer = made.query(**asked)
    assert [decode_item(found) for found in answer["Items"]] == [row]
    assert (answer["Count"], answer["LastEvaluatedKey"]) == (1, {"pk": {"S": "a"}, "sk": {"S": "b"}})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        made.query(**asked | {"TableName": "nowhere"})

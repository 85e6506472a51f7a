"""Files that describe an existing table: what the AWS CLI prints is read, everything else is one clear sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.errors import TableFileInvalid
from local.existing_table import BOTH_IMAGES, TableFile, attach
from tests.unit.local.table_descriptions import DESCRIBED, INDEX, KEYS, write


def test_a_description_becomes_the_input_of_create_table(tmp_path: Path) -> None:
    """With its indexes, which its writers may query, and without what only describes it."""
    found = TableFile.read(write(tmp_path, "table.json", DESCRIBED))
    assert found.request == KEYS | {"GlobalSecondaryIndexes": [INDEX], "BillingMode": "PAY_PER_REQUEST"}
    assert (found.name, found.warning, found.items) == ("shop", "", ())


def test_the_input_of_create_table_is_read_as_well(tmp_path: Path) -> None:
    given = KEYS | {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {}, "StreamSpecification": BOTH_IMAGES}
    found = TableFile.read(write(tmp_path, "table.json", given))
    assert found.request == KEYS | {"BillingMode": "PAY_PER_REQUEST"}
    assert found.has_stream


@pytest.mark.parametrize(
    "stream", [None, {"StreamEnabled": False}, {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}]
)
def test_a_stream_without_both_images_is_warned_of(tmp_path: Path, stream: Any) -> None:
    """The local table gets one, so the local stack would not show what AWS refuses."""
    found = TableFile.read(write(tmp_path, "table.json", KEYS | {"StreamSpecification": stream}))
    assert "update-table --table-name shop" in found.warning


def test_items_are_what_a_scan_prints(tmp_path: Path) -> None:
    items = [{"PK": {"S": "a"}, "SK": {"S": "b"}}]
    scanned = write(tmp_path, "items.json", {"Items": items, "Count": 1, "ScannedCount": 1, "ConsumedCapacity": None})
    assert TableFile.read(write(tmp_path, "table.json", DESCRIBED), scanned).items == items


def test_binary_is_what_its_base64_says(tmp_path: Path) -> None:
    """At any depth: boto3 encodes what it is given, so a key would be another one."""
    printed = {
        "PK": {"B": "aGVsbG8="},
        "all": {"BS": ["AA==", "/w=="]},
        "deep": {"M": {"B": {"L": [{"B": ""}, {"S": "aGVsbG8="}]}}},
    }
    found = TableFile.read(
        write(tmp_path, "table.json", DESCRIBED), write(tmp_path, "items.json", {"Items": [printed]})
    )
    assert found.items == [
        {
            "PK": {"B": b"hello"},
            "all": {"BS": [b"\x00", b"\xff"]},
            "deep": {"M": {"B": {"L": [{"B": b""}, {"S": "aGVsbG8="}]}}},
        }
    ]


@pytest.mark.parametrize("text", ["hello", "aGVsbG8", "\u00e9", "aGVs bG8="])
def test_binary_that_is_not_base64_is_refused(tmp_path: Path, text: str) -> None:
    items = write(tmp_path, "items.json", {"Items": [{"PK": {"B": text}}]})
    with pytest.raises(TableFileInvalid, match=r"items.json cannot be read: it has a binary value that is not base64"):
        TableFile.read(write(tmp_path, "table.json", DESCRIBED), items)


@pytest.mark.parametrize(
    "value",
    [
        "north",
        7,
        None,
        ["north"],
        {},
        {"S": "a", "N": "1"},
        {"X": "a"},
        {"S": None},
        {"N": 7},
        {"BOOL": "yes"},
        {"B": 7},
        {"SS": "north"},
        {"NS": [1]},
        {"L": "north"},
        {"L": ["north"]},
        {"M": ["north"]},
        {"M": {"shop": "north"}},
        {"S": ["long"] * 99},
    ],
)
def test_what_is_no_attribute_value_is_refused(tmp_path: Path, value: Any) -> None:
    """As if somebody had written plain JSON. boto3 fails at most of them, and takes a text for a list."""
    items = write(tmp_path, "items.json", {"Items": [{"PK": {"S": "a"}, "shop": value}]})
    told = r'items.json cannot be read: .{1,61} is not an attribute value such as \{"S": "text"\}, as'
    with pytest.raises(TableFileInvalid, match=told):
        TableFile.read(write(tmp_path, "table.json", DESCRIBED), items)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "7", '{"Table": 1}', '{"Table": {"TableName": "shop"}}', "[" * 99999]
)
def test_what_describes_no_table_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(TableFileInvalid, match=r"table.json (cannot be read|does not describe a table)"):
        TableFile.read(write(tmp_path, "table.json", content))


@pytest.mark.parametrize(
    "part",
    [
        {"KeySchema": ["PK"]},
        {"AttributeDefinitions": [1]},
        {"GlobalSecondaryIndexes": [1]},
        {"LocalSecondaryIndexes": {"IndexName": "kinds"}},
        {"LocalSecondaryIndexes": [{"IndexName": "kinds", "KeySchema": ["PK"]}]},
        {"GlobalSecondaryIndexes": [{"IndexName": "kinds", "KeySchema": "PK"}]},
        {"GlobalSecondaryIndexes": [{"IndexName": "kinds", "KeySchema": [], "Projection": "ALL"}]},
    ],
)
def test_anything_but_objects_is_refused_where_they_belong(tmp_path: Path, part: dict[str, Any]) -> None:
    with pytest.raises(TableFileInvalid, match=r"table.json does not describe a table"):
        TableFile.read(write(tmp_path, "table.json", KEYS | part))


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """As editors and shells on Windows write it."""
    path = tmp_path / "table.json"
    path.write_text(json.dumps(DESCRIBED), encoding="utf-8-sig")
    assert TableFile.read(path).name == "shop"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"Items": {}}', '{"Items": [1]}'])
def test_what_holds_no_items_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(TableFileInvalid, match=r"items.json (cannot be read|has no Items)"):
        TableFile.read(write(tmp_path, "table.json", DESCRIBED), write(tmp_path, "items.json", content))


def test_items_with_a_name_twice_are_refused_with_the_name(tmp_path: Path) -> None:
    items = '{"Items": [{"pk": {"S": "a"}, "n": {"N": "1"}, "\\u006e": {"N": "2"}}]}'
    with pytest.raises(TableFileInvalid, match=r"items.json cannot be read: the name \"n\" occurs more than once"):
        TableFile.read(write(tmp_path, "table.json", DESCRIBED), write(tmp_path, "items.json", items))


def test_without_a_table_nothing_is_attached() -> None:
    assert attach({"LogLevel": "DEBUG"}, "", None, "http://nowhere.invalid") == {"LogLevel": "DEBUG"}

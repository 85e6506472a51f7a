"""Reports of refused items: named by where the item came from, and readable whatever the item was."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from tailrace.encoding.tagged_json import loads
from tailrace.errors import Violation
from tailrace.outputs.quarantine import quarantine_object
from tailrace.outputs.stored_object import StoredObject
from tests.strategies import values

BROKEN = [Violation("/a~1b", "type", "not a number")]


def told(item: Any = None, **changes: Any) -> StoredObject:
    given: dict[str, Any] = {
        "entrance": "file",
        "collection": "orders",
        "id": "1",
        "item": item,
        "violations": BROKEN,
        "origin": {"file": "inbox/orders/x.csv", "line": "7"},
        "time": "2024-10-27T01:02:03Z",
    }
    return quarantine_object(**given | changes)


@given(values)
def test_an_item_is_kept_whole_with_its_violations_and_its_origin(item: Any) -> None:
    assert loads(told(item).body) == {
        "entrance": "file",
        "collection": "orders",
        "id": "1",
        "origin": {"file": "inbox/orders/x.csv", "line": "7"},
        "time": "2024-10-27T01:02:03Z",
        "violations": [{"pointer": "/a~1b", "keyword": "type", "message": "not a number"}],
        "item": item,
    }


def test_a_second_delivery_makes_the_same_object() -> None:
    assert told({"a": {3, 1, 2}}) == told({"a": {2, 3, 1}})


@pytest.mark.parametrize(
    "change", [{"entrance": "queue"}, {"origin": {"file": "inbox/orders/x.csv", "line": "8"}}, {"origin": {}}]
)
def test_another_origin_makes_another_object(change: dict[str, Any]) -> None:
    assert told(**change).key != told().key


@pytest.mark.parametrize("collection", [None, "", "Orders", "../x", "a/b", "é", "a" * 49])
def test_what_is_no_collection_has_no_folder_of_its_own(collection: str | None) -> None:
    assert told(collection=collection).key.startswith("quarantine/unknown/date=2024-10-27/")


UNWRITABLE: dict[str, Any] = {
    "half a character": {"a": "b\ud800", "\udfff": 1},
    "text that is half a character": "\ud800",
    "an object": {"a": object()},
    "not a number": {"a": Decimal("NaN")},
    "infinity": {"a": [Decimal("Infinity")]},
}
UNWRITABLE["nesting"] = []
for _ in range(5000):
    UNWRITABLE["nesting"] = [UNWRITABLE["nesting"]]


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_json_cannot_hold_is_kept_as_text(name: str) -> None:
    made = told(UNWRITABLE[name], id="\ud800", violations=[Violation("/\ud800", "text", "half\ud800")])
    found = loads(made.body)
    assert found["item"]
    assert found["id"] == "\\ud800"
    assert found["violations"][0]["keyword"] == "text"
    assert json.loads(made.body)

"""Quarantine reports: named after the item's origin, and valid JSON whatever the item was."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from tailrace.encoding.tagged_json import loads
from tailrace.errors import Violation
from tailrace.outputs.quarantine_reports import quarantine_object
from tailrace.outputs.stored_object import StoredObject
from tests.strategies import values

BROKEN = [Violation("/a~1b", "type", "not a number")]


def report(item: Any = None, **changes: Any) -> StoredObject:
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
def test_a_report_has_the_whole_item_its_violations_and_its_origin(item: Any) -> None:
    assert loads(report(item).body) == {
        "entrance": "file",
        "collection": "orders",
        "id": "1",
        "origin": {"file": "inbox/orders/x.csv", "line": "7"},
        "time": "2024-10-27T01:02:03Z",
        "violations": [{"pointer": "/a~1b", "keyword": "type", "message": "not a number"}],
        "item": item,
    }


def test_a_second_delivery_gives_the_same_object() -> None:
    assert report({"a": {3, 1, 2}}) == report({"a": {2, 3, 1}})


@pytest.mark.parametrize(
    "change", [{"entrance": "queue"}, {"origin": {"file": "inbox/orders/x.csv", "line": "8"}}, {"origin": {}}]
)
def test_another_origin_gives_another_object(change: dict[str, Any]) -> None:
    assert report(**change).key != report().key


@pytest.mark.parametrize("collection", [None, "", "Orders", "../x", "a/b", "é", "a" * 49])
def test_an_invalid_collection_name_is_filed_under_unknown(collection: str | None) -> None:
    assert report(collection=collection).key.startswith("quarantine/unknown/date=2024-10-27/")


UNWRITABLE: dict[str, Any] = {
    "lone surrogates": {"a": "b\ud800", "\udfff": 1},
    "a text of one lone surrogate": "\ud800",
    "an object": {"a": object()},
    "not a number": {"a": Decimal("NaN")},
    "infinity": {"a": [Decimal("Infinity")]},
}
UNWRITABLE["nesting"] = []
for _ in range(5000):
    UNWRITABLE["nesting"] = [UNWRITABLE["nesting"]]


@pytest.mark.parametrize("name", UNWRITABLE)
def test_an_item_that_json_cannot_represent_is_kept_as_text(name: str) -> None:
    made = report(
        UNWRITABLE[name],
        id="\ud800",
        violations=[Violation("/\ud800", "text", "half\ud800")],
        details={"expires_at": UNWRITABLE[name]},
    )
    found = loads(made.body)
    assert found["item"]
    assert found["expires_at"]
    assert found["id"] == "\\ud800"
    assert found["violations"][0]["keyword"] == "text"
    assert json.loads(made.body)

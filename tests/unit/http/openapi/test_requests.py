"""What a request may leave out, because the entrance fills it in, the document does not ask for."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tailrace import Collection, Pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.http.openapi.document import build_document, security

FIELDS = ["customer", "order", "kind", "at", "total"]
NESTED = {"type": "object", "required": ["at"]}
SCHEMA = {"required": FIELDS, "properties": {**{name: {"type": "string"} for name in FIELDS[:4]}, "lines": NESTED}}
OPTIONS: dict[str, Any] = {
    "key": {"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}"},
    "match": {"kind": "order"},
    "received": "at",
}


def document(schema: dict[str, Any], **options: Any) -> dict[str, Any]:
    collection = Collection("orders", schema=schema, **options)
    made: dict[str, Any] = json.loads(dumps(build_document(Pipeline([collection]), security(None))))
    return made


def schemas_of_requests(found: dict[str, Any]) -> list[str]:
    path = found["paths"]["/collections/orders/items"]
    bodies = [path[verb]["requestBody"]["content"]["application/json"]["schema"] for verb in ("put", "post")]
    return [bodies[0]["$ref"], bodies[1]["properties"]["items"]["items"]["properties"]["item"]["$ref"]]


@pytest.mark.parametrize("kind", [{}, {"type": "object"}])
def test_a_request_may_lack_what_is_filled_in(kind: dict[str, str]) -> None:
    found = document(SCHEMA | kind, **OPTIONS)
    assert schemas_of_requests(found) == ["#/components/schemas/orders-item-request"] * 2
    stored, sent = (
        Draft202012Validator({"$ref": f"#/components/schemas/{name}"} | found)
        for name in ("orders-item", "orders-item-request")
    )
    whole = {"customer": "a", "order": "7", "kind": "order", "at": "2026-01-01T00:00Z", "total": 1}
    assert stored.is_valid(whole)
    assert sent.is_valid(whole)
    assert sent.is_valid({"total": 1})
    assert not stored.is_valid({"total": 1})
    refused: list[Any] = [{}, {"total": 1, "at": 7}, {"total": 1, "lines": {}}, []]
    assert not any(map(sent.is_valid, refused))


@pytest.mark.parametrize("options", [{}, {"key": {"pk": "ORDER#{order}"}}, {"received": "at"}])
def test_requests_have_the_schema_of_the_item_if_they_may_lack_nothing(options: dict[str, Any]) -> None:
    found = document(SCHEMA | {"required": ["total"]}, **options)
    assert schemas_of_requests(found) == ["#/components/schemas/orders-item"] * 2
    assert "orders-item-request" not in found["components"]["schemas"]

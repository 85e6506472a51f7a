"""The paths of a collection: its items by the path, by the query, and many at once."""

from collections.abc import Mapping
from typing import Any

from tailrace.definition.collection import Collection
from tailrace.encoding.json_types import Json
from tailrace.http.openapi.components import (
    ETAG,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    JSON,
    REPLAYED,
    body,
    error_responses,
    parameter,
    reference,
    response,
)
from tailrace.http.requests import MAX_ITEMS

_MERGE_PATCH = "application/merge-patch+json"
_ID = {"type": "string", "minLength": 1, "maxLength": 1024}
_EPOCH = {"type": "integer", "minimum": 0, "maximum": 10**11 - 1, "description": "Seconds since 1970."}
_EXPIRES_AT = parameter("expires_at", "query", _EPOCH, "When the item ends, by TTL; without it the item stays.")
_LOCATION = {"Location": {"required": True, "schema": {"type": "string"}}}
_BODY_NOT_STORED = {
    "204": response(
        "The answer to a repeat, where the item was too large for its answer to be kept.", headers=ETAG | REPLAYED
    )
}

# keywords whose values are no schemas, so that nothing in them is a reference
_VALUES = ("enum", "const", "default", "examples")


def item_schema(collection: Collection) -> Json:
    """Return a collection's own schema, with its inner references as they have to be within the document."""
    base_reference: str = reference(_name(collection))["$ref"]
    embedded: Json = _embed(collection.compiled.document, base_reference)
    return embedded


def item_paths(collection: Collection) -> dict[str, Json]:
    """Return the paths of a collection, with their operations."""
    root = f"/collections/{collection.name}/items"
    text = "The item's id, percent-encoded. One with `%` or `?` does not survive the gateway: give it as a parameter."
    in_path = parameter("id", "path", _ID, text, required=True)
    in_query = parameter("id", "query", _ID, "The item's id, of any characters.", required=True)
    by_path: Json = {"parameters": [in_path], **_operations(collection, "")}
    by_query: Json = {"parameters": [in_query], **_operations(collection, "-by-query")}
    # many at once are not named by a parameter, so what the others share is said for each of them
    shared = by_query.pop("parameters")
    each = {
        method: operation | {"parameters": shared + operation["parameters"]} for method, operation in by_query.items()
    }
    return {f"{root}/{{id}}": by_path, root: each | {"post": _batch(collection)}}


def _operations(collection: Collection, suffix: str) -> dict[str, Json]:
    item = reference(_name(collection))
    whole = response("The whole item.", _stored(collection), ETAG | REPLAYED)
    read = {
        "200": response("The item.", _read(collection), ETAG),
        "304": response("The caller has it already.", headers=ETAG),
        **error_responses((400, 404, 412, 422, 503)),
    }
    put = {
        "200": response("It replaced an item.", item, ETAG | REPLAYED),
        "201": response("It is new.", item, ETAG | REPLAYED | _LOCATION),
        **_BODY_NOT_STORED,
        **error_responses((400, 404, 409, 412, 413, 415, 422, 503)),
    }
    patched = {"200": whole, **_BODY_NOT_STORED, **error_responses((400, 404, 409, 412, 413, 415, 422, 503))}
    deleted = {"204": response("It is not there.", headers=REPLAYED), **error_responses((400, 404, 409, 412, 422, 503))}
    merged = "Merge a patch into an item (RFC 7396); the whole is validated."
    write_headers = [IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY]
    operations = {
        "get": {"summary": "Read an item.", "parameters": write_headers[:2], "responses": read},
        "put": {
            "summary": "Store a whole item.",
            "parameters": [_EXPIRES_AT, *write_headers],
            "requestBody": body(item),
            "responses": put,
        },
        "patch": {
            "summary": merged,
            "parameters": write_headers,
            "requestBody": body({"type": "object"}, _MERGE_PATCH, JSON),
            "responses": patched,
        },
        "delete": {"summary": "Delete an item, if it is there.", "parameters": write_headers, "responses": deleted},
    }
    named = {verb: f"{verb}-{collection.name}-item{suffix}" for verb in operations}
    return {
        verb: {"operationId": named[verb], "tags": [f"{collection.name} items"]} | operation
        for verb, operation in operations.items()
    }


def _batch(collection: Collection) -> Json:
    entry = {
        "type": "object",
        "required": ["id", "item"],
        "additionalProperties": False,
        "properties": {"id": _ID, "item": reference(_name(collection)), "expires_at": _EPOCH},
    }
    items = {"type": "array", "maxItems": MAX_ITEMS, "items": entry}
    done = {
        "required": ["id", "status", "etag"],
        "properties": {"id": {"type": "string"}, "status": {"const": 200}, "etag": ETAG["ETag"]["schema"]},
        "additionalProperties": False,
    }
    refused = {
        "required": ["id", "status", "problem"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "status": {"enum": [400, 413, 422, 503]},
            "problem": reference("problem"),
        },
        "additionalProperties": False,
    }
    results = {"type": "array", "items": {"type": "object", "oneOf": [done, refused]}}
    return {
        "operationId": f"post-{collection.name}-items",
        "summary": "Store many items; each is stored or refused by itself.",
        "tags": [f"{collection.name} items"],
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": body(_closed_object({"items": items})),
        "responses": {
            "207": response(
                "A result for each item, in the order of the request.", _closed_object({"results": results}), REPLAYED
            ),
            **error_responses((400, 409, 415, 422, 503)),
        },
    }


def _closed_object(properties: Json) -> Json:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _read(collection: Collection) -> Json:
    found = _closed_object({"id": {"type": "string"}, "item": _stored(collection)})
    found["properties"]["expires_at"] = {"description": "Seconds since 1970, unless another writer put something else."}
    return found


def _stored(collection: Collection) -> Json:
    """Return the schema of an item as it is read: no gate stands before who writes the table itself."""
    text = (
        "An item that came through a gate fits the first; one that was written straight into the table is shown as it "
        'is. Sets are `{"~set": […]}`, binary is `{"~bytes": "<base64>"}`.'
    )
    return {"description": text, "anyOf": [reference(_name(collection)), {"type": "object"}]}


def _name(collection: Collection) -> str:
    return f"{collection.name}-item"


def _embed(schema: Any, base_reference: str) -> Any:
    if isinstance(schema, list):
        return [_embed(inner, base_reference) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {keyword: _embed_keyword(keyword, value, base_reference) for keyword, value in schema.items()}


def _embed_keyword(keyword: str, value: Any, base_reference: str) -> Any:
    match keyword:
        case _ if keyword in _VALUES:
            return value
        case "$ref" if isinstance(value, str) and value.startswith("#"):
            return base_reference + value[1:]
        case "properties" | "$defs" | "patternProperties" | "dependentSchemas":
            return {name: _embed(inner, base_reference) for name, inner in value.items()}
    return _embed(value, base_reference)

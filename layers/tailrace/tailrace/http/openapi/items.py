"""The OpenAPI paths of a collection: one item, by path or by query parameter, and batches of items."""

from collections.abc import Set as AbstractSet

from tailrace.definition.collection import Collection
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import MAX_ID_CHARACTERS, MAX_KEY_ID_CHARACTERS
from tailrace.encoding.times import MAX_EPOCH_SECOND
from tailrace.http.openapi.components import (
    ETAG,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    JSON,
    REPLAYED,
    body,
    closed_object,
    error_responses,
    parameter,
    reference,
    response,
)
from tailrace.http.requests import MAX_ITEMS

_MERGE_PATCH = "application/merge-patch+json"
_EPOCH = {"type": "integer", "minimum": 0, "maximum": MAX_EPOCH_SECOND, "description": "Seconds since 1970."}
_LOCATION = {"Location": {"required": True, "schema": {"type": "string"}}}
_BODY_NOT_STORED = {
    "204": response("The response to a retry if the original response was too large to store.", headers=ETAG | REPLAYED)
}


def item_schemas(collection: Collection) -> dict[str, Json]:
    """Return a collection's schema by its name in the document, and that of requests if they may lack something."""
    found = {_request_name(collection): _item_schema(collection, _request_name(collection), _filled_in(collection))}
    return found | {_name(collection): _item_schema(collection, _name(collection), frozenset())}


def _item_schema(collection: Collection, name: str, optional: AbstractSet[str]) -> Json:
    """Return a collection's schema at its place in the document; items are objects, whatever else it allows."""
    place = reference(name)["$ref"]
    is_object = collection.compiled.document.get("type") == "object"
    schema = collection.compiled.embedded_at(place if is_object else f"{place}/allOf/0")
    if not optional.isdisjoint(schema.get("required", ())):
        schema["required"] = [field for field in schema["required"] if field not in optional]
    return schema if is_object else {"type": "object", "allOf": [schema]}


def item_paths(collection: Collection) -> dict[str, Json]:
    """Return the paths of a collection and their operations."""
    root = f"/collections/{collection.name}/items"
    text = "The item's id, percent-encoded. The gateway mangles `%` and `?`: pass such ids as a query parameter."
    in_path = parameter("id", "path", _id(collection), text, required=True)
    in_query = parameter("id", "query", _id(collection), "The item's id; any characters.", required=True)
    by_path: Json = {"parameters": [in_path], **_operations(collection, "")}
    by_query: Json = {"parameters": [in_query], **_operations(collection, "-by-query")}
    # POST on the same path takes no id, so the parameter cannot be shared by the whole path
    shared = by_query.pop("parameters")
    each = {
        method: operation | {"parameters": shared + operation["parameters"]} for method, operation in by_query.items()
    }
    return {f"{root}/{{id}}": by_path, root: each | {"post": _batch(collection)}}


def _id(collection: Collection) -> Json:
    keys = collection.keys
    if keys.is_plain:
        return {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
    form = "/".join(f"<{name}>" for name in keys.fields)
    text = f"Of the form {form}" + ("; `~` and `/` within a value are written `~0` and `~1`." if "/" in form else ".")
    return {"type": "string", "minLength": 1, "maxLength": MAX_KEY_ID_CHARACTERS, "description": text}


def _operations(collection: Collection, suffix: str) -> dict[str, Json]:
    item = reference(_request_name(collection))
    stored = _stored(collection)
    whole = response("The whole item.", stored, ETAG | REPLAYED)
    read = {
        "200": response("The item.", _read(collection), ETAG),
        "304": response("Not modified.", headers=ETAG),
        **error_responses((400, 404, 412, 422, 503)),
    }
    put = {
        "200": response("Replaced an existing item.", stored, ETAG | REPLAYED),
        "201": response("Created a new item.", stored, ETAG | REPLAYED | _LOCATION),
        **_BODY_NOT_STORED,
        **error_responses((400, 404, 409, 412, 413, 415, 422, 503)),
    }
    patched = {"200": whole, **_BODY_NOT_STORED, **error_responses((400, 404, 409, 412, 413, 415, 422, 503))}
    deleted = {
        "204": response("Deleted, or did not exist.", headers=REPLAYED),
        **error_responses((400, 404, 409, 412, 422, 503)),
    }
    write_headers = [IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY]
    operations = {
        "get": {"summary": "Get an item.", "parameters": write_headers[:2], "responses": read},
        "put": {
            "summary": "Create or replace an item.",
            "parameters": [_expires_at(collection), *write_headers],
            "requestBody": body(item),
            "responses": put,
        },
        "patch": {
            "summary": "Apply a merge patch to an item (RFC 7396); the result is validated.",
            "parameters": write_headers,
            "requestBody": body({"type": "object"}, _MERGE_PATCH, JSON),
            "responses": patched,
        },
        "delete": {"summary": "Delete an item if it exists.", "parameters": write_headers, "responses": deleted},
    }
    named = {verb: f"{verb}-{collection.name}-item{suffix}" for verb in operations}
    return {
        verb: {"operationId": named[verb], "tags": [f"{collection.name} items"]} | operation
        for verb, operation in operations.items()
    }


def _expires_at(collection: Collection) -> Json:
    counted = collection.lifetime and f"it is counted from `{collection.lifetime.path.source}`, if the item has that"
    text = f"When TTL deletes the item; by default {counted or 'it never expires'}."
    return parameter("expires_at", "query", _EPOCH, text)


def _batch(collection: Collection) -> Json:
    entry = closed_object({"id": _id(collection), "item": reference(_request_name(collection))}, {"expires_at": _EPOCH})
    items = {"type": "array", "maxItems": MAX_ITEMS, "items": entry}
    stored = closed_object({"id": {"type": "string"}, "status": {"const": 200}, "etag": ETAG["ETag"]["schema"]})
    refused = closed_object(
        {
            "id": {"type": ["string", "null"]},
            "status": {"enum": [400, 413, 422, 503]},
            "problem": reference("problem"),
        }
    )
    results = {"type": "array", "items": {"oneOf": [stored, refused]}}
    return {
        "operationId": f"post-{collection.name}-items",
        "summary": "Store many items; each succeeds or fails on its own.",
        "tags": [f"{collection.name} items"],
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": body(closed_object({"items": items})),
        "responses": {
            "207": response("One result per item, in request order.", closed_object({"results": results}), REPLAYED),
            "204": response("The response to a retry if the results were too large to store.", headers=REPLAYED),
            **error_responses((400, 409, 415, 422, 503)),
        },
    }


def _read(collection: Collection) -> Json:
    expires_at = {"description": "Seconds since 1970, unless another writer stored something else."}
    return closed_object({"id": {"type": "string"}, "item": _stored(collection)}, {"expires_at": expires_at})


def _stored(collection: Collection) -> Json:
    """Return the schema of an item as read, which need not be valid: anyone may write to the table directly."""
    text = (
        "Items from the API, the queue or a file match the collection's schema, which sees sets and binary as lists "
        'and texts; they are returned as `{"~set": […]}` and `{"~bytes": "<base64>"}`. An item written directly to the '
        "table is returned as is."
    )
    return {"description": text, "anyOf": [reference(_name(collection)), {"type": "object"}]}


def _name(collection: Collection) -> str:
    return f"{collection.name}-item"


def _request_name(collection: Collection) -> str:
    required = collection.compiled.document.get("required", ())
    return _name(collection) + ("" if _filled_in(collection).isdisjoint(required) else "-request")


def _filled_in(collection: Collection) -> AbstractSet[str]:
    """Return the fields that an item has although the request lacks them: of its id, its collection and its arrival."""
    return {*collection.keys.fields, *collection.keys.match, *filter(None, [collection.received_field])}

"""The OpenAPI 3.1 document of a pipeline's API, generated from the definition.

Each collection and each aggregate has its own paths, so items use the collection's schema and query parameters are
the aggregate's groups. Source: https://spec.openapis.org/oas/v3.1.1.html
"""

from collections.abc import Mapping, Sequence

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Json
from tailrace.http.openapi.aggregates import aggregate_paths, aggregates_path, row_schema
from tailrace.http.openapi.components import components, error_responses, gateway_responses, problem_schema, response
from tailrace.http.openapi.health import health_path
from tailrace.http.openapi.items import item_paths, item_schemas
from tailrace.version import VERSION

_WRITES = ("put", "patch", "post", "delete")


def security(token_issuer: str | None) -> dict[str, Json]:
    """Return the security scheme: tokens from this issuer, or AWS signatures if it is None."""
    if token_issuer is not None:
        address = f"{token_issuer.rstrip('/')}/.well-known/openid-configuration"
        return {"token": {"type": "openIdConnect", "openIdConnectUrl": address}}
    signature = {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"}
    return {"signature": signature | {"description": "AWS Signature Version 4 for the service execute-api."}}


def build_document(
    pipeline: Pipeline,
    security: Mapping[str, Json],
    aggregates: Sequence[Aggregate] | None = None,
    *,
    writes_items: bool = True,
    scopes: tuple[str, str] = ("", ""),
) -> Json:
    """Return the document of a pipeline's API; ``security`` maps names to security schemes.

    ``aggregates`` are the versions that readers are shown, one of each name; by default the highest.
    Without ``writes_items``, the operations that write items are left out.
    ``scopes`` are those that a token needs to read and to write; empty if they are unknown.
    """
    aggregates = pipeline.newest_aggregates if aggregates is None else aggregates
    own = response("This document.", {"type": "object", "required": ["openapi"]})
    paths: dict[str, Json] = {
        "/openapi.json": {
            "get": {
                "operationId": "get-openapi",
                "summary": "Get this document.",
                "responses": {"200": own, **error_responses((400, 503))},
            }
        }
    }
    paths |= health_path()
    schemas: dict[str, Json] = {"problem": problem_schema()}
    for collection in pipeline.collections:
        schemas |= item_schemas(collection)
        paths |= item_paths(collection) if writes_items else _reading(item_paths(collection))
    paths |= aggregates_path()
    for aggregate in aggregates:
        schemas[f"{aggregate.name}-row"] = row_schema(aggregate)
        paths |= aggregate_paths(aggregate)
    reading, writing = (_requirement(security, scope) for scope in scopes)
    _describe_gateway(paths, {} if writing == reading else {"security": writing})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tailrace", "version": VERSION, "description": "Items in, aggregates out."},
        "security": reading,
        "tags": [
            *(_tag(f"{collection.name} items", collection.description) for collection in pipeline.collections),
            *(_tag(f"{aggregate.name} rows", aggregate.description) for aggregate in aggregates),
        ],
        "paths": paths,
        "components": components() | {"schemas": schemas, "securitySchemes": dict(security)},
    }


def _describe_gateway(paths: Mapping[str, Json], of_writes: Json) -> None:
    """Add the gateway's own responses to each operation, and ``of_writes`` to those that write."""
    for path in paths.values():
        for method, operation in path.items():
            if isinstance(operation, dict):  # a path also holds the list of parameters its operations share
                operation["responses"] |= gateway_responses()
                operation |= of_writes if method in _WRITES else {}  # noqa: PLW2901 - in place


def _requirement(security: Mapping[str, Json], scope: str) -> list[Json]:
    """Return what a request needs; a signature has no scope."""
    return [{name: [scope] if scope and one["type"] == "openIdConnect" else []} for name, one in security.items()]


def _reading(paths: Mapping[str, Json]) -> dict[str, Json]:
    """Return paths without the operations that write."""
    return {path: {name: part for name, part in item.items() if name not in _WRITES} for path, item in paths.items()}


def _tag(name: str, description: str | None) -> Json:
    return {"name": name} | ({} if description is None else {"description": description})

"""Building blocks of the OpenAPI document: schemas, parameters, headers, responses and errors."""

from collections.abc import Iterable, Mapping

from tailrace.encoding.json_types import Json
from tailrace.http.problems import CONTENT_TYPE, PROBLEM_TYPES

JSON = "application/json"

_TAG_PATTERN = r'(W/)?"[!#-~]*"'
_TAGS = {"type": "string", "pattern": rf"^(\*|{_TAG_PATTERN}(, ?{_TAG_PATTERN})*)$"}

ETAG = {
    "ETag": {
        "required": True,
        "description": "A strong entity tag: a digest of the item and its expiry.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    }
}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` if this is the response to an earlier request with the same key.",
        "schema": {"const": "true"},
    }
}
_TIMING = {
    "Server-Timing": {
        "required": True,
        "description": "Time spent in the handler, in milliseconds (W3C Server Timing).",
        "schema": {"type": "string", "pattern": r"^handler;dur=[0-9]+\.[0-9]$"},
    }
}
_RETRY_AFTER = {"Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "string"}}}

_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": {"type": ["string", "null"]}}}
_GATEWAY_STATUSES = {
    "401": "The gateway rejected the token.",
    "403": "The gateway denied this caller access.",
    "429": "The gateway throttled the request.",
}


def reference(name: str) -> Json:
    """Return a reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed_object(required: Json, optional: Json | None = None) -> Json:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
    }


def parameter(name: str, where: str, schema: Json, description: str, *, required: bool = False) -> Json:
    """Return a parameter; ``where`` is ``path``, ``query`` or ``header``."""
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


_IF_MATCH = parameter(
    "If-Match", "header", _TAGS, "Only if the item has one of these tags (RFC 9110); `*` means if it exists."
)
_IF_NONE_MATCH = parameter(
    "If-None-Match", "header", _TAGS, "Only if the item has none of these tags (RFC 9110); `*` means if it is absent."
)
_IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "Unique per request. A retry with the same key gets the first response again and changes nothing.",
)
IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY = (
    {"$ref": f"#/components/parameters/{named['name']}"} for named in (_IF_MATCH, _IF_NONE_MATCH, _IDEMPOTENCY_KEY)
)


def body(schema: Json, *types: str) -> Json:
    """Return a required request body."""
    return {"required": True, "content": {media_type: {"schema": schema} for media_type in types or (JSON,)}}


def response(description: str, schema: Json | None = None, headers: Mapping[str, Json] | None = None) -> Json:
    """Return a response of the function, with a JSON body if there is a schema."""
    content = {} if schema is None else {"content": {JSON: {"schema": schema}}}
    return {"description": description, "headers": _TIMING | dict(headers or {})} | content


def problem_schema() -> Json:
    """Return the schema of problem details (RFC 9457)."""
    violation = closed_object(
        {
            "pointer": {"type": "string", "description": "Where in the item: a JSON Pointer (RFC 6901)."},
            "keyword": {"type": "string", "description": "Which rule: a JSON Schema keyword or one of Tailrace's own."},
            "message": {"type": "string"},
        }
    )
    return closed_object(
        {
            "type": {"enum": [problem_type.uri for problem_type in PROBLEM_TYPES.values()]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "violations": {"type": "array", "items": violation},
        },
        {"progress": {"type": "number", "minimum": 0, "maximum": 1, "description": "Build progress of `not-built`."}},
    )


def error_responses(statuses: Iterable[int]) -> Json:
    """Return references to the error responses with these statuses."""
    return {str(status): {"$ref": f"#/components/responses/refused-{status}"} for status in statuses}


def gateway_responses() -> Json:
    """Return references to the errors that the gateway returns without invoking the function."""
    return {status: {"$ref": f"#/components/responses/gateway-{status}"} for status in _GATEWAY_STATUSES}


def components() -> Json:
    """Return what operations refer to: parameters, and one error response per status with its problem types."""
    # the document lists only methods that exist, so no operation responds with 405
    statuses = {problem_type.status for problem_type in PROBLEM_TYPES.values()} - {405}
    return {
        "parameters": {named["name"]: named for named in (_IF_MATCH, _IF_NONE_MATCH, _IDEMPOTENCY_KEY)},
        "responses": {f"refused-{status}": _error_response(status) for status in sorted(statuses)}
        | {f"gateway-{status}": _gateway_response(text) for status, text in _GATEWAY_STATUSES.items()},
    }


def _error_response(status: int) -> Json:
    problem_types = [problem_type for problem_type in PROBLEM_TYPES.values() if problem_type.status == status]
    own = {
        "properties": {
            "status": {"const": status},
            "type": {"enum": [problem_type.uri for problem_type in problem_types]},
        }
    }
    described = "; ".join(f"`{problem_type.name}`: {problem_type.description}" for problem_type in problem_types)
    return {
        "description": f"{described}.",
        "headers": _TIMING | (_RETRY_AFTER if status == 503 else {}),  # noqa: PLR2004 - the only temporary one
        "content": {CONTENT_TYPE: {"schema": {"allOf": [reference("problem"), own]}}},
    }


def _gateway_response(text: str) -> Json:
    return {"description": text, "content": {JSON: {"schema": _MESSAGE}}}

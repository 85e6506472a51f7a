"""The small parts of an OpenAPI document: parameters, headers, answers, refusals."""

from collections.abc import Iterable, Mapping

from tailrace.encoding.json_types import Json
from tailrace.http.problems import CONTENT_TYPE, PROBLEM_TYPES

JSON = "application/json"

_TAG_PATTERN = r'(W/)?"[!#-~]*"'
_TAGS = {"type": "string", "pattern": rf"^(\*|{_TAG_PATTERN}(, ?{_TAG_PATTERN})*)$"}

ETAG = {
    "ETag": {
        "required": True,
        "description": "A strong tag: a digest of the item's content and of when it expires.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    }
}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` where the answer is that of an earlier request with the same key.",
        "schema": {"const": "true"},
    }
}
_TIMING = {
    "Server-Timing": {
        "required": True,
        "description": "The handler's own time, in milliseconds (W3C Server Timing).",
        "schema": {"type": "string", "pattern": r"^handler;dur=[0-9]+\.[0-9]$"},
    }
}
_RETRY_AFTER = {"Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "string"}}}

_TITLES = {
    400: "The request cannot be read",
    404: "There is no such thing",
    406: "There is no such form of the answer",
    409: "Another request is in the way",
    412: "A condition does not hold; nothing was done",
    413: "The item is too large",
    415: "The body is not JSON",
    422: "The request can be read, but not carried out",
    503: "The table cannot answer now",
}

_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": {"type": ["string", "null"]}}}
_GATEWAY_STATUSES = {
    "401": "The gateway takes no such token.",
    "403": "The gateway lets this caller do no such thing.",
    "429": "The gateway has too many requests to answer.",
}


def reference(name: str) -> Json:
    """Return a reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str, where: str, schema: Json, description: str, *, required: bool = False) -> Json:
    """Return a parameter in the ``path``, the ``query`` or a ``header``."""
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


_IF_MATCH = parameter(
    "If-Match", "header", _TAGS, "Only if the item has one of these tags (RFC 9110); `*` if it is there."
)
_IF_NONE_MATCH = parameter(
    "If-None-Match", "header", _TAGS, "Only if the item has none of these tags (RFC 9110); `*` if it is not there."
)
_IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "A new one for each request: a repeat with the same key is answered as the first one was, and changes nothing.",
)
IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY = (
    {"$ref": f"#/components/parameters/{named['name']}"} for named in (_IF_MATCH, _IF_NONE_MATCH, _IDEMPOTENCY_KEY)
)


def body(schema: Json, *types: str) -> Json:
    """Return a request's body, which has to be there."""
    return {"required": True, "content": {media_type: {"schema": schema} for media_type in types or (JSON,)}}


def response(description: str, schema: Json | None = None, headers: Mapping[str, Json] | None = None) -> Json:
    """Return an answer of the function, in JSON where it has a body."""
    content = {} if schema is None else {"content": {JSON: {"schema": schema}}}
    return {"description": description, "headers": _TIMING | dict(headers or {})} | content


def problem_schema() -> Json:
    """Return the schema of every refusal (RFC 9457)."""
    violation = {
        "type": "object",
        "required": ["pointer", "keyword", "message"],
        "additionalProperties": False,
        "properties": {
            "pointer": {"type": "string", "description": "The place in the item: a JSON Pointer (RFC 6901)."},
            "keyword": {"type": "string", "description": "The rule: a keyword of JSON Schema, or the engine's own."},
            "message": {"type": "string"},
        },
    }
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "violations"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": [problem_type.uri for problem_type in PROBLEM_TYPES.values()]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "violations": {"type": "array", "items": violation},
        },
    }


def error_responses(statuses: Iterable[int]) -> Json:
    """Return references to the refusals with these statuses."""
    return {str(status): {"$ref": f"#/components/responses/refused-{status}"} for status in statuses}


def gateway_responses() -> Json:
    """Return references to what the gateway refuses, before the function hears of a request."""
    return {status: {"$ref": f"#/components/responses/gateway-{status}"} for status in _GATEWAY_STATUSES}


def components() -> Json:
    """Return what operations refer to: the refusals of each status, with the types that it can have."""
    statuses = {problem_type.status for problem_type in PROBLEM_TYPES.values()} & _TITLES.keys()
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
        "description": f"{_TITLES[status]}. {described}.",
        "headers": _TIMING | (_RETRY_AFTER if status == 503 else {}),  # noqa: PLR2004 - the one that passes
        "content": {CONTENT_TYPE: {"schema": {"allOf": [reference("problem"), own]}}},
    }


def _gateway_response(text: str) -> Json:
    return {"description": text, "content": {JSON: {"schema": _MESSAGE}}}

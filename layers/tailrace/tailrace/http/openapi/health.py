"""The path that tells how the stages are doing."""

from tailrace.encoding.json_types import Json
from tailrace.http.openapi.components import error_responses, response

_COUNT = {"type": ["integer", "null"], "minimum": 0}
_QUEUE = {"waiting": _COUNT, "in_work": _COUNT, "failed": _COUNT, "changes": _COUNT}
_REQUESTS = {"changes": _COUNT, "failed": _COUNT}
_NOTIFIED = {"changes": _COUNT, "waited_s": _COUNT}
_READER = {
    "newest_change": {"type": ["string", "null"], "format": "date-time"},
    "age_s": _COUNT,
    "behind_s": _COUNT,
    "changes": _COUNT,
}


def health_path() -> dict[str, Json]:
    """Return the path, with its operation."""
    told = {
        "stages": {
            "type": "array",
            "items": {"oneOf": [_named(told) for told in (_REQUESTS, _NOTIFIED, _QUEUE, _READER)]},
            "description": "In the order in which changes pass; `changes` is of the last two days, about.",
        },
        "routes": {"type": "array", "items": _named(_QUEUE)},
        "files_failed": _COUNT | {"description": "Files that were not loaded, and objects that were not catalogued."},
        "quarantined_today": _COUNT | {"description": "Refused items, by the date in UTC; of each collection 1,000."},
        "given_up": _COUNT | {"description": "Batches of the stream that were given up; 1,000 at most."},
    }
    schema = {"type": "object", "required": list(told), "properties": told, "additionalProperties": False}
    header = {"Cache-Control": {"required": True, "schema": {"const": "no-store"}}}
    operation = {
        "operationId": "get-health",
        "summary": "Read how the stages are doing; null is what cannot be told now.",
        "responses": {
            "200": response("What waits, what failed, who is behind.", schema, header),
            **error_responses((400,)),
        },
    }
    return {"/health": {"get": operation}}


def _named(properties: Json) -> Json:
    return {
        "type": "object",
        "required": ["name", *properties],
        "properties": {"name": {"type": "string"}} | properties,
        "additionalProperties": False,
    }

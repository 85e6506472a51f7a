"""The OpenAPI path of ``GET /health``."""

from tailrace.encoding.json_types import Json
from tailrace.http.openapi.components import closed_object, error_responses, response

_COUNT = {"type": ["integer", "null"], "minimum": 0}
_QUEUE = {"waiting": _COUNT, "in_work": _COUNT, "failed": _COUNT, "changes": _COUNT}
_QUARANTINED = {"quarantined_today": _COUNT}
_REQUESTS = {"changes": _COUNT, "failed": _COUNT}
_FILES = {"changes": _COUNT, "refused": _COUNT, "waited_s": _COUNT} | _QUARANTINED
_OBJECTS = {"changes": _COUNT, "retried": _COUNT, "waited_s": _COUNT}
_READER = {
    "newest_change": {"type": ["string", "null"], "format": "date-time"},
    "age_s": _COUNT,
    "behind_s": _COUNT | {"minimum": 1},
    "changes": _COUNT,
}
_STAGES = (_REQUESTS, _FILES, _QUEUE | _QUARANTINED, _READER | _QUARANTINED, _READER, _QUEUE, _OBJECTS)


def health_path() -> dict[str, Json]:
    """Return the path and its operation."""
    schema = closed_object(
        {
            "stages": {
                "type": "array",
                "items": {"oneOf": [_named(figures) for figures in _STAGES]},
                "description": "In the order in which changes pass through them; `changes` covers about two days.",
            },
            "routes": {"type": "array", "items": _named(_QUEUE)},
            "files_failed": _COUNT
            | {"description": "Files refused in two days, files given up, and archive objects not cataloged."},
            "quarantined_today": _COUNT
            | {"description": "Items quarantined today (UTC); counts up to 1,000 per collection."},
            "given_up": _COUNT | {"description": "Discarded stream batches; counts up to 1,000."},
            "write_entrances": {
                "enum": ["on", "off"],
                "description": "`off` if the stack only reads its items table: API, queue and files refuse every item.",
            },
        }
    )
    header = {"Cache-Control": {"required": True, "schema": {"const": "no-store"}}}
    operation = {
        "operationId": "get-health",
        "summary": "Get the health of the stages; null means currently unknown.",
        "responses": {
            "200": response("Backlog, failures and lag of each stage.", schema, header),
            **error_responses((400,)),
        },
    }
    return {"/health": {"get": operation}}


def _named(properties: Json) -> Json:
    return closed_object({"name": {"type": "string"}} | properties)

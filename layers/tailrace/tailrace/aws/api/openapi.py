"""The route of the OpenAPI document."""

from collections.abc import Callable
from functools import cache

from tailrace.aws.api.responses import ApiResponse, json_response
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.http.requests import Event, issuer


class OpenApiRoutes:
    """Serves the OpenAPI document."""

    def __init__(self, pipeline: Pipeline, event: Callable[[], Event]) -> None:
        self._pipeline = pipeline
        self._event = event

    def openapi(self) -> ApiResponse:
        """Return the OpenAPI document, with the authentication scheme of this request."""
        return json_response(200, _document(self._pipeline, issuer(self._event())))


@cache
def _document(pipeline: Pipeline, token_issuer: str | None) -> str:
    # imported on demand: most processes never serve it
    from tailrace.http.openapi.document import build_document, security  # noqa: PLC0415

    return dumps(build_document(pipeline, security(token_issuer)))

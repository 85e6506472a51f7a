"""The route of the OpenAPI document."""

from collections.abc import Callable
from functools import cache

from tailrace.aws.api.responses import ApiResponse, json_response
from tailrace.aws.backfill.shown_generations import ShownGenerations
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.http.requests import Event, issuer, query_parameters


class OpenApiRoutes:
    """Serves the OpenAPI document."""

    def __init__(
        self, generations: ShownGenerations, event: Callable[[], Event], scopes: tuple[str, str], *, writes_items: bool
    ) -> None:
        self._writes_items = writes_items
        self._scopes = scopes
        self._generations = generations
        self._event = event

    def openapi(self) -> ApiResponse:
        """Return the OpenAPI document, with the authentication scheme of this request."""
        if query_parameters(self._event()):
            raise InvalidMessage("this route takes no parameters")
        token_issuer = issuer(self._event())
        pipeline, writes_items = self._generations.pipeline, self._writes_items
        text = _document(pipeline, self._described(), token_issuer, self._scopes, writes_items=writes_items)
        return json_response(200, text)

    def _described(self) -> tuple[Aggregate, ...]:
        """Return the version of each aggregate whose rows the other routes return."""
        pipeline = self._generations.pipeline
        if len(pipeline.newest_aggregates) == len(pipeline.aggregates):
            return tuple(pipeline.aggregates)  # without a choice, nothing has to be read
        view = self._generations.view()
        pairs = ((newest, view.shown(newest.name)) for newest in pipeline.newest_aggregates)
        return tuple(newest if shown is None else shown.aggregate for newest, shown in pairs)


@cache
def _document(
    pipeline: Pipeline,
    aggregates: tuple[Aggregate, ...],
    token_issuer: str | None,
    scopes: tuple[str, str],
    *,
    writes_items: bool,
) -> str:
    # imported on demand: most processes never serve it
    from tailrace.http.openapi.document import build_document, security  # noqa: PLC0415

    schemes = security(token_issuer)
    return dumps(build_document(pipeline, schemes, aggregates, writes_items=writes_items, scopes=scopes))

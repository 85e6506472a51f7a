"""Routes of aggregates: their list, rows, rankings and groups; in JSON, JSON Lines or CSV."""

from collections.abc import Callable
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from tailrace.aws.aggregates.group_reader import GroupReader
from tailrace.aws.aggregates.row_reader import Page, RowReader
from tailrace.aws.api.responses import ApiResponse, json_response
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.descriptions import describe
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.http.requests import Event, negotiate_media_type, query_parameters
from tailrace.queries.formats import JSON, ROW_MEDIA_TYPES, RowFormat, row_format_for
from tailrace.queries.parameters import parse_group_query, parse_ranking_query, parse_row_query

FRESHNESS_HEADER = "Tailrace-Freshness"
"""The header with the freshness of a response, for formats that have no other place for it."""


class AggregateRoutes:
    """Routes of aggregates."""

    def __init__(
        self, pipeline: Pipeline, rows: RowReader, progress: CachedProgress, event: Callable[[], Event]
    ) -> None:
        self._pipeline = pipeline
        self._rows = rows
        self._groups = GroupReader(rows.client, rows.table)
        self._progress = progress
        self._event = event

    def list_aggregates(self) -> ApiResponse:
        """Return a description of each aggregate: its groups and measures."""
        if query_parameters(self._event()):
            raise InvalidMessage("this route has no parameters")
        freshness = self._freshness()
        listed = dumps([describe(found) for found in self._pipeline.aggregates])
        return json_response(200, f'{{"aggregates":{listed},"freshness":{freshness}}}', {FRESHNESS_HEADER: freshness})

    def rows(self, name: str) -> ApiResponse:
        """Return rows of an aggregate, by its groups and a time range."""
        aggregate = self._pipeline.aggregate(name)
        row_format = row_format_for(negotiate_media_type(self._event(), ROW_MEDIA_TYPES), aggregate)
        query = parse_row_query(aggregate, query_parameters(self._event()))
        freshness = self._freshness()
        page = self._rows.read(query, row_format.write)
        return self._page_response(aggregate, row_format, {"interval": query.interval}, page, freshness)

    def top(self, name: str) -> ApiResponse:
        """Return the rows that rank first by a measure."""
        aggregate = self._pipeline.aggregate(name)
        row_format = row_format_for(negotiate_media_type(self._event(), ROW_MEDIA_TYPES), aggregate)
        query, by, greatest = parse_ranking_query(aggregate, query_parameters(self._event()))
        freshness = self._freshness()
        page = self._rows.rank(query, by, row_format.write, greatest=greatest)
        return self._page_response(aggregate, row_format, {"by": by}, page, freshness)

    def groups(self, name: str) -> ApiResponse:
        """Return the values of an aggregate's first group, with their number of items."""
        aggregate = self._pipeline.aggregate(name)
        query = parse_group_query(aggregate, query_parameters(self._event()))
        freshness = self._freshness()
        found = self._groups.read(query)
        headers: dict[str, str | list[str]] = {FRESHNESS_HEADER: freshness}
        head = {"aggregate": aggregate.name, "version": aggregate.version, "group": aggregate.by[0].name}
        more = ""
        if found.cursor is not None:
            headers["Link"] = f'<{self._next_url(found.cursor)}>; rel="next"'
            more = f',"cursor":{dumps(found.cursor)}'
        body = f'{dumps(head)[:-1]},"groups":{dumps(list(found.groups))},"freshness":{freshness}{more}}}'
        return json_response(200, body, headers)

    def _freshness(self) -> str:
        """Return the freshness, read before the rows: the rows contain at least these changes."""
        return dumps(self._progress.aggregate_freshness().document())

    def _page_response(
        self, aggregate: Aggregate, row_format: RowFormat, extra: dict[str, str | None], page: Page, freshness: str
    ) -> ApiResponse:
        headers: dict[str, str | list[str]] = {FRESHNESS_HEADER: freshness, "Vary": "Accept"}
        if page.cursor is not None:
            headers["Link"] = f'<{self._next_url(page.cursor)}>; rel="next"'
        if row_format.content_type != JSON:
            return Response(200, row_format.content_type, row_format.join(page.rows), headers)
        head = {"aggregate": aggregate.name, "version": aggregate.version}
        head |= {name: text for name, text in extra.items() if text is not None}
        more = "" if page.cursor is None else f',"cursor":{dumps(page.cursor)}'
        body = f'{dumps(head)[:-1]},"rows":[{row_format.join(page.rows)}],"freshness":{freshness}{more}}}'
        return json_response(200, body, headers)

    def _next_url(self, cursor: str) -> str:
        """Return the address of the next page: this one's query, with the cursor."""
        given = [(name, value) for name, value in query_parameters(self._event()) if name != "cursor"]
        return f"{self._event()['rawPath']}?{urlencode([*given, ('cursor', cursor)])}"

"""Routes of aggregates: their list, rows, rankings and groups; in JSON, JSON Lines or CSV."""

from collections.abc import Callable, Mapping
from itertools import accumulate
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from tailrace.aws.aggregates.row_reader import Page, RowReader
from tailrace.aws.api.responses import ApiResponse, json_response
from tailrace.aws.backfill.shown_generations import ShownGenerations
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.backfill.readers import GenerationState, ReadersView, Shown
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.descriptions import describe
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.http import structured_fields
from tailrace.http.requests import Event, negotiate_media_type, query_parameters
from tailrace.queries.formats import JSON, ROW_MEDIA_TYPES, RowFormat, row_format_for
from tailrace.queries.intervals import label_name
from tailrace.queries.parameters import parse_group_query, parse_ranking_query, parse_row_query, rollup_intervals
from tailrace.queries.rollup import reason_left_out
from tailrace.queries.rows import RowQuery
from tailrace.queries.windows import WITHOUT_WINDOW

FRESHNESS_HEADER, GENERATION_HEADER = "Tailrace-Freshness", "Tailrace-Generation"
LEFT_OUT_HEADER = "Tailrace-Left-Out"
"""The headers with the freshness of a response and the state of the generation that was read, for formats that have no
other place for them."""

_MAX_REASON = 300

_MAX_LEFT_OUT = 4000
"""Characters of the header. The gateway takes 10,240 bytes of all headers together, and one of them holds a cursor."""

_MAX_LINK = 5000
"""Characters of the header ``Link``, which repeats the query: it may have 25 long values of the first group."""


class AggregateRoutes:
    """Routes of aggregates."""

    def __init__(
        self, generations: ShownGenerations, rows: RowReader, progress: CachedProgress, event: Callable[[], Event]
    ) -> None:
        self._generations = generations
        self._rows = rows
        self._progress = progress
        self._event = event

    def list_aggregates(self) -> ApiResponse:
        """Return a description of each aggregate: its groups, measures and generations."""
        if query_parameters(self._event()):
            raise InvalidMessage("this route takes no parameters")
        view, freshness = self._generations.view(), self._freshness()
        listed = dumps([_described(view, newest) for newest in view.pipeline.newest_aggregates])
        return json_response(200, f'{{"aggregates":{listed},"freshness":{freshness}}}', {FRESHNESS_HEADER: freshness})

    def rows(self, name: str) -> ApiResponse:
        """Return rows of an aggregate, by its groups and a time range."""
        shown = self._generations.view().require_shown(name)
        media_type = negotiate_media_type(self._event(), ROW_MEDIA_TYPES)
        query = parse_row_query(shown.aggregate, query_parameters(self._event()), shown.generation.epoch)
        row_format = row_format_for(media_type, shown.aggregate, query.interval)
        freshness = self._freshness()
        page = self._read(query, row_format)
        return self._page_response(shown, row_format, _interval(query), page, freshness)

    def top(self, name: str) -> ApiResponse:
        """Return the rows that rank first by a measure."""
        shown = self._generations.view().require_shown(name)
        media_type = negotiate_media_type(self._event(), ROW_MEDIA_TYPES)
        parameters = query_parameters(self._event())
        query, by, greatest = parse_ranking_query(shown.aggregate, parameters, shown.generation.epoch)
        row_format = row_format_for(media_type, shown.aggregate, query.interval)
        freshness = self._freshness()
        page = self._rows.rank(query, by, row_format.write, greatest=greatest)
        return self._page_response(shown, row_format, _interval(query) | {"by": by}, page, freshness)

    def groups(self, name: str) -> ApiResponse:
        """Return the values of an aggregate's first group, with their number of items."""
        from tailrace.aws.aggregates.group_reader import GroupReader  # noqa: PLC0415 - for few requests

        shown = self._generations.view().require_shown(name)
        query = parse_group_query(shown.aggregate, query_parameters(self._event()), shown.generation.epoch)
        freshness = self._freshness()
        found = GroupReader(self._rows.client, self._rows.table).read(query)
        headers = self._headers(shown.generation, freshness, found.cursor)
        head = _head(shown) | {"group": shown.aggregate.by[0].name}
        end = _end(shown.generation, freshness, found.cursor)
        return json_response(200, f'{dumps(head)[:-1]},"groups":{dumps(list(found.groups))},{end}}}', headers)

    def _read(self, query: RowQuery, row_format: RowFormat) -> Page:
        if query.window is None:
            return self._rows.read(query, row_format.write)
        from tailrace.aws.aggregates.window_reader import WindowReader  # noqa: PLC0415 - for few requests

        return WindowReader(self._rows).read(query, row_format.write)

    def _freshness(self) -> str:
        """Return the freshness, read before the rows: the rows contain at least these changes."""
        return dumps(self._progress.aggregate_freshness().document())

    def _page_response(
        self, shown: Shown, row_format: RowFormat, extra: dict[str, str | None], page: Page, freshness: str
    ) -> ApiResponse:
        headers = self._headers(shown.generation, freshness, page.cursor) | {"Vary": "Accept"}
        reasons = {
            name: WITHOUT_WINDOW if extra.get("window") else reason_left_out(shown.aggregate, name)
            for name in sorted(page.left_out)
        }
        if reasons:
            headers[LEFT_OUT_HEADER] = left_out_header(reasons)
        if row_format.content_type != JSON:
            if page.cursor is not None and "Link" not in headers:
                raise InvalidMessage(
                    "the address of the next page is too long for a header: give fewer or shorter values, or accept "
                    f"{JSON}, which has the cursor in the body"
                )
            return Response(200, row_format.content_type, row_format.join(page.rows), headers)
        head = _head(shown) | {name: text for name, text in extra.items() if text is not None}
        end = _end(shown.generation, freshness, page.cursor)
        head |= {"left_out": reasons} if reasons else {}
        return json_response(200, f'{dumps(head)[:-1]},"rows":[{row_format.join(page.rows)}],{end}}}', headers)

    def _headers(self, generation: GenerationState, freshness: str, cursor: str | None) -> dict[str, str | list[str]]:
        headers: dict[str, str | list[str]] = {FRESHNESS_HEADER: freshness}
        headers[GENERATION_HEADER] = generation_header(generation)
        link = "" if cursor is None else f'<{self._next_url(cursor)}>; rel="next"'
        return headers | ({"Link": link} if 0 < len(link) <= _MAX_LINK else {})

    def _next_url(self, cursor: str) -> str:
        """Return the address of the next page: this one's query, with the cursor."""
        given = [(name, value) for name, value in query_parameters(self._event()) if name != "cursor"]
        return f"{self._event()['rawPath']}?{urlencode([*given, ('cursor', cursor)])}"


def generation_header(generation: GenerationState) -> str:
    """Return the state of a generation as a structured field (RFC 9651)."""
    exact = f"exact={structured_fields.boolean(generation.exact)}"
    if generation.reason is not None:
        exact += f";reason={structured_fields.text(generation.reason[:_MAX_REASON])}"
    return f"version={generation.version}, state={generation.state}, {exact}"


def left_out_header(reasons: Mapping[str, str]) -> str:
    """Return the measures that rows lack, as a structured field (RFC 9651), with the reasons if they fit.

    If not even all names fit, it has as many as do.
    """
    names = list(map(structured_fields.text, reasons))
    explained = ", ".join(
        f"{name};reason={structured_fields.text(reason)}" for name, reason in zip(names, reasons.values(), strict=True)
    )
    if len(explained) <= _MAX_LEFT_OUT:
        return explained
    ends = accumulate(len(name) + len(", ") for name in names)
    return ", ".join(name for name, end in zip(names, ends, strict=True) if end <= _MAX_LEFT_OUT)


def _interval(query: RowQuery) -> dict[str, str | None]:
    """Return the interval of a query, and the member of its rows that holds the label."""
    window = None if query.window is None else query.window.text
    label = label_name(query.aggregate, query.interval) if query.interval is not None else None
    return {"interval": query.interval, "bucket": label, "window": window}


def _head(shown: Shown) -> Json:
    return {"aggregate": shown.aggregate.name, "version": shown.aggregate.version}


def _end(generation: GenerationState, freshness: str, cursor: str | None) -> str:
    """Return the last members of a document."""
    more = "" if cursor is None else f',"cursor":{dumps(cursor)}'
    return f'"generation":{dumps(generation.document())},"freshness":{freshness}{more}'


def _described(view: ReadersView, newest: Aggregate) -> Json:
    shown = view.shown(newest.name)
    aggregate = newest if shown is None else shown.aggregate
    return describe(aggregate) | {
        "intervals": rollup_intervals(aggregate),
        "shown": None if shown is None else shown.generation.version,
        "generations": [state.document() for state in view.states(newest.name)],
    }

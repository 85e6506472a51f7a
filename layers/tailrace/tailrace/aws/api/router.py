"""The API's router: addresses, idempotency, and error responses."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from msgspec.structs import replace

from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.api.aggregates import AggregateRoutes
from tailrace.aws.api.batches import BatchRoutes
from tailrace.aws.api.deadline import in_request
from tailrace.aws.api.health import HealthRoutes
from tailrace.aws.api.idempotency import Idempotency
from tailrace.aws.api.items import ItemRoutes
from tailrace.aws.api.openapi import OpenApiRoutes
from tailrace.aws.api.responses import ApiResponse, PartialFailure, problem_response
from tailrace.aws.backfill.shown_generations import ShownGenerations
from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.health import HealthMonitor
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.telemetry import count_metrics
from tailrace.aws.runtime.trace_logs import correlate
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import NotFound, TailraceError
from tailrace.http.problems import CONTENT_TYPE, MethodNotAllowed
from tailrace.http.requests import Event, caller, header, idempotency_key, with_escaped_item_id

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.exceptions import NotFoundError

_ITEMS = "/collections/<collection>/items"
_ITEM = f"{_ITEMS}/<escaped>"
_CATCH_ALL = "$default"


class Router:
    """Handles API requests; every refusal is a problem document (:mod:`tailrace.http.problems`)."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it serves
        self,
        pipeline: Pipeline,
        items: ItemStore,
        rows: RowReader,
        health: HealthMonitor,
        idempotency: Idempotency,
        scopes: tuple[str, str] = ("", ""),
    ) -> None:
        self._idempotency = replace(idempotency, client=in_request(idempotency.client, self._remaining_ms))
        self._resolver = APIGatewayHttpResolver()
        self._resolver.not_found(self._no_such_resource)
        self._resolver.exception_handler(TailraceError)(problem_response)
        self._resolver.exception_handler(PartialFailure)(_partial_failure)
        self._methods: dict[str, list[str]] = {}
        self._require_writes = items.require_writes
        timed_items = replace(items, client=in_request(items.client, self._remaining_ms))
        item_routes = ItemRoutes(pipeline, timed_items, self._event)
        batch_routes = BatchRoutes(pipeline, items.client, items.table, self._event, self._remaining_ms)
        for rule in (_ITEM, _ITEMS):
            self._route("GET", rule, item_routes.get)
            self._route("PUT", rule, self._once(item_routes.put))
            self._route("PATCH", rule, self._once(item_routes.patch))
            self._route("DELETE", rule, self._once(item_routes.delete))
        self._route("POST", _ITEMS, self._once(batch_routes.post))
        timed_client = in_request(rows.client, self._remaining_ms)
        timed_rows = replace(rows, client=timed_client, remaining_ms=self._remaining_ms)
        generations = ShownGenerations(timed_client, rows.table, pipeline, health.progress.clock)
        described = OpenApiRoutes(generations, self._event, scopes, writes_items=items.is_writable)
        self._route("GET", "/openapi.json", described.openapi)
        self._route("GET", "/health", HealthRoutes(health, self._event, self._remaining_ms).health)
        aggregates = AggregateRoutes(generations, timed_rows, health.progress, self._event)
        self._route("GET", "/aggregates", aggregates.list_aggregates)
        self._route("GET", "/aggregates/<name>/rows", aggregates.rows)
        self._route("GET", "/aggregates/<name>/top", aggregates.top)
        self._route("GET", "/aggregates/<name>/groups", aggregates.groups)

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Handle a request.

        Raises:
            Permanent: a table rejects a request or is missing, which is not the caller's fault.
        """
        correlate(event["requestContext"].get("requestId", ""))
        response = self._resolver.resolve(with_escaped_item_id(event), context)
        is_problem = response["headers"].get("Content-Type") == CONTENT_TYPE
        count_metrics(RequestsAnswered=1, RequestsRefused=int(is_problem))
        return response

    def _route(self, method: str, rule: str, endpoint: Callable[..., ApiResponse]) -> None:
        def handled(**path: str) -> ApiResponse:
            self._require_own_route()
            return endpoint(**path)

        self._resolver.route(rule, method)(handled)
        self._methods.setdefault(rule, []).append(method)

    def _require_own_route(self) -> None:
        """Refuse a request that came through the gateway's catch-all route, which accepts a token with either scope.

        The gateway selects the route, and with it the scope, before the path is decoded completely: an escaped slash in
        ``/collections%252Forders/items/7`` is a slash by now.

        Raises:
            NotFound: the request came through that route.
        """
        if self._event().get("routeKey") == _CATCH_ALL:
            raise NotFound("no route matches this path as it was sent: do not escape slashes and letters of the route")

    def _event(self) -> Event:
        event: Event = self._resolver.current_event.raw_event
        return event

    def _remaining_ms(self) -> int:
        return remaining_time_ms(self._resolver.lambda_context)()

    def _once(self, endpoint: Callable[..., ApiResponse]) -> Callable[..., ApiResponse]:
        """Wrap the handler of a write request: with ``Idempotency-Key``, it is carried out once.

        Where the write entrances are off, every write is refused.
        """

        def handled(**path: str) -> ApiResponse:
            self._require_writes()
            event = self._event()
            key = idempotency_key(event)
            if key is None:
                return endpoint(**path)
            names = ("if-match", "if-none-match", "content-type")
            payload = {name: header(event, name) for name in names} | {
                "method": event["requestContext"]["http"]["method"],
                "path": event["rawPath"],
                "query": event.get("rawQueryString"),
                "body": event.get("body"),
                "base64": event.get("isBase64Encoded"),
            }
            once = self._idempotency.run_once
            return once((caller(event), key), payload, lambda: endpoint(**path), self._remaining_ms)

        return handled

    def _no_such_resource(self, _error: "NotFoundError") -> ApiResponse:
        event = self._event()
        for rule, methods in self._methods.items():
            literals = map(re.escape, re.split(r"<\w+>", rule))
            matches = re.fullmatch("[^/]+".join(literals), event["rawPath"])
            if matches and event["requestContext"]["http"]["method"] not in methods:
                return problem_response(MethodNotAllowed(methods))
        return problem_response(NotFound("no route has this address"))


def _partial_failure(error: PartialFailure) -> ApiResponse:
    return error.response

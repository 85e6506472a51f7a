"""The api stage: items in and out, rows of aggregates out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from tailrace.aws.items import ItemStore
from tailrace.aws.rows import RowReader
from tailrace.aws.telemetry import count_metrics, logger
from tailrace.definitions import Pipeline
from tailrace.envelopes import dumps
from tailrace.errors import InvalidMessage, NotFound, TailraceError, Transient
from tailrace.keys import item_key
from tailrace.limits import check
from tailrace.problems import CONTENT_TYPE, RETRY_AFTER_S, problem_of
from tailrace.queries import row_query
from tailrace.requests import item_address, item_id, json_object, parameters, routable

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.exceptions import NotFoundError

_ITEMS = "/collections/<collection>/items"
_EXPIRES_AT = "expires_at"
_MOST_EXPIRY_DIGITS = 20


class Api:
    """Answers the HTTP API's requests; every refusal is a problem document (:mod:`tailrace.problems`).

    An item is named by its id in the path or, whatever characters the id has, by the query parameter ``id``.
    """

    def __init__(self, pipeline: Pipeline, items: ItemStore, rows: RowReader) -> None:
        self._pipeline = pipeline
        self._items = items
        self._rows = rows
        self._resolver = APIGatewayHttpResolver()
        self._resolver.not_found(_no_such_address)
        self._resolver.exception_handler(TailraceError)(_refusal)
        for method, answer in {
            "PUT": self._put,
            "PATCH": self._patch,
            "GET": self._get,
            "DELETE": self._delete,
        }.items():
            self._resolver.route(f"{_ITEMS}/<escaped>", method)(answer)
            self._resolver.route(_ITEMS, method)(answer)
        self._resolver.route("/aggregates/<name>/rows", "GET")(self._get_rows)

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer a request.

        Raises:
            Permanent: a table refuses for good, or is not there: no fault of the caller's.
        """
        answer = self._resolver.resolve(routable(event), context)
        count_metrics(RequestsAnswered=1, RequestsRefused=int(answer["headers"]["Content-Type"] == CONTENT_TYPE))
        return answer

    def _put(self, collection: str, escaped: str | None = None) -> Response[str]:
        item_name, given = self._address(collection, escaped, _EXPIRES_AT)
        item = json_object(self._event())
        if self._items.put(collection, item_name, item, _expiry(given.get(_EXPIRES_AT))):
            return _json(201, dumps(item), {"Location": item_address(collection, item_name)})
        return _json(200, dumps(item))

    def _patch(self, collection: str, escaped: str | None = None) -> Response[str]:
        item_name, _ = self._address(collection, escaped)
        change = json_object(self._event())
        # what no item could hold is refused before it is merged into one
        check(item_key(collection, item_name), change)
        return _json(200, dumps(self._items.patch(collection, item_name, change)))

    def _get(self, collection: str, escaped: str | None = None) -> Response[str]:
        item_name, _ = self._address(collection, escaped)
        found = self._items.get(collection, item_name)
        expiry = {} if found.expires_at is None else {_EXPIRES_AT: found.expires_at}
        return _json(200, dumps({"id": item_name, "item": found.item} | expiry))

    def _delete(self, collection: str, escaped: str | None = None) -> Response[str]:
        item_name, _ = self._address(collection, escaped)
        self._items.delete(collection, item_name)
        return Response(204, "application/json", "")

    def _get_rows(self, name: str) -> Response[str]:
        aggregate = self._pipeline.aggregate(name)
        page = self._rows.read(row_query(aggregate, parameters(self._event())))
        more = "" if page.cursor is None else f',"cursor":{dumps(page.cursor)}'
        head = f'"aggregate":{dumps(aggregate.name)},"version":{aggregate.version}'
        return _json(200, f'{{{head},"rows":[{",".join(page.rows)}]{more}}}')

    def _event(self) -> Mapping[str, Any]:
        event: Mapping[str, Any] = self._resolver.current_event.raw_event
        return event

    def _address(self, collection: str, escaped: str | None, *options: str) -> tuple[str, dict[str, str]]:
        """Return the id that a request is about, and its query parameters: each at most once, and all known."""
        self._pipeline.collection(collection)
        given: dict[str, str] = {}
        for name, value in parameters(self._event()):
            if name in given or name not in (options if escaped is not None else ("id", *options)):
                raise InvalidMessage(f"the parameter {name[:60]!r} is unknown here, or comes more than once")
            given[name] = value
        if escaped is None and "id" not in given:
            raise InvalidMessage("which item? its id is in the path or is the parameter id")
        found = item_id(escaped) if escaped is not None else given["id"]
        check(item_key(collection, found), {})
        return found, given


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_EXPIRY_DIGITS:
        raise InvalidMessage("expires_at is a whole number of seconds since 1970")
    return int(text)


def _json(status: int, body: str, headers: dict[str, str | list[str]] | None = None) -> Response[str]:
    return Response(status, "application/json", body, headers)


def _no_such_address(_error: "NotFoundError") -> Response[str]:
    return _refusal(NotFound("there is nothing at this address"))


def _refusal(error: TailraceError) -> Response[str]:
    problem = problem_of(error)
    if problem is None:
        raise error
    if isinstance(error, Transient):
        logger().warning("request to be repeated later", extra={"error": str(error)})
    headers: dict[str, str | list[str]] = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Transient) else {}
    return Response(problem.status, CONTENT_TYPE, dumps(problem.document()), headers)

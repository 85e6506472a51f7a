"""Many items in one request: each is stored or refused individually, with a result for each."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tailrace.aws.api.request_time import request_stamp
from tailrace.aws.api.responses import ApiResponse, PartialFailure, json_response
from tailrace.aws.items.rows import StoredItem, arriving, validated_row
from tailrace.aws.runtime.trace_logs import log_written
from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import MAX_KEY_ID_CHARACTERS
from tailrace.encoding.tagged_json import dumps
from tailrace.encoding.text import utf8_size
from tailrace.errors import InvalidItem, InvalidMessage, TailraceError, Transient, Violation
from tailrace.http.problems import MAX_LISTED_CHARACTERS, Problem, problem_for
from tailrace.http.requests import Event, batch_items, query_parameters, request_preconditions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRY_LATER = 503
_MULTI_STATUS = 207  # https://www.rfc-editor.org/rfc/rfc4918#section-13, with a body of our own

_MAX_ID_BYTES = 1_000_000
"""For the ids of all refused entries in a response, which is limited to 6 MB. A refused id may have any length."""

_MIN_TIME_LEFT_MS = 15_000
"""Reserved for writing, of the 29 s that a request has. Checking a thousand items may take longer than the rest."""

_LONGEST_CALL_MS = 8_000
"""What a call takes that the table throttles: the SDK's pauses add up to 7 s. None is begun when less time is left, so
that the response says what is stored."""

# A few seconds at most: the caller can retry the items that the table leaves unprocessed.
_MAX_ATTEMPTS = 4


class _Entry(Struct, frozen=True):
    """One item of a request: its id as sent, and either its row and entity tag, or its problem."""

    item_id: Any
    etag: str = ""
    row: Mapping[str, Any] | None = None
    problem: Problem | None = None


class BatchRoutes:
    """The route that stores many items."""

    def __init__(
        self,
        pipeline: Pipeline,
        client: "DynamoDBClient",
        items_table: str,
        event: Callable[[], Event],
        remaining_ms: Callable[[], int],
    ) -> None:
        self._pipeline = pipeline
        self._client = client
        self._items_table = items_table
        self._event = event
        self._remaining_ms = remaining_ms

    def post(self, collection: str) -> ApiResponse:
        """Store items: 207 with a result for each, in the order of the request."""
        self._pipeline.collection(collection)
        if query_parameters(self._event()):
            raise InvalidMessage("this route takes no parameters: each item in the body has its own id")
        if request_preconditions(self._event()):
            raise InvalidMessage("If-Match and If-None-Match apply to a single item: put it individually")
        entries = self._entries(collection, batch_items(self._event()))
        problems = self._store(entries, self._pipeline.collection(collection).keys)
        results = _results(entries, problems)
        response = json_response(_MULTI_STATUS, f'{{"results":[{",".join(results)}]}}')
        if any(problem.problem_type.status == _TRY_LATER for problem in problems.values()):
            raise PartialFailure(response)
        return response

    def _entries(self, collection: str, items: Sequence[Any]) -> list[_Entry]:
        entries: list[_Entry] = []
        seen: set[str] = set()
        refused = 0
        for item_entry in items:
            has_time = not entries or self._remaining_ms() >= _MIN_TIME_LEFT_MS
            entry = self._entry(collection, item_entry) if has_time else _unchecked(item_entry)
            if entry.row is not None and entry.item_id in seen:
                duplicate = Violation(
                    "/id", "id", "the id occurs more than once in this request: only its first valid entry counts"
                )
                entry = _refused(entry.item_id, InvalidItem([duplicate]))
            elif entry.row is not None:
                seen.add(entry.item_id)
            if entry.problem is not None:
                # no more of it fits into the response; all reports of a request could fill the memory
                refused += 1
                entry = replace(entry, problem=entry.problem.shortened(MAX_LISTED_CHARACTERS // refused))
            entries.append(entry)
        return entries

    def _entry(self, collection: str, item_entry: Any) -> _Entry:
        if not isinstance(item_entry, dict):
            return _refused(None, InvalidMessage("each entry must be an object with id and item"))
        item_id, item = item_entry.get("id"), item_entry.get("item")
        if (
            not isinstance(item_id, str)
            or not isinstance(item, dict)
            or item_entry.keys() - {"id", "item", "expires_at"}
        ):
            text = "an entry has id (a string), item (an object), optionally expires_at, and nothing else"
            return _refused(item_id, InvalidMessage(text))
        given = StoredItem(item, item_entry.get("expires_at"))
        try:
            stored = arriving(self._pipeline, collection, item_id, given, request_stamp(self._event()))
            row = validated_row(self._pipeline, collection, item_id, stored)
        except (InvalidItem, InvalidMessage) as error:
            return _refused(item_id, error)
        return _Entry(item_id, stored.etag, row)

    def _store(self, entries: Sequence[_Entry], keys: CollectionKey) -> dict[int, Problem]:
        """Store the valid entries and return the problems of the others, by their position in the request."""
        from tailrace.aws.items.batch_writer import Unprocessed, write_all  # noqa: PLC0415 - for few requests

        positions = [index for index, entry in enumerate(entries) if entry.row is not None]
        rows = [entry.row for entry in entries if entry.row is not None]
        problems = {index: entry.problem for index, entry in enumerate(entries) if entry.problem is not None}
        enough_ms = min(_LONGEST_CALL_MS, self._remaining_ms() // 2)  # checking one item may take nearly all the time
        outcomes = write_all(
            self._client,
            self._items_table,
            rows,
            keys=keys,
            max_attempts=_MAX_ATTEMPTS,
            has_time=lambda: self._remaining_ms() >= enough_ms,
        )
        for outcome in outcomes:
            problems[positions[outcome.position]] = _problem(
                Transient("the table did not process the item in time")
                if isinstance(outcome, Unprocessed)
                else InvalidItem([Violation("", "table", outcome.reason)])
            )
        log_written(entry.row for index, entry in enumerate(entries) if entry.row is not None and index not in problems)
        return problems


def _unchecked(item_entry: Any) -> _Entry:
    item_id = item_entry.get("id") if isinstance(item_entry, dict) else None
    return _refused(item_id, Transient("the request ran out of time before the item was checked: send it again"))


def _refused(item_id: Any, error: TailraceError) -> _Entry:
    return _Entry(item_id, problem=_problem(error))


def _results(entries: Sequence[_Entry], problems: Mapping[int, Problem]) -> list[str]:
    share = MAX_LISTED_CHARACTERS // max(len(problems), 1)
    results, room = [], _MAX_ID_BYTES
    for index, entry in enumerate(entries):
        problem = problems.get(index)
        if problem is None:
            results.append(dumps({"id": entry.item_id, "status": 200, "etag": entry.etag}))
            continue
        item_id = entry.item_id
        is_id = isinstance(item_id, str) and len(item_id) <= MAX_KEY_ID_CHARACTERS
        size = utf8_size(dumps(dumps(item_id))) if is_id else 0  # the response is a text in JSON
        item_id, room = (item_id, room - size) if is_id and size <= room else (None, room)
        results.append(
            dumps({"id": item_id, "status": problem.problem_type.status, "problem": problem.document(share)})
        )
    return results


def _problem(error: TailraceError) -> Problem:
    problem = problem_for(error)
    if problem is None:
        raise error
    return problem

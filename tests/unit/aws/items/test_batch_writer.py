"""Many at a time: whatever part of a call fails is looked at, tried again, and told."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tailrace.aws.items.batch_writer import RefusedItem, put_all_or_raise
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.queues import send_messages
from tailrace.errors import Permanent, Transient
from tailrace.outputs.stored_object import StoredObject

ROWS = [{"pk": {"S": f"orders#{n}"}} for n in range(60)]


def no_pause(_seconds: float) -> None:
    """Sleep not at all."""


def sdk_error(code: str, operation: str = "BatchWriteItem") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class Table:
    """A table that leaves some of every call unprocessed, and finds some rows invalid."""

    def __init__(self, taken_at_once: int = 25, invalid: Sequence[str] = (), errors: Sequence[str] = ()) -> None:
        self.rows: list[str] = []
        self.calls: list[int] = []
        self._taken_at_once = taken_at_once
        self._invalid = invalid
        self._errors = list(errors)

    def batch_write_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        requests = RequestItems["items"]
        keys = [request["PutRequest"]["Item"]["pk"]["S"] for request in requests]
        self.calls.append(len(keys))
        if self._errors:
            raise sdk_error(self._errors.pop())
        if set(keys) & set(self._invalid):
            raise sdk_error("ValidationException")
        self.rows += keys[: self._taken_at_once]
        left = requests[self._taken_at_once :]
        return {"UnprocessedItems": {"items": left} if left else {}}


def put(table: Any, rows: Sequence[Mapping[str, Any]] = ROWS) -> list[RefusedItem]:
    return put_all_or_raise(table, "items", rows, sleep=no_pause)


def test_what_a_call_leaves_unprocessed_is_sent_again() -> None:
    table = Table(taken_at_once=7)
    assert put(table) == []
    assert sorted(table.rows) == sorted(row["pk"]["S"] for row in ROWS)
    assert max(table.calls) == 25


def test_a_table_that_takes_nothing_is_given_up() -> None:
    table = Table(taken_at_once=0)
    with pytest.raises(Transient, match="unprocessed"):
        put(table, ROWS[:25])
    assert table.rows == []
    assert len(table.calls) < 20


def test_rows_that_the_table_finds_invalid_are_told_and_all_others_stored() -> None:
    table = Table(invalid=["orders#3", "orders#59"])
    assert [refused.position for refused in put(table)] == [3, 59]
    assert len(set(table.rows)) == 58


def test_a_table_that_is_too_busy_for_a_call_is_asked_again() -> None:
    table = Table(errors=["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"])
    assert put(table) == []
    assert len(table.rows) == 60


def test_a_table_that_is_not_there_is_told_at_once() -> None:
    table = Table(errors=["ResourceNotFoundException"])
    with pytest.raises(Permanent, match="ResourceNotFoundException"):
        put(table, ROWS[:25])
    assert len(table.calls) == 1


class Queue:
    """A queue that fails some bodies so many times."""

    def __init__(self, failing: Mapping[str, int] | None = None, down_after: int = 10**9) -> None:
        self.bodies: list[str] = []
        self.calls: list[list[str]] = []
        self._failing = dict(failing or {})
        self._down_after = down_after

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.calls.append([entry["MessageBody"] for entry in Entries])
        if len(self.calls) > self._down_after:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1")
        failed = []
        for entry in Entries:
            body = entry["MessageBody"]
            if self._failing.get(body, 0) > 0:
                self._failing[body] -= 1
                code = "InvalidMessageContents" if body == "bad" else "InternalError"
                failed.append({"Id": entry["Id"], "SenderFault": body == "bad", "Code": code})
            else:
                self.bodies.append(body)
        return {"Failed": failed} if failed else {}


def sent(queue: Any, bodies: Sequence[str]) -> list[int]:
    return send_messages(queue, "q", bodies, sleep=no_pause)


def test_a_message_that_failed_is_sent_again_by_itself() -> None:
    queue = Queue({"4": 2, "7": 1})
    assert sent(queue, [str(n) for n in range(23)]) == []
    assert sorted(queue.bodies, key=int) == [str(n) for n in range(23)]
    assert [len(call) for call in queue.calls] == [10, 2, 1, 10, 3]


def test_what_was_not_sent_is_told_with_all_that_was_not_tried() -> None:
    queue = Queue({"12": 99})
    assert sent(queue, [str(n) for n in range(40)]) == [12, *range(20, 40)]
    assert len(queue.bodies) == 19


def test_a_queue_that_does_not_answer_is_asked_once() -> None:
    queue = Queue(down_after=1)
    assert sent(queue, [str(n) for n in range(40)]) == list(range(10, 40))
    assert len(queue.calls) == 2


def test_a_message_that_the_queue_refuses_for_good_is_never_passed_over() -> None:
    with pytest.raises(Permanent, match="rejects a message"):
        sent(Queue({"bad": 1}), ["good", "bad"])


@pytest.mark.parametrize("code", ["KmsThrottled", "RequestThrottled", "ThrottlingException", "OverLimit"])
def test_a_message_that_is_throttled_is_sent_again_although_the_queue_calls_it_the_senders_fault(code: str) -> None:
    class Throttled(Queue):
        def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
            answer = super().send_message_batch(QueueUrl, Entries)
            failed = [{**entry, "SenderFault": True, "Code": code} for entry in answer.get("Failed", ())]
            return answer | {"Failed": failed}

    queue = Throttled({"1": 2})
    assert sent(queue, ["0", "1"]) == []
    assert queue.bodies == ["0", "1"]


def test_a_request_holds_no_more_bytes_than_it_may() -> None:
    queue = Queue()
    bodies = ["é" * 130_000, *["x" * 200_000] * 9]
    assert sent(queue, bodies) == []
    assert queue.bodies == bodies
    assert max(sum(len(body.encode()) for body in call) for call in queue.calls) < 1024 * 1024
    assert len(queue.calls) == 3


class Bucket:
    """A bucket that fails some keys."""

    def __init__(self, failing: Sequence[str], error: Exception) -> None:
        self.keys: list[str] = []
        self.tries = 0
        self._failing = failing
        self._error = error

    def put_object(self, *, Key: str, **_others: Any) -> None:  # noqa: N803
        self.tries += 1
        if Key in self._failing:
            raise self._error
        self.keys.append(Key)


OBJECTS = [StoredObject(str(n), b"") for n in range(200)]


def stored(bucket: Any) -> list[int]:
    return put_objects(bucket, "b", OBJECTS)


def test_objects_that_cannot_be_stored_now_are_told_and_the_others_stored() -> None:
    bucket = Bucket(["7", "150"], sdk_error("SlowDown"))
    assert stored(bucket) == [7, 150]
    assert len(bucket.keys) == 198


def test_a_bucket_that_does_not_answer_is_not_asked_for_every_object() -> None:
    bucket = Bucket([str(n) for n in range(200)], EndpointConnectionError(endpoint_url="http://127.0.0.1"))
    assert stored(bucket) == list(range(200))
    assert bucket.tries < 20


def test_a_bucket_that_refuses_is_never_passed_over_in_silence() -> None:
    with pytest.raises(Permanent, match="AccessDenied"):
        stored(Bucket(["7"], sdk_error("AccessDenied")))

"""archive: messages of events become objects that DuckDB reads as they lie; only what failed comes again."""

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from functions.archive.app import handler
from tailrace.aws.runtime.clients import storing_client
from tailrace.aws.stages import archive as archiving
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage, Permanent
from tailrace.outputs.archives import parse_key
from tailrace.outputs.envelopes import EventText
from tailrace.outputs.packing import claim_check
from tailrace.outputs.stored_object import StoredObject
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.archive_messages import NEXT_HOUR, batch
from tests.unit.outputs.events import event

DONE: dict[str, Any] = {"batchItemFailures": []}


def put_aside(whole: dict[str, Any], bucket: str) -> tuple[StoredObject, str]:
    """Return an event's data as an object, and the event that refers to it."""
    attributes = {name: value for name, value in whole.items() if name != "data"}
    return claim_check(EventText(dumps(attributes)[:-1], dumps(whole["data"])), bucket)


def failing(*messages: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message} for message in messages]}


def archived(cloud: Cloud) -> dict[str, list[Any]]:
    """Return the events of each object, by the object's folder; each folder holds one."""
    objects = cloud.objects("the-archive", "archive/")
    found = {
        key.rpartition("/")[0]: [loads(line) for line in gzip.decompress(objects[key]).splitlines()] for key in objects
    }
    assert len(found) == len(objects)
    return found


def test_messages_become_one_object_for_each_collection_and_hour(cloud: Cloud) -> None:
    other = event(4, type="tailrace.visits.removed")
    assert handler(batch([event(2), event(3, time=NEXT_HOUR)], [event(1), other]), None) == DONE
    assert archived(cloud) == {
        "archive/orders/date=2024-10-27/hour=00": [event(1), event(2)],
        "archive/orders/date=2024-10-27/hour=01": [event(3, time=NEXT_HOUR)],
        "archive/visits/date=2024-10-27/hour=00": [other],
    }


def test_a_batch_that_comes_again_writes_the_same_objects(cloud: Cloud) -> None:
    handler(batch([event(1), event(2)], [event(3)]), None)
    first = cloud.objects("the-archive")
    handler(batch([event(3)], [event(2), event(1)], [event(2)]), None)
    assert cloud.objects("the-archive") == first


def test_a_message_that_cannot_be_read_comes_again_alone(cloud: Cloud) -> None:
    assert handler(batch([event(1)], "no JSON", [event(2)], [{"specversion": "1.0"}]), None) == failing("m1", "m3")
    assert archived(cloud) == {"archive/orders/date=2024-10-27/hour=00": [event(1), event(2)]}


def test_events_that_are_packed_with_what_is_no_event_are_archived(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = [event(1), {"specversion": "1.0"}, event(2, type="other.orders.inserted"), 7, event(3)]
    assert handler(batch(packed, [event(4)]), None) == failing("m0")
    assert archived(cloud) == {"archive/orders/date=2024-10-27/hour=00": [event(1), event(3), event(4)]}
    (counted,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    names = ("EventsReceived", "MessagesUnreadable", "MessagesFailed")
    assert [counted[name] for name in names] == [[3.0], [1.0], [1.0]]


def test_data_that_no_message_holds_are_fetched(cloud: Cloud) -> None:
    large = event(1, new={"text": "x" * 300_000, "amount": Decimal("0.10"), "tags": {"a", "b"}})
    stored, light = put_aside(large, "the-failures")
    cloud.s3.put_object(Bucket="the-failures", Key=stored.key, Body=stored.body)
    assert handler(batch(f"[{light}]"), None) == DONE
    assert archived(cloud) == {"archive/orders/date=2024-10-27/hour=00": [large]}


def test_a_message_whose_data_are_gone_comes_again_alone(cloud: Cloud) -> None:
    _, light = put_aside(event(1), "the-failures")
    _, elsewhere = put_aside(event(2), "somebody-elses")
    assert handler(batch(f"[{light}]", [event(3)], f"[{elsewhere}]"), None) == failing("m0", "m2")
    assert archived(cloud) == {"archive/orders/date=2024-10-27/hour=00": [event(3)]}


def test_events_that_are_packed_with_one_whose_data_are_gone_or_damaged_are_archived(cloud: Cloud) -> None:
    """The message comes again all the same, until it is dead-lettered."""
    _, gone = put_aside(event(1), "the-failures")
    stored, damaged = put_aside(event(2), "the-failures")
    cloud.s3.put_object(Bucket="the-failures", Key=stored.key, Body=b"{}")
    whole, light = put_aside(event(3), "the-failures")
    cloud.s3.put_object(Bucket="the-failures", Key=whole.key, Body=whole.body)
    packed = f"[{gone},{dumps(event(4))},{light},{damaged},{dumps(event(5))}]"
    for _ in range(2):
        assert handler(batch(packed, [event(6)]), None) == failing("m0")
        assert archived(cloud) == {"archive/orders/date=2024-10-27/hour=00": [event(n) for n in (3, 4, 5, 6)]}


def test_no_more_is_held_than_memory_has_room_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "MAX_HELD_CHARACTERS", 500_000)
    large = [event(number, new={"text": "x" * 300_000}) for number in range(6)]
    messages = []
    for whole in large:
        stored, light = put_aside(whole, "the-failures")
        cloud.s3.put_object(Bucket="the-failures", Key=stored.key, Body=stored.body)
        messages.append(f"[{light}]")
    calls: list[str] = []

    def seen(model: Any, **_: Any) -> None:
        calls.append(model.name)

    storing_client().meta.events.register("before-call.s3", seen)
    assert handler(batch(*messages), None) == DONE
    storing_client().meta.events.unregister("before-call.s3", seen)
    assert calls == ["GetObject", "GetObject", "PutObject"] * 3
    objects = cloud.objects("the-archive", "archive/orders/").values()
    lines = [line for body in objects for line in gzip.decompress(body).splitlines()]
    assert sorted((loads(line) for line in lines), key=lambda one: one["id"]) == large


def test_a_message_that_refers_to_much_data_is_read_and_written_in_parts(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "MAX_HELD_CHARACTERS", 500_000)
    large = [event(number, new={"text": "x" * 80_000}) for number in range(20)]
    texts = [dumps(event(20))]
    for whole in large:
        stored, light = put_aside(whole, "the-failures")
        cloud.s3.put_object(Bucket="the-failures", Key=stored.key, Body=stored.body)
        texts.append(light)
    message, calls = f"[{','.join(texts)}]", list[str]()

    def seen(model: Any, **_: Any) -> None:
        calls.append(model.name)

    storing_client().meta.events.register("before-call.s3", seen)
    assert handler(batch(message), None) == DONE
    storing_client().meta.events.unregister("before-call.s3", seen)
    assert calls == [*["GetObject"] * 8, "PutObject"] * 2 + ["GetObject"] * 4 + ["PutObject"]
    objects = cloud.objects("the-archive", "archive/orders/").values()
    names = [loads(line)["id"] for body in objects for line in gzip.decompress(body).splitlines()]
    assert sorted(names) == sorted(one["id"] for one in [*large, event(20)])
    assert handler(batch(message), Context(120, 90, 90, 59)) == failing("m0")


class Context:
    """An invocation's context whose remaining times are these, one for each question."""

    def __init__(self, *seconds: int) -> None:
        self._left = [second * 1000 for second in seconds]

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop(0)


def test_what_was_read_is_archived_before_time_runs_out_and_the_rest_comes_again(cloud: Cloud) -> None:
    messages = batch(*([event(number)] for number in range(1, 5)))
    assert handler(messages, Context(120, 60, 59, 59, 31)) == failing("m2", "m3")
    assert archived(cloud) == {"archive/orders/date=2024-10-27/hour=00": [event(1), event(2)]}


def test_no_object_is_started_without_time_to_write_it(cloud: Cloud) -> None:
    """With a slow bucket, the invocation would time out, and all messages would be redelivered."""
    messages = batch([event(1)], [event(2, time=NEXT_HOUR)])
    assert handler(messages, Context(120, 110, 30, 29)) in (failing("m0"), failing("m1"))
    assert len(archived(cloud)) == 1


@pytest.mark.usefixtures("cloud")
def test_what_was_held_together_fails_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "MAX_HELD_CHARACTERS", 1)
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "SlowDown", http_status_code=503)
        for _ in range(2):
            stub.add_response("put_object", {}, {"Bucket": ANY, "Key": ANY, "Body": ANY, "ContentType": ANY})
        assert handler(batch([event(1)], [event(2)], "no JSON", [event(3)]), None) == failing("m0", "m2")
        stub.assert_no_pending_responses()


@pytest.mark.usefixtures("cloud")
def test_only_messages_of_objects_that_could_not_be_written_come_again() -> None:
    s3 = storing_client()
    with Stubber(s3) as stub:
        stub.add_client_error("put_object", "SlowDown", http_status_code=503)
        stub.add_response("put_object", {}, {"Bucket": ANY, "Key": ANY, "Body": ANY, "ContentType": ANY})
        answer = handler(batch([event(1)], [event(2, time=NEXT_HOUR)], []), None)
        stub.assert_no_pending_responses()
    # two threads write: which of the two objects met the error is theirs to decide, but it is one
    assert answer in (failing("m0"), failing("m1"))


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("most_held", [1, archiving.MAX_HELD_CHARACTERS])
def test_only_objects_that_were_written_are_counted_as_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], most_held: int
) -> None:
    monkeypatch.setattr(archiving, "MAX_HELD_CHARACTERS", most_held)
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "SlowDown", http_status_code=503)
        stub.add_response("put_object", {}, {"Bucket": ANY, "Key": ANY, "Body": ANY, "ContentType": ANY})
        handler(batch([event(1)], [event(2, time=NEXT_HOUR)]), None)
    (counted,) = [loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert (counted["EventsReceived"], counted["ObjectsWritten"], counted["MessagesFailed"]) == ([2], [1], [1])


@pytest.mark.usefixtures("cloud")
def test_every_message_of_an_object_that_could_not_be_written_comes_again() -> None:
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "InternalError", http_status_code=500)
        assert handler(batch([event(1)], [event(2)], [event(1)]), None) == failing("m0", "m1", "m2")


@pytest.mark.usefixtures("cloud")
def test_a_bucket_that_refuses_for_good_is_not_hidden() -> None:
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "AccessDenied", http_status_code=403)
        with pytest.raises(Permanent, match="AccessDenied"):
            handler(batch([event(1)]), None)


@pytest.mark.usefixtures("cloud")
def test_an_event_of_something_else_is_an_error() -> None:
    with pytest.raises(InvalidMessage):
        handler({"detail": {}}, None)


def test_the_name_in_the_bucket_is_one_that_catalog_knows(cloud: Cloud) -> None:
    handler(batch([event(1)]), None)
    (key,) = cloud.objects("the-archive")
    folder, name = parse_key(key)
    assert folder.key(name) == key

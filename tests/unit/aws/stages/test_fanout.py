"""fanout: valid changes go to the archive and to the routes they concern; what is refused goes to quarantine."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from functions.fanout.app import handler, stage
from tailrace import Collection, Pipeline, Route
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.clients import client
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, NotFound, Permanent
from tailrace.testing import SHARD, SOURCE, event, history, record
from tests.unit.aws.conftest import Cloud

SMALL = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": 5}
LARGE = SMALL | {"amount": 500}
DONE: dict[str, Any] = {"state": {}, "batchItemFailures": []}


def received(cloud: Cloud, queue: str) -> list[str]:
    """Take every message from a queue."""
    url = cloud.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    bodies: list[str] = []
    while messages := cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies.extend(message["Body"] for message in messages)
    return bodies


def archived(cloud: Cloud) -> list[dict[str, Any]]:
    return [envelope for body in received(cloud, "stack-archive") for envelope in loads(body)]


def test_each_change_is_one_event_with_both_images_transformed(cloud: Cloud) -> None:
    assert handler(event(history("orders", [("7#~", SMALL), ("7#~", LARGE), ("7#~", None)])), None) == DONE
    first, second, third = archived(cloud)
    assert [e["type"] for e in (first, second, third)] == [
        "tailrace.orders.inserted",
        "tailrace.orders.modified",
        "tailrace.orders.removed",
    ]
    assert second == {
        "specversion": "1.0",
        "id": f"{2:032x}",
        "source": SOURCE,
        "type": "tailrace.orders.modified",
        "subject": "7#~",
        "time": "2023-11-14T22:13:22Z",
        "datacontenttype": "application/json",
        "data": {"old": SMALL | {"large": False}, "new": LARGE | {"large": True}, "shard": SHARD, "sequence": "2"},
    }
    assert (first["data"]["old"], third["data"]["new"]) == (None, None)


def test_a_route_hears_of_items_that_satisfy_it_before_or_after(cloud: Cloud) -> None:
    handler(event(history("orders", [("1", SMALL), ("1", LARGE), ("1", SMALL), ("1", SMALL | {"paid": True})])), None)
    kinds = [loads(body)["data"]["sequence"] for body in received(cloud, "stack_LargeOrders")]
    assert kinds == ["2", "3"]


def test_an_expiry_is_told_from_a_deletion(cloud: Cloud) -> None:
    handler(event([record(1, "orders", ("1", SMALL, None), expired=True)]), None)
    assert archived(cloud)[0]["type"] == "tailrace.orders.expired"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a missing field": ({"shop": "a"}, "required"),
    "a broken transform": (SMALL | {"lines": 13}, "transform"),
    "an unknown field": (SMALL | {"#~/": "~#"}, "additionalProperties"),
    "300 KB of text": (SMALL | {"shop": "s" * 300_000}, "maxLength"),
}


@pytest.mark.parametrize("bad", BAD, ids=lambda name: name.replace(" ", "-"))
def test_a_refused_item_is_quarantined_once_and_its_neighbours_go_on(cloud: Cloud, bad: str) -> None:
    item, keyword = BAD[bad]
    batch = event(history("orders", [("1", SMALL), ("x", item), ("2", SMALL), ("x", None)]))
    assert handler(batch, None) == DONE
    assert handler(batch, None) == DONE
    (report,) = cloud.quarantine()
    assert (report["entrance"], report["collection"], report["id"], report["item"]) == ("stream", "orders", "x", item)
    assert [violation["keyword"] for violation in report["violations"]] == [keyword]
    assert {envelope["subject"] for envelope in archived(cloud)} == {"1", "2"}


def test_an_item_that_breaks_is_removed_for_those_who_listen(cloud: Cloud) -> None:
    handler(event(history("orders", [("1", LARGE), ("1", LARGE | {"lines": 13})])), None)
    assert [envelope["type"] for envelope in archived(cloud)] == ["tailrace.orders.inserted", "tailrace.orders.removed"]
    assert len(cloud.quarantine()) == 1


def test_an_item_that_cannot_be_counted_is_archived_and_told(cloud: Cloud) -> None:
    handler(event(history("orders", [("1", SMALL | {"placed": "soon"})])), None)
    assert len(archived(cloud)) == 1
    (report,) = cloud.quarantine()
    assert {violation["keyword"] for violation in report["violations"]} == {"time"}


def test_rows_that_are_no_items_are_quarantined_whole(cloud: Cloud) -> None:
    stranger = record(1, "orders", ("1", None, SMALL))
    stranger["dynamodb"]["Keys"] = {"pk": {"S": "nothing"}}
    unknown = record(2, "planes", ("1", None, {"a": 1}))
    assert handler(event([stranger, unknown, record(3, "orders", ("1", None, SMALL))]), None) == DONE
    reasons = {violation["keyword"] for report in cloud.quarantine() for violation in report["violations"]}
    assert reasons == {"record", "collection"}
    assert len(archived(cloud)) == 1


def test_many_changes_share_a_message_and_none_is_larger_than_a_message_may_be(cloud: Cloud) -> None:
    writes = [(str(n), SMALL | {"notes": {"text": "n" * 1000}}) for n in range(400)]
    assert handler(event(history("orders", writes)), None) == DONE
    bodies = received(cloud, "stack-archive")
    sizes = [len(body.encode()) for body in bodies]
    assert max(sizes) <= 262_144
    assert len(sizes) == math.ceil(sum(sizes) / 262_144)
    assert [envelope["subject"] for body in bodies for envelope in loads(body)] == [item_id for item_id, _ in writes]


def test_what_no_message_can_hold_is_put_aside_and_referred_to(cloud: Cloud) -> None:
    huge = LARGE | {"notes": {"text": "é" * 180_000}}
    assert handler(event(history("orders", [("1", huge)])), None) == DONE
    (envelope,) = archived(cloud)
    (routed,) = received(cloud, "stack_LargeOrders")
    assert loads(routed) == envelope
    assert "data" not in envelope
    (key,) = cloud.objects("the-failures", "oversize/")
    assert envelope["dataref"] == f"s3://the-failures/{key}"
    assert loads(cloud.objects("the-failures")[key])["new"] == huge | {"large": True}


_KEY = {"pk": "T|{tenant}", "sk": "{sk+}"}
_DRAFTS = Collection("drafts", schema={}, key=_KEY, match={"state": "draft"})
_INVOICES = Collection("invoices", schema={}, key=_KEY, match={"state": "final"})
MOVING = Pipeline(
    [_DRAFTS, _INVOICES],
    routes=[Route("drafts", of=_DRAFTS, when=bool), Route("invoices", of=_INVOICES, when=bool)],
)


def fanout_of_moves(cloud: Cloud) -> Fanout:
    urls = {name: cloud.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("archive", "drafts", "invoices")}
    destinations = Destinations(urls["archive"], urls, "the-failures")
    progress = ProgressWriter(cloud.dynamodb, "progress", "fanout", lambda: datetime.now(UTC))
    return Fanout(MOVING, cloud.sqs, lambda: cloud.s3, destinations, progress)


def move(old_size: int, new_size: int) -> dict[str, Any]:
    """Return the record of an item that passes from one collection to the other."""
    moved = record(1, "drafts", ("a/1", {}, {}), pipeline=MOVING)
    for image, state, size in (("OldImage", "draft", old_size), ("NewImage", "final", new_size)):
        moved["dynamodb"][image] |= {"state": {"S": state}, "text": {"S": state[0] * size}}
    return moved


@pytest.mark.parametrize(("old_size", "new_size"), [(10, 10), (300_000, 10), (10, 300_000), (300_000, 290_000)])
def test_both_events_of_an_item_that_moves_are_sent_whatever_its_size(
    cloud: Cloud, old_size: int, new_size: int
) -> None:
    assert fanout_of_moves(cloud)(event([move(old_size, new_size)])) == DONE
    sent = [envelope for body in received(cloud, "archive") for envelope in loads(body)]
    assert [(one["type"], "dataref" in one) for one in sent] == [
        ("tailrace.drafts.removed", old_size > 262_144),
        ("tailrace.invoices.inserted", new_size > 262_144),
    ]
    assert [loads(body) for queue in ("drafts", "invoices") for body in received(cloud, queue)] == sent
    for one in sent:
        kept = cloud.objects("the-failures")
        data = one["data"] if "data" in one else loads(kept[one["dataref"].removeprefix("s3://the-failures/")])
        text = (data["old"] or data["new"])["text"]
        assert len(text) == (old_size if one["type"].endswith("removed") else new_size)


def test_a_move_whose_data_cannot_be_put_aside_comes_again(cloud: Cloud) -> None:
    moved = move(300_000, 290_000)
    with Stubber(cloud.s3) as stub:
        for _ in range(2 + 1 + 1):  # the archive's two, and each route's one
            stub.add_client_error("put_object", "SlowDown", http_status_code=503)
        answer = fanout_of_moves(cloud)(event([moved]))
    assert answer["batchItemFailures"] == [{"itemIdentifier": moved["dynamodb"]["SequenceNumber"]}]
    assert received(cloud, "archive") == []


def test_the_first_change_that_was_not_sent_is_the_checkpoint(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    records = history("orders", [(str(n), LARGE if n == 2 else SMALL) for n in range(4)])
    with Stubber(client("sqs")) as stub:
        stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
        for _ in range(4):
            failed = [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]
            stub.add_response(
                "send_message_batch", {"Successful": [], "Failed": failed}, {"QueueUrl": ANY, "Entries": ANY}
            )
        answer = handler(event(records), None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": records[2]["dynamodb"]["SequenceNumber"]}]


class Context:
    """An invocation that has these times left, and then the last one for good."""

    def __init__(self, *left_s: int) -> None:
        self.left_s = list(left_s)

    def get_remaining_time_in_millis(self) -> int:
        return 1000 * (self.left_s.pop(0) if len(self.left_s) > 1 else self.left_s[0])


@pytest.mark.parametrize(
    ("left_s", "sent", "routed", "checkpoint"),
    [
        ((120, 110), 4, 1, None),
        ((120, 110, 100, 59), 3, 1, 3),  # the transform is slow
        ((120, 1), 0, 0, 0),
        ((120, 110, 100, 90, 80, 39), 4, 0, 2),  # the queues are
        ((20, 18, 16, 9), 3, 1, 3),  # of a function with a shorter timeout
    ],
)
def test_what_there_is_no_time_for_comes_again(
    cloud: Cloud, left_s: tuple[int, ...], sent: int, routed: int, checkpoint: int | None
) -> None:
    """Cut off by the timeout, the whole batch came again, in halves."""
    records = history("orders", [(str(n), LARGE if n == 2 else SMALL) for n in range(4)])
    stage.cache_clear()  # with its pace from earlier deliveries
    answer = handler(event(records), Context(*left_s))
    assert (len(archived(cloud)), len(received(cloud, "stack_LargeOrders"))) == (sent, routed)
    left = records[checkpoint : checkpoint + 1] if checkpoint is not None else []
    expected = [{"itemIdentifier": one["dynamodb"]["SequenceNumber"]} for one in left]
    assert answer["batchItemFailures"] == expected
    assert handler(event(records[2:3]), Context(1)) == DONE
    assert len(received(cloud, "stack_LargeOrders")) == 1


def test_a_queue_that_is_gone_is_never_passed_over_in_silence(cloud: Cloud) -> None:
    cloud.sqs.delete_queue(QueueUrl=cloud.sqs.get_queue_url(QueueName="stack-archive")["QueueUrl"])
    with pytest.raises(Permanent, match="NonExistentQueue|QueueDoesNotExist"):
        handler(event(history("orders", [("1", SMALL)])), None)


def test_a_replay_sends_items_and_names_those_that_are_still_refused(cloud: Cloud) -> None:
    records = [record(1, "orders", ("1", None, LARGE)), record(2, "orders", ("2", None, {"shop": "a"}))]
    request = {"items": records}
    checked = handler({"replay": request | {"check": True}}, None)
    assert (archived(cloud), received(cloud, "stack_LargeOrders")) == ([], [])
    assert handler({"replay": request}, None) == checked
    assert checked["failed"] == []
    assert [violation["keyword"] for violation in checked["violations"]["1"]] == ["required"]
    (sent,) = archived(cloud)
    assert (sent["subject"], sent["replayed"]) == ("1", True)
    assert [loads(body) for body in received(cloud, "stack_LargeOrders")] == [sent]
    assert cloud.quarantine() == []


@pytest.mark.usefixtures("cloud")
def test_a_replay_names_a_few_of_many_violations() -> None:
    bad = record(1, "orders", ("1", None, SMALL | {"tags": [*range(50)]}))
    assert len(handler({"replay": {"items": [bad]}}, None)["violations"]["0"]) == 20


@pytest.mark.parametrize("name", ["large-orders", "large_orders", "LargeOrders"])
def test_a_replay_sends_a_routes_events_to_this_route_only(cloud: Cloud, name: str) -> None:
    handler(event(history("orders", [("1", LARGE), ("2", SMALL)])), None)
    received(cloud, "stack_LargeOrders")
    texts = [json.dumps(envelope) for envelope in archived(cloud)]
    request = {"route": name, "events": texts}
    assert handler({"replay": request | {"check": True}}, None) == {
        "collection": "orders",
        "matched": 1,
        "failed": [],
        "violations": {},
    }
    assert received(cloud, "stack_LargeOrders") == []
    assert handler({"replay": request}, None)["matched"] == 1
    (body,) = received(cloud, "stack_LargeOrders")
    assert loads(body) == loads(texts[0]) | {"replayed": True}
    assert archived(cloud) == []


def test_a_replay_of_nothing_known_is_refused(cloud: Cloud) -> None:
    with pytest.raises(InvalidMessage):
        handler({"replay": {}}, None)
    with pytest.raises(NotFound):
        handler({"replay": {"route": "elsewhere"}}, None)


def test_sets_and_binary_reach_the_archive_as_they_were(cloud: Cloud) -> None:
    tagged = SMALL | {"tags": {"a", "b"}, "notes": {"b": b"\x00\xff", "n": {1, 2}}}
    sent = json.loads(json.dumps(event(history("orders", [("1", tagged)])), default=lambda _binary: "AP8="))
    assert handler(sent, None) == DONE
    assert archived(cloud)[0]["data"]["new"] == tagged | {"large": False}

"""Reports of refused items: put back to where they were refused, left with the present reason, or discarded."""

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import quarantine as command
from cli.__main__ import main
from cli.failures import gate, places, quarantine
from cli.failures.run import Policy
from cli.quarantine import line_of
from tailrace import Collection, Pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.testing import event, record
from tests.unit.cli.failures.fakes import Life
from tests.unit.cli.failures.world import BOTH, SAFE, Stack, pipeline_with, put

LEFT_CHANGED = f"{quarantine.CHANGED} (--discard removes the reports)"


def break_code(stack: Stack) -> None:
    stack.deploy(pipeline_with(transform=lambda item: item | {"half": item["m"] / 2}))


def test_an_item_that_the_deployed_code_still_refuses_stays_with_the_present_reason(stack: Stack) -> None:
    break_code(stack)
    stack.stream([record(1, "things", ("a", None, {"n": 1, "m": "x"}))])
    stack.deploy(pipeline_with(transform=lambda item: item | {"root": item["m"] ** 2}))
    tally = stack.redrive("quarantine").tally
    assert dict(tally.left) == {"are still refused": 1}
    assert "TypeError: unsupported operand type(s) for ** or pow()" in tally.examples["are still refused"][0]
    assert stack.archived() == []
    assert len(stack.s3.keys("quarantine/")) == 1


def test_a_report_of_an_item_that_changed_since_is_left_or_discarded(stack: Stack) -> None:
    break_code(stack)
    stack.stream([record(1, "things", ("a", None, {"n": 1, "m": "x"}))])
    stack.deploy(pipeline_with())
    stack.put_item("a", {"n": 2})
    assert dict(stack.redrive("quarantine", SAFE).tally.left) == {LEFT_CHANGED: 1}
    assert dict(stack.redrive("quarantine", Policy(discard=True)).tally.removed) == {quarantine.CHANGED: 1}
    assert stack.s3.keys("quarantine/") == stack.archived() == []


def test_of_several_reports_of_an_item_the_newest_is_put_back(stack: Stack) -> None:
    refuse_thrice(stack)
    assert len(stack.s3.keys("quarantine/")) == 3
    stack.deploy(pipeline_with())
    tally = stack.redrive("quarantine").tally
    assert (tally.put_back, dict(tally.left)) == (1, {LEFT_CHANGED: 1})
    assert dict(tally.removed) == {quarantine.REPEATED: 1}
    (sent,) = stack.archived()
    assert sent["data"] == {"old": None, "new": {"n": 1, "m": "x"}, "shard": sent["data"]["shard"], "sequence": "3"}
    assert stack.redrive("quarantine").tally.put_back == 0


def refuse_thrice(stack: Stack) -> None:
    """Let the stream bring an item, another version of it, and the first version again."""
    break_code(stack)
    bad, worse = {"n": 1, "m": "x"}, {"n": 1, "m": "y"}
    steps = [(None, bad), (bad, worse), (worse, bad)]
    stack.stream([record(place + 1, "things", ("a", *step)) for place, step in enumerate(steps)])


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("becomes", ["accepted", "refused", "changed", "discarded"])
def test_every_report_is_counted_whatever_becomes_of_it(stack: Stack, becomes: str, dry_run: bool) -> None:
    refuse_thrice(stack)
    stack.deploy(pipeline_with() if becomes != "refused" else pipeline_with(transform=lambda item: item["m"] / 2))
    if becomes in ("changed", "discarded"):
        stack.put_item("a", {"n": 2})
    policy = Policy(discard=True) if becomes == "discarded" else SAFE
    tally = stack.redrive("quarantine", policy, dry_run=dry_run).tally
    assert tally.put_back + tally.removed.total() + tally.left.total() == 3
    left = 3 if dry_run else tally.left.total()
    assert len(stack.s3.keys("quarantine/")) == left
    assert tally.left.total() == {"accepted": 1, "refused": 3, "changed": 3, "discarded": 0}[becomes]


def test_an_item_that_only_a_route_refused_goes_to_this_route(stack: Stack) -> None:
    stack.deploy(pipeline_with(when=lambda item: item["m"] > 1))
    stack.stream([record(1, "things", ("a", None, {"n": 2, "m": "x"}))])
    assert len(stack.archived()) == 1
    assert stack.routed() == []
    stack.deploy(pipeline_with())
    assert stack.redrive("quarantine").tally.put_back == 1
    assert len(stack.archived()) == 1
    assert [sent["id"] for sent in stack.routed()] == [stack.archived()[0]["id"]]
    assert stack.s3.keys("quarantine/") == []


@pytest.mark.parametrize("entrance", ["file", "queue"])
def test_of_reports_of_one_time_the_last_line_or_message_counts(stack: Stack, entrance: str) -> None:
    for n in range(8, 12):
        if entrance == "queue":
            attributes = {"SentTimestamp": "0", "SequenceNumber": str(n)}
            message = {"messageId": str(n), "body": dumps(put("a", {"x": n})), "attributes": attributes}
            stack.ingest({"Records": [message]}, lambda: 60_000)
            continue
        content = {"entrance": "file", "collection": "things", "id": "a", "item": {"x": n}, "origin": {"line": str(n)}}
        body = dumps(content | {"time": "2026-11-27T00:00:00.000Z"}).encode()
        stack.s3.put_object(Bucket="failures", Key=f"quarantine/things/date=2026-11-27/{12 - n}.json", Body=body)
    stack.deploy(pipeline_with(required=()))
    assert stack.redrive("quarantine", BOTH).tally.put_back == 4
    stack.ingest_all()
    assert (stack.items(), stack.s3.keys()) == ({"a": {"x": 11}}, [])


def test_an_item_that_is_too_large_for_the_queue_holds_up_no_other(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of a file may be four times as large as a message."""
    for name, size in {"a": 300_000, "b": 10}.items():
        content = {"entrance": "file", "collection": "things", "id": name, "item": {"x": "y" * size}}
        body = dumps(content | {"origin": {"line": "1"}, "time": f"2026-11-27T00:00:00.{name}Z"}).encode()
        stack.s3.put_object(Bucket="failures", Key=f"quarantine/things/date=2026-11-27/{name}.json", Body=body)
    send_message = stack.sqs.send_message

    def limited(**request: Any) -> Any:
        if len(request["MessageBody"].encode()) > 262_144:
            reason: Any = {"Code": "InvalidParameterValue", "Message": "Message must be shorter than 262144 bytes."}
            raise ClientError({"Error": reason}, "SendMessage")
        return send_message(**request)

    monkeypatch.setattr(stack.sqs, "send_message", limited)
    tally = stack.redrive("quarantine", BOTH).tally
    assert (tally.put_back, dict(tally.left)) == (1, {quarantine.REFUSED: 1})
    assert tally.examples[quarantine.REFUSED] == ["a things#a: Message must be shorter than 262144 bytes."]
    assert stack.s3.keys("quarantine/") == ["quarantine/things/date=2026-11-27/a.json"]
    stack.deploy(pipeline_with(required=()))
    stack.ingest_all()
    assert stack.items() == {"b": {"x": "y" * 10}}
    assert dict(stack.redrive("quarantine", BOTH).tally.left) == {quarantine.REFUSED: 1}


def test_sets_and_binary_values_are_compared_and_sent(stack: Stack) -> None:
    break_code(stack)
    stack.stream([record(1, "things", ("a", None, {"n": 1, "m": b"\x00\xff", "s": {1, 2}, "d": Decimal("0.10")}))])
    stack.deploy(pipeline_with())
    assert stack.redrive("quarantine").tally.put_back == 1
    (sent,) = stack.archived()
    assert sent["data"]["new"] == {"n": 1, "m": b"\x00\xff", "s": {1, 2}, "d": Decimal("0.1")}


def test_a_row_that_is_no_item_is_left(stack: Stack) -> None:
    stranger = record(1, "things", ("a", None, {"n": 1}))
    stranger["dynamodb"]["Keys"] = {"pk": {"S": "nothing"}}
    stranger["dynamodb"]["NewImage"] |= stranger["dynamodb"]["Keys"]
    stack.functions.functions["s-fanout"](event([stranger]))
    left = f"{quarantine.CHANGED} (--discard removes the reports)"
    assert dict(stack.redrive("quarantine").tally.left) == {left: 1}
    stack.database.put_item(TableName="items", Item=stranger["dynamodb"]["NewImage"])
    tally = stack.redrive("quarantine").tally
    assert dict(tally.left) == {"are still refused": 1}
    assert "invalid item key" in tally.examples["are still refused"][0]


def test_what_holds_no_item_is_left(stack: Stack) -> None:
    message = {"messageId": "m", "body": "{", "attributes": {"SentTimestamp": "0"}}
    stack.ingest({"Records": [message]}, lambda: 60_000)
    left = f"{quarantine.UNREADABLE} (--discard removes the reports)"
    assert dict(stack.redrive("quarantine").tally.left) == {left: 1}
    assert stack.redrive("quarantine", Policy(discard=True)).tally.removed == {quarantine.UNREADABLE: 1}
    assert stack.s3.keys() == []


def test_a_refused_line_of_a_file_keeps_its_expiry_and_the_time_of_the_upload(stack: Stack) -> None:
    stack.deploy(Pipeline([Collection("things", schema={"type": "object"}, received="at")]))
    content = {"entrance": "file", "collection": "things", "id": "a", "item": {"n": 1}, "expires_at": 2_000_000_000}
    content["time"] = "2026-11-27T01:02:03.456Z"
    key = "quarantine/things/date=2026-11-27/a.json"
    stack.s3.put_object(Bucket="failures", Key=key, Body=dumps(content | {"origin": {}}).encode())
    assert dict(stack.redrive("quarantine", SAFE).tally.left) == {gate.ABSENT: 1}
    assert stack.redrive("quarantine", Policy(create=True)).tally.put_back == 1
    stack.ingest_all()
    assert stack.items() == {"a": {"n": 1, "at": content["time"], "expires_at": 2_000_000_000}}
    assert stack.s3.keys() == []


DAMAGED = f"{quarantine.UNREADABLE} (--discard removes the reports)"
NO_NUMBER = "failed in fanout: InvalidMessage: a stream record has no sequence number"


def damage(stack: Stack, **changes: Any) -> str:
    """Change members of the one report of the item b, as if it was written in part or by hand; None removes one."""
    store = stack.places(Life())["quarantine"].store
    (report,) = [one for one in store.read_all(store.list_keys()) if one.content["id"] == "b"]
    content = {name: value for name, value in (dict(report.content) | changes).items() if value is not None}
    key: str = report.key
    stack.s3.put_object(Bucket="failures", Key=key, Body=dumps(content).encode())
    return key


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"time": None}, {DAMAGED: 1}),
        ({"time": "2026-13-45"}, {DAMAGED: 1}),
        ({"origin": "by hand"}, {}),
        ({"violations": [{"pointer": "/n"}, "x"]}, {}),
        ({"violations": {"message": "x"}}, {}),
        ({"sequence": "9" * 5_000}, {NO_NUMBER: 1}),
        ({"refused": False, "failed_routes": 1}, {}),
    ],
)
def test_a_damaged_report_is_listed_and_holds_up_no_other(
    stack: Stack, changes: dict[str, Any], left: dict[str, int]
) -> None:
    break_code(stack)
    items = [("a", None, {"n": 1, "m": "x"}), ("b", None, {"n": 2, "m": "y"})]
    stack.stream([record(number, "things", item) for number, item in enumerate(items, 1)])
    key = damage(stack, **changes)
    store = stack.places(Life())["quarantine"].store
    assert len([line_of(report) for report in store.read_all(store.list_keys())]) == 2
    stack.deploy(pipeline_with())
    tally = stack.redrive("quarantine").tally
    assert (tally.put_back, dict(tally.left)) == (2 - len(left), left)
    assert stack.s3.keys("quarantine/") == ([key] if left else [])


def test_a_collection_without_refused_items_is_told_with_those_that_have_some(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name may be mistyped, so 0 is not necessarily good news."""
    break_code(stack)
    stack.stream([record(1, "things", ("a", None, {"n": 1}))])
    place = stack.places(Life())["quarantine"]
    monkeypatch.setattr(command, "stack_of", lambda _options: None)
    monkeypatch.setattr(places, "report_store", lambda _stack: place.store)
    monkeypatch.setattr(places, "quarantine", lambda _stack, _policy: place)
    capsys.readouterr()
    told = "Collection 'thing' has none; collections with refused items: things."
    for action, first in (("list", "0 refused items"), ("replay", "quarantine  0 put back")):
        assert main(["quarantine", action, "--collection", "thing", "--stack", "s"]) == 0
        assert capsys.readouterr().out.splitlines() == [first, told]
    assert main(["quarantine", "list", "--collection", "things", "--stack", "s"]) == 0
    assert capsys.readouterr().out.endswith("\n1 refused item\n")


@pytest.mark.parametrize("part", ["Keys", "NewImage"])
@pytest.mark.parametrize("value", [{"pk": {}}, {"pk": "x"}, {"pk": {"N": "x"}}, {"pk": {"M": {}}}])
def test_a_damaged_report_of_a_row_holds_up_no_other(stack: Stack, part: str, value: Any) -> None:
    break_code(stack)
    stack.stream([record(1, "things", ("a", None, {"n": 1, "m": "x"}))])
    row = {"Keys": {"pk": {"S": "x"}}, "NewImage": {"pk": {"S": "x"}}} | {part: value}
    content = {"entrance": "stream", "item": {"dynamodb": row}, "time": "2026-11-27T00:00:00Z"}
    key = "quarantine/unknown/date=2026-11-27/a.json"
    stack.s3.put_object(Bucket="failures", Key=key, Body=dumps(content).encode())
    stack.deploy(pipeline_with())
    assert stack.redrive("quarantine").tally.put_back == 1
    assert stack.s3.keys("quarantine/") == [key]


def test_an_item_that_makes_fanout_fail_holds_up_no_other(stack: Stack) -> None:
    """It may use up the function's time or memory, and takes the rest of its call with it."""
    break_code(stack)
    items = [(name, None, {"n": 1, "m": name}) for name in "abc"]
    stack.stream([record(number, "things", item) for number, item in enumerate(items, 1)])
    stack.deploy(pipeline_with())
    fanout = stack.functions.functions["s-fanout"]

    def exhausted(event: dict[str, Any]) -> Any:
        if any(one["dynamodb"]["Keys"]["pk"]["S"] == "things#b" for one in event["replay"]["items"]):
            raise MemoryError("used up")
        return fanout(event)

    stack.functions.functions["s-fanout"] = exhausted
    tally = stack.redrive("quarantine").tally
    assert (tally.put_back, dict(tally.left)) == (2, {"failed in fanout: MemoryError: used up": 1})
    assert [sent["data"]["new"]["m"] for sent in stack.archived()] == ["a", "c"]

"""What each place puts back, leaves and removes, and what it says about that."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.failures import batches, files, gate, quarantine, queues
from cli.failures.run import Policy
from cli.failures.sent_log import sent_log
from tailrace import Collection, Pipeline, Route, days
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.testing import SHARD, event, record
from tests.unit.cli.failures.fakes import Life
from tests.unit.cli.failures.world import ACCOUNT, BOTH, Stack, delete, patch, pipeline_with, put

SAFE = Policy()
SENT = "1970-01-12T13:46:40.000Z"
"""When the clock of a stack's queues begins."""
AT = int(datetime(2026, 11, 27, tzinfo=UTC).timestamp())
"""When the first discarded batch was written."""
LEFT_CHANGED = f"{quarantine.CHANGED} (--discard removes the reports)"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


# --- intake -------------------------------------------------------------------------------------------------


def test_a_message_that_changes_nothing_is_removed(stack: Stack) -> None:
    stack.put_item("a", {"n": 1, "x": 2})
    stack.dead(put("a", {"x": 2, "n": 1}), patch("a", {"x": 2}), delete("b"))
    tally = stack.redrive("intake", SAFE).tally
    assert (tally.put_back, dict(tally.removed), dict(tally.left)) == (0, {gate.APPLIED: 3}, {})
    assert stack.sqs.bodies("intake") == stack.sqs.bodies("intake-dead") == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (put("a", {"n": 2}), gate.DIFFERENT),
        (patch("a", {"n": 2}), gate.DIFFERENT),
        (delete("a"), gate.DIFFERENT),
        (put("b", {"n": 2}), gate.ABSENT),
        (patch("b", {"n": 2}), gate.NOTHING_TO_PATCH),
    ],
)
def test_what_would_create_or_change_an_item_is_left_with_a_reason(stack: Stack, message: Any, reason: str) -> None:
    stack.put_item("a", {"n": 1})
    stack.dead(message)
    run = stack.redrive("intake", SAFE)
    assert (run.tally.put_back, dict(run.tally.left)) == (0, {reason: 1})
    assert run.tally.examples[reason] == [f"{message['op']} things#{message['id']}"]
    assert [loads(body) for body in stack.sqs.bodies("intake-dead")] == [message]
    assert stack.sqs.queues["intake-dead"].messages[0].visible_at <= stack.sqs.now
    discarding = stack.redrive("intake", Policy(discard=True))
    assert dict(discarding.tally.removed) == {reason: 1}
    assert stack.sqs.bodies("intake-dead") == []
    assert [loads(line) for line in (stack.state / "discarded.jsonl").read_text().splitlines()] == [message]
    assert stack.sqs.bodies("intake") == []


def test_a_message_never_overwrites_what_was_written_after_the_comparison(stack: Stack) -> None:
    stack.put_item("a", {"n": 1})
    stack.dead(put("a", {"n": 2}), put("b", {"n": 2}))
    assert stack.redrive("intake", BOTH).tally.put_back == 2
    stack.put_item("a", {"n": 3})
    stack.put_item("b", {"n": 3})
    stack.ingest_all()
    assert stack.items() == {"a": {"n": 3}, "b": {"n": 3}}
    reasons = [loads(body)["violations"][0]["keyword"] for body in stack.s3.objects.values()]
    assert reasons == ["precondition", "precondition"]


def test_a_field_can_say_which_version_is_newer(stack: Stack) -> None:
    for name in "abcd":
        stack.put_item(name, {"n": 1, "at": "2026-11-02"})
    stack.dead(
        put("a", {"n": 2, "at": "2026-11-03"}),
        put("b", {"n": 2, "at": "2026-11-01"}),
        put("c", {"n": 2, "at": 5}),
        patch("d", {"n": 2, "at": "2026-11-09"}),
    )
    tally = stack.redrive("intake", Policy(newer_by="at")).tally
    assert (tally.put_back, dict(tally.left)) == (1, {gate.OUTDATED: 1, gate.DIFFERENT: 2})
    stack.ingest_all()
    assert [item["n"] for item in stack.items().values()] == [2, 1, 1, 1]
    assert stack.redrive("intake", Policy(newer_by="at", overwrite=True)).tally.left == {gate.OUTDATED: 1}


@pytest.mark.parametrize(
    ("ours", "theirs", "newer"),
    [
        ("2026-11-02T10:00:00Z", "2026-11-02T10:00:00.5Z", False),
        ("2026-11-02T10:00:00.5Z", "2026-11-02T10:00:00Z", True),
        ("2026-11-02T10:00:00+02:00", "2026-11-02T09:00:00Z", False),
        ("2026-11-02T09:00:00Z", "2026-11-02T10:00:00+02:00", True),
        ("2026-11-02T10:00:00.000Z", "2026-11-02T10:00:00Z", False),
        ("2026-11-02T10:00:00.1234567Z", "2026-11-02T10:00:00.1234561Z", True),
        ("2026-11-02T10:00:00.12345600Z", "2026-11-02T12:00:00.123456+02:00", False),
        ("2026-11-02T10:00:00", "2026-11-02T09:00:00Z", None),
        ("9", "10", False),
        ("10", "9", True),
        (10, "9.5", True),
        ("v2", "v1", True),
        ("v2", "2026-11-02", None),
        (True, False, None),
        (None, None, None),
    ],
)
def test_versions_are_compared_by_what_their_texts_say(
    stack: Stack, ours: Any, theirs: Any, newer: bool | None
) -> None:
    stack.put_item("a", {"n": 1, "at": theirs})
    stack.dead(put("a", {"n": 2, "at": ours}))
    tally = stack.redrive("intake", Policy(newer_by="at")).tally
    left = {True: {}, False: {gate.OUTDATED: 1}, None: {gate.DIFFERENT: 1}}
    assert (tally.put_back, dict(tally.left)) == (newer is True, left[newer])


def test_messages_of_one_item_go_back_in_order_and_never_past_one_that_stays(stack: Stack) -> None:
    stack.put_item("a", {"n": 0})
    stack.dead(put("b", {"n": 1}), patch("b", {"m": 2}), delete("b"), put("b", {"n": 4}))
    stack.dead(patch("a", {"n": 1}), put("a", {"n": 0}))
    tally = stack.redrive("intake", Policy(create=True)).tally
    assert (tally.put_back, dict(tally.left)) == (4, {gate.DIFFERENT: 1, gate.BEHIND: 1})
    stack.ingest_all()
    assert stack.items() == {"a": {"n": 0}, "b": {"n": 4}}
    assert len(stack.sqs.bodies("intake-dead")) == 2


def test_a_message_that_cannot_be_read_goes_back_to_be_quarantined(stack: Stack) -> None:
    stack.dead("{", dumps({"op": "put"}), put("x" * 1025, {"n": 1}), put("é" * 1024, {"n": 1}), put("", {"n": 1}))
    assert stack.redrive("intake", SAFE).tally.put_back == 5
    stack.ingest_all()
    assert len(stack.s3.keys("quarantine/")) == 5


def test_a_message_that_was_put_back_and_failed_again_keeps_its_conditions(stack: Stack) -> None:
    stack.put_item("a", {"n": 0})
    stack.dead(put("a", {"n": 1}), put("a", {"n": 2}))
    stack.redrive("intake", BOTH, limit=1)
    (returned,) = stack.sqs.bodies("intake")
    stack.sqs.queues["intake"].messages.clear()
    stack.dead(loads(returned))  # behind the newer one now
    assert stack.redrive("intake", BOTH).tally.put_back == 2
    stack.ingest_all()
    assert stack.items()["a"] == {"n": 2}
    assert len(stack.s3.keys("quarantine/")) == 1


def test_a_refused_message_that_was_put_back_is_not_taken_for_applied(stack: Stack) -> None:
    stack.dead(put("a", {"x": 1}), put("a", {"n": 2}))
    stack.redrive("intake", BOTH)
    stack.ingest_all()
    assert stack.items() == {"a": {"n": 2}}
    stack.database.delete_item(TableName="items", Key={"pk": {"S": "things#a"}})
    stack.deploy(pipeline_with(required=()))
    assert dict(stack.redrive("quarantine", SAFE).tally.left) == {gate.ABSENT: 1}
    assert stack.redrive("quarantine", BOTH).tally.put_back == 1
    stack.ingest_all()
    assert stack.items() == {"a": {"x": 1}}


def test_a_report_is_not_taken_for_applied_while_messages_are_on_their_way(stack: Stack) -> None:
    stack.put_item("a", {"n": 0})
    report = {"entrance": "queue", "item": put("a", {"n": 0}), "time": "2026-11-27T00:00:00Z"}
    stack.s3.put_object(Bucket="failures", Key="quarantine/things/r.json", Body=dumps(report).encode())
    stack.dead(put("a", {"n": 1}))
    stack.redrive("intake", BOTH)
    assert dict(stack.redrive("quarantine", BOTH).tally.left) == {gate.UNDECIDED: 1}


def test_a_message_is_conditional_on_few_versions_only(stack: Stack) -> None:
    stack.dead(*(put("a", {"n": number}) for number in range(100)))
    assert stack.redrive("intake", BOTH).tally.put_back == 64
    stack.ingest_all()
    assert stack.redrive("intake", SAFE).tally.put_back == 36
    stack.ingest_all()
    assert (stack.items(), stack.s3.keys("quarantine/")) == ({"a": {"n": 99}}, [])


def test_a_message_that_the_queue_refuses_stays_with_those_behind_it(stack: Stack) -> None:
    stack.dead(put("a", {"n": 1}), put("a", {"n": 2}), put("b", {"n": 1}))
    stack.sqs.refuses_sends = 1
    tally = stack.redrive("intake", BOTH).tally
    assert (tally.put_back, tally.left) == (1, {queues.REJECTED: 1, gate.BEHIND: 1})
    assert stack.redrive("intake", BOTH).tally.put_back == 2
    stack.ingest_all()
    assert stack.items() == {"a": {"n": 2}, "b": {"n": 1}}


def test_items_that_a_busy_table_leaves_out_are_read_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stack.database.batch_get_item

    def busy(*, RequestItems: Any) -> Any:  # noqa: N803
        ((table, request),) = RequestItems.items()
        keys = request["Keys"]
        response = read(RequestItems={table: request | {"Keys": keys[:1]}})
        return response | ({"UnprocessedKeys": {table: request | {"Keys": keys[1:]}}} if keys[1:] else {})

    monkeypatch.setattr(stack.database, "batch_get_item", busy)
    for name in "abc":
        stack.put_item(name, {"n": 1})
    stack.dead(*(put(name, {"n": 1}) for name in "abc"))
    assert stack.redrive("intake", SAFE).tally.removed == {gate.APPLIED: 3}


def test_an_operation_follows_one_that_an_earlier_run_has_sent(stack: Stack) -> None:
    stack.dead(put("a", {"n": 1}), put("a", {"n": 2}))
    assert stack.redrive("intake", BOTH, limit=1).tally.put_back == 1
    assert stack.redrive("intake", SAFE).tally.put_back == 1  # it is the next one of the same item
    stack.ingest_all()
    assert (stack.items(), stack.s3.keys("quarantine/")) == ({"a": {"n": 2}}, [])


@pytest.mark.parametrize(
    ("options", "messages", "expected"),
    [
        ({"received": "at"}, [put("a", {"n": 1}), patch("a", {"n": 2})], {"n": 2, "at": SENT}),
        ({"received": "at"}, [put("a", {"n": 1, "at": "then"}), put("a", {"n": 2})], {"n": 2, "at": SENT}),
        (
            {"keep": days(1), "keep_from": "on"},
            [put("a", {"n": 1, "on": "2024-01-01"}), patch("a", {"on": "2024-01-02"}), patch("a", {"n": 2})],
            {"n": 2, "on": "2024-01-02", "expires_at": 1_704_240_000},
        ),
    ],
)
def test_messages_follow_each_other_with_what_the_collection_adds(
    stack: Stack, options: dict[str, Any], messages: list[Any], expected: dict[str, Any]
) -> None:
    stack.deploy(Pipeline([Collection("things", schema={"type": "object"}, **options)]))
    stack.dead(*messages)
    stack.sqs.now += 86_400
    assert stack.redrive("intake", Policy(create=True)).tally.put_back == len(messages)
    stack.ingest_all()
    assert (stack.items(), stack.s3.keys("quarantine/")) == ({"a": expected}, [])


# --- everywhere ---------------------------------------------------------------------------------------------


def fill(stack: Stack) -> None:
    """Put three failures into each place."""
    stack.functions.functions |= {"s-load": lambda _event: None, "s-catalog": lambda _event: None}
    stack.deploy(pipeline_with(transform=lambda item: item | {"half": item["m"] / 2}))
    for number in range(3):
        for queue in ("archive-dead", "even-dead"):
            stack.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"id": number}))
        stack.dead(put(f"new-{number}", {"n": number}))
        stack.notify("catalog", f"archive/things/{number}")
        stack.discard_batch([record(number + 1, "things", (f"b{number}", None, {"n": 1}))], number=number)
        stack.stream([record(number + 10, "things", (f"q{number}", None, {"n": 1, "m": "x"}))])
    stack.deploy(pipeline_with())


PLACES = ["intake", "archive", "even", "async", "batches", "quarantine"]


@pytest.mark.parametrize("place", PLACES)
def test_a_dry_run_changes_nothing_and_a_limit_is_kept(stack: Stack, place: str) -> None:
    fill(stack)
    before = (len(stack.sqs.bodies("archive")), len(stack.sqs.bodies("even")), dict(stack.s3.objects))
    assert stack.redrive(place, dry_run=True).tally.put_back == 3
    assert (len(stack.sqs.bodies("archive")), len(stack.sqs.bodies("even")), dict(stack.s3.objects)) == before
    held = stack.places(Life())[place]
    assert held.count() == 3
    assert stack.redrive(place, limit=2).tally.put_back == 2
    assert held.count() == 1
    assert stack.redrive(place, limit=2).tally.put_back == 1
    assert held.count() == 0


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_done_beyond_the_limit(stack: Stack, place: str) -> None:
    fill(stack)
    assert stack.redrive(place, limit=0).tally.put_back == 0
    assert stack.places(Life())[place].count() == 3


@pytest.mark.parametrize("place", PLACES)
def test_a_rate_is_kept(stack: Stack, place: str) -> None:
    fill(stack)
    slept: list[float] = []
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    run = stack.redrive(place, rate=0.5, clock=lambda: now, sleep=sleep)
    assert run.tally.put_back == 3
    assert sum(slept) in (0, pytest.approx(4))  # one batch of three, or three with two pauses


def test_two_runs_of_a_place_at_once_are_refused(stack: Stack) -> None:
    fill(stack)
    with sent_log(stack.state / "archive.sent"), pytest.raises(CommandError, match="Another redrive"):
        stack.redrive("archive")


def test_what_another_run_holds_is_mentioned(stack: Stack) -> None:
    fill(stack)
    stack.sqs.receive_message(QueueUrl="archive-dead", MaxNumberOfMessages=2, VisibilityTimeout=120)
    tally = stack.redrive("archive").tally
    assert tally.put_back == 1
    assert tally.notes[0].startswith("2 were hidden when this run began")


# --- functions ----------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(stack: Stack) -> list[str]:
    """Let load note the files that it is called with."""
    keys: list[str] = []

    def load(event: Any) -> None:
        keys.extend(found["s3"]["object"]["key"] for found in event["Records"])

    stack.functions.functions["s-load"] = load
    return keys


def upload(stack: Stack, name: str, *lines: Any, sequencer: str = "2") -> None:
    """Upload a file that load gives up."""
    content = "\n".join(lines) if isinstance(lines[0], str) else "\n".join(map(dumps, lines))
    body = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
    stack.s3.put_object(Bucket="the-archive", Key=f"inbox/things/{name}", Body=body)
    stack.notify("load", f"inbox/things/{name.replace(' ', '+')}", sequencer)


@pytest.mark.parametrize("newest", ["2", "20", "2A"])
def test_a_file_that_was_loaded_since_or_replaced_by_one_that_was_is_done(
    stack: Stack, loaded: list[str], newest: str
) -> None:
    stack.put_item("a", {"n": 0})
    upload(stack, "a b.jsonl", {"id": "a", "n": 1})
    receipt = json.dumps({"sequencer": newest}).encode()
    stack.s3.put_object(Bucket="the-archive", Key="receipts/things/a b.jsonl.json", Body=receipt)
    assert dict(stack.redrive("async", SAFE).tally.removed) == {files.LOADED: 1}
    assert (loaded, stack.sqs.bodies("async")) == ([], [])


@pytest.mark.parametrize("policy", [SAFE, BOTH])
def test_a_file_that_is_gone_is_left_and_named(stack: Stack, loaded: list[str], policy: Policy) -> None:
    upload(stack, "a b.jsonl", {"id": "a", "n": 1})
    stack.s3.delete_object(Bucket="the-archive", Key="inbox/things/a b.jsonl")
    upload(stack, "b.jsonl", {"id": "b", "n": 1})
    stack.put_item("b", {"n": 1})
    tally = stack.redrive("async", policy).tally
    assert (tally.put_back, dict(tally.left)) == (1, {files.GONE: 1})
    assert tally.examples[files.GONE] == ["inbox/things/a b.jsonl"]
    assert (loaded, len(stack.sqs.bodies("async"))) == (["inbox/things/b.jsonl"], 1)


@pytest.mark.parametrize("policy", [SAFE, BOTH])
def test_a_file_whose_request_is_rejected_holds_up_no_other(
    stack: Stack, loaded: list[str], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(stack, "a.jsonl", {"id": "a", "n": 1})
    upload(stack, "b.jsonl", {"id": "b", "n": 1})
    stack.put_item("b", {"n": 1})
    get_object = stack.s3.get_object

    def rejecting(**request: Any) -> Any:
        if "/a.jsonl" in request["Key"]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return get_object(**request)

    monkeypatch.setattr(stack.s3, "get_object", rejecting)
    tally = stack.redrive("async", policy).tally
    assert (tally.put_back, dict(tally.left)) == (1, {f"{files.REJECTED} GetObject: AccessDenied": 1})
    assert loaded == ["inbox/things/b.jsonl"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([{"id": "same", "n": 1}, {"id": "new", "n": 1}], gate.ABSENT),
        ([{"id": "same", "n": 1}, {"id": "other", "n": 1}], gate.DIFFERENT),
    ],
)
def test_a_file_is_left_if_a_line_would_create_or_change_an_item(
    stack: Stack, loaded: list[str], lines: list[Any], reason: str
) -> None:
    stack.put_item("same", {"n": 1})
    stack.put_item("other", {"n": 2})
    upload(stack, "a b.jsonl", *lines, sequencer="2")
    receipt = json.dumps({"sequencer": "1"}).encode()
    stack.s3.put_object(Bucket="the-archive", Key="receipts/things/a b.jsonl.json", Body=receipt)
    tally = stack.redrive("async", SAFE).tally
    left = f"{files.LINES} {reason}"
    assert (dict(tally.left), tally.examples[left]) == ({left: 1}, ["inbox/things/a b.jsonl"])
    assert dict(stack.redrive("async", Policy(discard=True)).tally.left) == {left: 1}
    policy = Policy(create=True) if reason == gate.ABSENT else Policy(overwrite=True)
    assert loaded == []
    assert stack.redrive("async", policy).tally.put_back == 1
    assert loaded == ["inbox/things/a+b.jsonl"]
    assert stack.sqs.bodies("async") == []


def test_a_file_is_compared_as_load_reads_it(stack: Stack, loaded: list[str]) -> None:
    """Compressed whatever its name says, and with ids made of its columns."""
    things = Collection("things", schema={"type": "object"}, id_from=["n"])
    stack.pipeline = Pipeline([things], routes=[Route("even", of=things, when=lambda _: False)])
    upload(stack, "a.jsonl", {"n": 1})
    key = ("the-archive", "inbox/things/a.jsonl")
    stack.s3.objects[key] = gzip.compress(stack.s3.objects[key])
    assert dict(stack.redrive("async", SAFE).tally.left) == {f"{files.LINES} {gate.ABSENT}": 1}
    assert loaded == []


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_file_that_changes_nothing_is_loaded_for_its_receipt(stack: Stack, loaded: list[str], name: str) -> None:
    for number in range(250):
        stack.put_item(str(number), {"n": str(number)})
    upload(stack, name, "id,n", *(f"{number},{number}" for number in range(250)), f"{'x' * 1025},1", "broken")
    assert stack.redrive("async", SAFE).tally.put_back == 1
    assert len(loaded) == 1


@pytest.mark.parametrize("name", ["a.txt", "../others/a.jsonl", "a.jsonl.gz"])
def test_a_file_that_load_refuses_is_loaded_for_its_receipt(stack: Stack, loaded: list[str], name: str) -> None:
    upload(stack, name, "x")
    if name.endswith(".gz"):
        stack.s3.put_object(Bucket="the-archive", Key=f"inbox/things/{name}", Body=b"no gzip")
    assert stack.redrive("async", SAFE).tally.put_back == 1
    assert len(loaded) == 1


def test_a_field_can_say_whether_a_files_lines_are_newer(stack: Stack, loaded: list[str]) -> None:
    stack.put_item("a", {"n": 1, "at": 5})
    upload(stack, "a.jsonl", {"id": "a", "n": 2, "at": 4})
    policy = Policy(newer_by="at", overwrite=True)
    assert dict(stack.redrive("async", policy).tally.left) == {f"{files.LINES} {gate.OUTDATED}": 1}
    stack.put_item("a", {"n": 1, "at": 3})
    assert stack.redrive("async", Policy(newer_by="at")).tally.put_back == 1


def test_a_function_that_fails_again_is_reported_and_the_failure_stays(stack: Stack) -> None:
    def broken(_event: Any) -> None:
        raise ValueError("no such table")

    stack.functions.functions |= {"s-catalog": broken, "s-fanout": broken}
    stack.notify("catalog", "archive/x")
    stack.discard_batch([])
    assert dict(stack.redrive("async").tally.left) == {"failed again in catalog: ValueError: no such table": 1}
    assert dict(stack.redrive("batches").tally.left) == {"failed again in fanout: ValueError: no such table": 1}
    assert len(stack.sqs.bodies("async")) == len(stack.s3.keys()) == 1


def test_what_is_of_another_stack_or_unreadable_is_left(stack: Stack) -> None:
    stack.sqs.send_message(QueueUrl="async", MessageBody="{")
    stack.notify("ingest", "x")
    payloads: list[Any] = [{"Records": [{}]}, {"Records": [{"s3": {"object": {}}}]}, [], None]
    for payload in payloads:
        context = {"functionArn": f"{ACCOUNT}s-load"}
        stack.sqs.send_message(
            QueueUrl="async", MessageBody=json.dumps({"requestContext": context, "requestPayload": payload})
        )
    stack.discard_batch([], "ingest")
    stack.s3.put_object(Bucket="failures", Key="aws/lambda/x", Body=b"{")
    assert dict(stack.redrive("async").tally.left) == {files.FOREIGN: 6}
    assert dict(stack.redrive("batches").tally.left) == {batches.FOREIGN: 1, batches.UNREADABLE: 1}


def test_a_batch_of_aggregate_leads_to_verify(stack: Stack) -> None:
    stack.discard_batch([record(1, "things", ("a", None, {"n": 1}))], "aggregate")
    tally = stack.redrive("batches").tally
    assert dict(tally.left) == {batches.NOT_COUNTED: 1}
    assert "tailrace verify --repair" in batches.NOT_COUNTED
    assert stack.archived() == []
    stack.repaired({"frontier": AT + 1}, {"floor": AT + 1})
    assert stack.redrive("batches", Policy(repaired=True), dry_run=True).tally.removed == {batches.DISCARDED: 1}
    assert stack.redrive("batches", Policy(discard=True)).tally.left == {batches.NOT_COUNTED: 1}
    assert stack.redrive("batches", Policy(repaired=True)).tally.removed == {batches.DISCARDED: 1}
    assert stack.s3.keys() == stack.archived() == []


@pytest.mark.parametrize(
    ("generations", "left"),
    [
        ([{"frontier": AT + 1}], 1),  # the second batch came after the repair began
        ([{"frontier": AT - 50, "floor": AT + 2}], 0),
        ([{"frontier": AT + 1, "floor": AT + 2, "exact": False}], 1),  # the repair failed, or was one of a sample
        ([{"floor": AT + 2}, {"frontier": AT}], 2),  # another aggregate was not repaired
        ([{"floor": AT + 2}, {}], 2),
        ([{"floor": AT + 2}, {"state": "building", "frontier": AT}], 2),  # its build would miss the record
        ([{"floor": AT + 2}, {"state": "building", "frontier": AT + 2}], 2),  # it may not have read what expired there
        ([{"floor": AT + 2}, {"state": "interrupted"}, {"defined": False}], 0),
        ([{"state": "declared"}, {"state": "interrupted", "frontier": AT + 2}], 2),
        ([], 0),
    ],
)
def test_only_batches_from_before_every_repair_are_removed(
    stack: Stack, generations: list[dict[str, Any]], left: int
) -> None:
    for number in range(2):
        stack.discard_batch([record(1, "things", ("a", None, {"n": 1}))], "aggregate", number)
    stack.repaired(*generations)
    tally = stack.redrive("batches", Policy(repaired=True)).tally
    assert (tally.removed[batches.DISCARDED], tally.left[batches.NOT_REPAIRED]) == (2 - left, left)
    assert len(stack.s3.keys()) == left


@pytest.mark.parametrize("repaired", [False, True])
def test_the_final_call_of_a_window_has_the_time_of_its_record(stack: Stack, repaired: bool) -> None:
    key = stack.discard_batch([], "aggregate")
    content = json.loads(stack.s3.objects["failures", key])
    content |= {"timestamp": "2026-11-27T23:00:00.000Z", "DDBStreamBatchInfo": {"shardId": SHARD}}
    stack.s3.objects["failures", key] = json.dumps(content).encode()
    stack.repaired({"frontier": AT + 23 * 3600 + repaired})
    tally = stack.redrive("batches", Policy(repaired=True)).tally
    assert (tally.removed[batches.DISCARDED], tally.left[batches.NOT_REPAIRED]) == (repaired, not repaired)


def test_batches_stay_if_history_does_not_tell_what_is_repaired(stack: Stack) -> None:
    stack.discard_batch([], "aggregate")
    with pytest.raises(CommandError, match="history failed"):
        stack.redrive("batches", Policy(repaired=True))
    assert len(stack.s3.keys()) == 1


def test_a_batch_that_is_gone_meanwhile_does_not_keep_back_the_others(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.discard_batch([record(1, "things", ("a", None, {"n": 1}))])
    keys = ["aws/lambda/gone", *stack.s3.keys()]
    monkeypatch.setattr(batches, "list_keys", lambda *_arguments: iter(keys))
    assert stack.redrive("batches").tally.put_back == 1


def test_a_batch_that_is_sent_in_part_stays(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    stack.discard_batch([record(1, "things", ("a", None, {"n": 1}))])
    stack.sqs.refuses_sends = 4
    assert dict(stack.redrive("batches").tally.left) == {batches.SENT_IN_PART: 1}
    assert stack.redrive("batches").tally.put_back == 1


def test_a_batch_that_takes_longer_than_an_invocation_is_sent_in_several(stack: Stack) -> None:
    """Begun again each time, it would never be complete."""
    stack.discard_batch([record(n, "things", (str(n), None, {"n": n})) for n in range(1, 6)])
    whole, calls = stack.functions.functions["s-fanout"], []

    def slow(event: dict[str, Any]) -> Any:
        calls.append(len(event["Records"]))
        records, left = event["Records"][:2], event["Records"][2:3]
        failures = [{"itemIdentifier": one["dynamodb"]["SequenceNumber"]} for one in left]
        return {**whole({**event, "Records": records}), "batchItemFailures": failures}

    stack.functions.functions["s-fanout"] = slow
    assert stack.redrive("batches").tally.put_back == 1
    assert calls == [5, 3, 1]
    assert [one["subject"] for one in stack.archived()] == ["1", "2", "3", "4", "5"]
    assert stack.s3.keys() == []


# --- quarantine ---------------------------------------------------------------------------------------------


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
    break_code(stack)
    bad, worse = {"n": 1, "m": "x"}, {"n": 1, "m": "y"}
    steps = [(None, bad), (bad, worse), (worse, bad)]
    stack.stream([record(place + 1, "things", ("a", *step)) for place, step in enumerate(steps)])
    assert len(stack.s3.keys("quarantine/")) == 3
    stack.deploy(pipeline_with())
    tally = stack.redrive("quarantine").tally
    assert (tally.put_back, dict(tally.left)) == (1, {LEFT_CHANGED: 1})
    (sent,) = stack.archived()
    assert sent["data"] == {"old": None, "new": bad, "shard": sent["data"]["shard"], "sequence": "3"}
    assert stack.redrive("quarantine").tally.put_back == 0


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

"""Messages of the intake: put back if they change nothing unasked and in order, or left with a reason."""

from typing import Any

import pytest

from cli.failures import gate, queues
from cli.failures.run import Policy
from tailrace import Collection, Pipeline, days
from tailrace.encoding.tagged_json import dumps, loads
from tests.unit.cli.failures.world import BOTH, SAFE, Stack, delete, patch, pipeline_with, put

SENT = "1970-01-12T13:46:40.000Z"
"""When the clock of a stack's queues begins."""


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

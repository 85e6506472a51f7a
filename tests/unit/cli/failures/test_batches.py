"""Batches of stream records that a function gave up: sent to fanout again, or removed once aggregates are repaired."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.errors import CommandError
from cli.failures import batches
from cli.failures.functions import compact_json
from cli.failures.run import Policy
from tailrace.testing import SHARD, record
from tests.unit.cli.failures.world import Stack

AT = int(datetime(2026, 11, 27, tzinfo=UTC).timestamp())
"""When the first discarded batch was written."""


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


@pytest.mark.parametrize("text", ["Grüße, 世界", '"\\\n'])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_batch_of_the_longest_size_is_not_made_longer(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, text: str, as_text: bool
) -> None:
    """It has as many bytes as an invocation can have."""
    invoke, sizes = stack.functions.invoke, []

    def limited(*, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        sizes.append(len(Payload))
        return invoke(FunctionName=FunctionName, Payload=Payload)

    monkeypatch.setattr(stack.functions, "invoke", limited)
    key = stack.discard_batch([record(1, "things", ("a", None, {"n": 2, "text": text}))])
    content = json.loads(stack.s3.objects["failures", key])
    delivered = json.dumps(json.loads(content["payload"]), separators=(",", ":"), ensure_ascii=False)
    content["payload"] = delivered if as_text else json.loads(delivered)
    stack.s3.objects["failures", key] = json.dumps(content).encode()
    assert stack.redrive("batches").tally.put_back == 1
    assert sizes == [len(delivered.encode())]


def test_what_utf_8_cannot_hold_is_escaped() -> None:
    assert compact_json({"a": "\ud800", "b": [1, 2]}) == rb'{"a":"\ud800","b":[1,2]}'

"""What holds for several places: dry runs, limits, rates, concurrent runs, functions that fail, foreign failures."""

import json
from typing import Any

import pytest

from cli.errors import CommandError
from cli.failures import batches, files
from cli.failures.run import Policy
from cli.failures.sent_log import sent_log
from tailrace.testing import record
from tests.unit.cli.failures.fakes import Life
from tests.unit.cli.failures.world import ACCOUNT, Stack, pipeline_with, put


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


@pytest.mark.parametrize("place", ["intake", "batches", "changed", "refused"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_limit_counts_what_is_removed_on_request(stack: Stack, place: str, dry_run: bool) -> None:
    """It is how a first try of --discard looks."""
    for number in range(4):
        stack.dead(put(f"i{number}", {"n": 1}))
        stack.discard_batch([record(1, "things", ("a", None, {"n": 1}))], "aggregate", number)
        if place == "changed":
            stack.stream([record(number + 1, "things", (f"q{number}", None, {"m": "x"}))])
            stack.put_item(f"q{number}", {"n": 2})
        else:
            body, name = json.dumps(put(f"q{number}", {"m": 1})), f"q{number}"
            stack.sqs.send_message(
                QueueUrl="intake", MessageBody=body, MessageGroupId=name, MessageDeduplicationId=name
            )
            stack.ingest_all()
    stack.repaired({"floor": 10**10})
    name = place if place in PLACES else "quarantine"
    held = stack.places(Life())[name]
    assert held.count() == 4
    policy = Policy(discard=name != "batches", repaired=name == "batches")
    tally = stack.redrive(name, policy, limit=3, dry_run=dry_run).tally
    assert (tally.removed.total(), tally.discarded, tally.put_back) == (3, 3, 0)
    assert held.count() == (4 if dry_run else 1)


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
    deep = "[" * 100_000
    for number, body in enumerate(("{", deep, "[]", '{"requestContext": 1}')):
        stack.s3.put_object(Bucket="failures", Key=f"aws/lambda/x{number}", Body=body.encode())
    stack.s3.put_object(
        Bucket="failures", Key="aws/lambda/y", Body=b'{"requestContext": {"functionArn": 7}, "payload": ""}'
    )
    stack.sqs.send_message(QueueUrl="async", MessageBody=deep)
    assert dict(stack.redrive("async").tally.left) == {files.FOREIGN: 7}
    assert dict(stack.redrive("batches").tally.left) == {batches.FOREIGN: 2, batches.UNREADABLE: 4}

"""A redrive is killed at random and repeated: in every place, nothing is lost and nothing has an effect twice."""

import contextlib
import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tailrace.encoding.tagged_json import dumps, loads
from tailrace.testing import record
from tests.unit.cli.failures.fakes import Killed, Life
from tests.unit.cli.failures.world import Stack, delete, patch, pipeline_with, put

SEEDS = range(50)
MAX_RUNS = 40


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def randomness(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a simulation's


def redrive_until_done(stack: Stack, place: str, chance: random.Random, between: Any = None) -> list[Life]:
    """Run the command until it is not killed any more; time passes in between, often less than a lease."""
    lives = []
    for attempt in range(MAX_RUNS):
        last = attempt == MAX_RUNS - 1
        life = Life(None if last else chance.randint(1, 40), chance.random() < 0.5)
        lives.append(life)
        stack.sqs.now += 10_000 if last else chance.choice([1, 60, 130, 400, 1000])
        with contextlib.suppress(Killed):
            stack.redrive(place, life=life)
        if between is not None and chance.random() < 0.5:
            between()
    return lives


def sends_cut_off(lives: list[Life], name: str) -> int:
    """Return how many messages were sent by calls whose response the process did not live to see."""
    return sum(len(request.get("Entries", [1])) for life in lives for call, request in life.cut_off if call == name)


@pytest.mark.parametrize("place", ["archive", "even"])
@pytest.mark.parametrize("seed", SEEDS)
def test_messages_of_a_queue(stack: Stack, place: str, seed: int) -> None:
    chance = randomness(f"{place} {seed}")
    padding = "x" * chance.choice([0, 250_000])  # four such messages fill a request
    sent = [json.dumps({"id": number, "padding": padding}) for number in range(chance.randint(1, 45))]
    for body in sent:
        stack.sqs.send_message(QueueUrl=f"{place}-dead", MessageBody=body, MessageAttributes={"a": {"DataType": "N"}})
    stack.sqs.refuses_sends = chance.randint(0, 5)
    lives = redrive_until_done(stack, place, chance)
    assert stack.sqs.bodies(f"{place}-dead") == []
    found = Counter(stack.sqs.bodies(place))
    assert found.keys() == set(sent)
    # a standard queue cannot tell a message whose send was cut off; receivers know it by the id of its event
    assert found.total() - len(found) <= sends_cut_off(lives, "send_message_batch")
    assert all(message.attributes for message in stack.sqs.queues[place].messages)


@pytest.mark.parametrize("seed", SEEDS)
def test_messages_of_the_intake_queue(stack: Stack, seed: int) -> None:
    chance = randomness(f"intake {seed}")
    for name in "abc":
        stack.put_item(name, {"n": -1, "old": True})
    messages: list[Any] = ["{"] * chance.randint(0, 5)
    unreadable, refused = len(messages), 0
    expected: dict[str, Any] = dict(stack.items())
    for number in range(chance.randint(1, 30)):
        name = chance.choice("abcdefgh")
        kind = chance.choice(["put", "put", "patch", "patch", "delete", "refused"])
        if kind == "refused":
            messages.append(put(name, {"x": number}))
            refused += 1
        elif kind == "put":
            messages.append(put(name, {"n": number}))
            expected[name] = {"n": number}
        elif kind == "delete":
            messages.append(delete(name))
            expected.pop(name, None)
        elif name in expected:
            messages.append(patch(name, {f"p{number}": number}))
            expected[name] = expected[name] | {f"p{number}": number}
    stack.dead(*messages)
    stack.sqs.refuses_sends = chance.randint(0, 5)
    lives = redrive_until_done(stack, "intake", chance, between=stack.ingest_all)
    stack.ingest_all()
    assert stack.sqs.bodies("intake-dead") == []
    assert stack.items() == expected
    # a message that ingest refuses has no effect that a second one could be known by, except within five minutes
    keywords = Counter(loads(body)["violations"][0]["keyword"] for body in stack.s3.objects.values())
    assert keywords.keys() <= {"required", "message"}
    cut_off = sends_cut_off(lives, "send_message_batch")
    assert unreadable <= keywords["message"] <= unreadable + cut_off
    assert refused <= keywords["required"] <= refused + cut_off


@pytest.mark.parametrize("seed", SEEDS)
def test_notifications(stack: Stack, seed: int) -> None:
    chance = randomness(f"async {seed}")
    done: dict[str, Counter[str]] = {"load": Counter(), "catalog": Counter()}

    def load(event: Any) -> None:
        for found in event["Records"]:
            key = found["s3"]["object"]["key"]
            receipt = f"receipts/{key.removeprefix('inbox/')}.json"
            if ("the-archive", receipt) not in stack.s3.objects:  # as the stage does
                done["load"][key] += 1
                body = json.dumps({"sequencer": "1"}).encode()
                stack.s3.put_object(Bucket="the-archive", Key=receipt, Body=body)

    def catalog(event: Any) -> None:
        for found in event["Records"]:
            done["catalog"][found["s3"]["object"]["key"]] = 1

    stack.functions.functions |= {"s-load": load, "s-catalog": catalog}
    expected = {"load": Counter[str](), "catalog": Counter[str]()}
    for number in range(chance.randint(1, 15)):
        stage = chance.choice(["load", "catalog"])
        key = f"{'inbox' if stage == 'load' else 'archive'}/things/{number}.jsonl"
        stack.s3.put_object(Bucket="the-archive", Key=key, Body=b"")
        stack.notify(stage, key)
        expected[stage][key] = 1
    redrive_until_done(stack, "async", chance)
    assert stack.sqs.bodies("async") == []
    assert done == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_discarded_batches(stack: Stack, seed: int) -> None:
    chance = randomness(f"batches {seed}")
    expected = set()
    left = []
    for number in range(chance.randint(1, 12)):
        if chance.random() < 0.2:
            left.append(stack.discard_batch([record(1, "things", ("a", None, {"n": 1}))], "aggregate", number))
            continue
        first = 100 * number
        batch = [record(first + k, "things", (str(k), None, {"n": k})) for k in range(chance.randint(1, 5))]
        expected |= {one["eventID"] for one in batch}
        stack.discard_batch(batch, "fanout", number)
    lives = redrive_until_done(stack, "batches", chance)
    assert stack.s3.keys("aws/lambda/") == left
    found = Counter(envelope["id"] for envelope in stack.archived())
    assert found.keys() == expected
    # a batch is delivered again if the process died between its delivery and the deletion of its object
    assert found.total() - len(found) <= 5 * sum(life.is_dead for life in lives)


@pytest.mark.parametrize("seed", SEEDS)
def test_quarantined_items(stack: Stack, seed: int) -> None:
    chance = randomness(f"quarantine {seed}")
    stack.deploy(pipeline_with(transform=lambda item: item | {"half": item["m"] / 2}))
    stored = {str(number): {"n": number, "m": "text"} for number in range(chance.randint(1, 40))}
    steps = []
    for name, item in stored.items():  # some are refused twice as they are, and once in between
        other = item | {"m": "other"}
        versions = [None, item, other, item] if chance.random() < 0.3 else [None, item]
        steps += [(name, *pair) for pair in itertools.pairwise(versions)]
    stack.stream([record(number, "things", step) for number, step in enumerate(steps, 1)])
    changed = [step for step in steps if (step[2] or {})["m"] == "other"]
    queued = {f"q{number}": {"n": number, "m": "text"} for number in range(chance.randint(0, 10))}
    for name, item in queued.items():
        message = {"messageId": name, "body": dumps(put(name, item)), "attributes": {"SentTimestamp": "0"}}
        stack.ingest({"Records": [message]}, lambda: 60_000)
    assert len(stack.s3.keys("quarantine/")) == len(steps) + len(queued)
    assert stack.archived() == []
    stack.deploy(pipeline_with())
    redrive_until_done(stack, "quarantine", chance, between=stack.ingest_all)
    stack.ingest_all()
    assert len(stack.s3.keys("quarantine/")) == len(changed)
    assert stack.items() == stored | queued
    found = {envelope["id"]: envelope for envelope in stack.archived()}
    assert {envelope["subject"] for envelope in found.values()} == stored.keys()
    assert len(found) == len(stored)
    assert all(dumps(envelope) == dumps(found[envelope["id"]]) for envelope in stack.archived())
    routed = {envelope["id"]: envelope["subject"] for envelope in stack.routed()}
    assert sorted(routed.values()) == sorted(name for name in stored if int(name) % 2 == 0)
    assert all(loads(body)["replayed"] is True for body in stack.sqs.bodies("even"))

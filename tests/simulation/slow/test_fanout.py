"""The fanout stage on slow queues or a slow bucket: deliveries advance, so that retries do not run out."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from msgspec import Struct

from local.in_memory import Database
from tailrace import Collection, Pipeline, Route
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime import parallel, queues
from tailrace.aws.stages import fanout as fanning_out
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import loads
from tailrace.testing import event, record
from tests.simulation.slow.aggregating import AT, TIMEOUT_S
from tests.simulation.slow.services import Clock, SlowBucket, SlowCalls, SlowQueues, SlowTable, Speed
from tests.simulation.world.serial_executor import SerialExecutor

RETRIES = 20
ROUTES = [f"route-{number}" for number in range(5)]
ORDERS = Collection("orders", schema={"type": "object", "properties": {"shop": {"type": "string"}}})
PIPELINE = Pipeline([ORDERS], routes=[Route(name, of=ORDERS, when=lambda _order: True) for name in ROUTES])


class Trouble(Struct):
    """Shares of changes that need the bucket, and the seconds that calls take."""

    invalid: float
    oversize: float
    bucket_s: float
    queue_s: float


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    send = partial(queues.send_messages, sleep=clock.sleep)
    with ExitStack() as stack:
        stack.enter_context(patch.object(parallel, "ThreadPoolExecutor", lambda _threads: SerialExecutor(0)))
        stack.enter_context(patch.object(fanning_out, "send_messages", send))
        yield clock


def changes(number: int, trouble: Trouble, chance: Random) -> list[Json]:
    made: list[Json] = []
    for n in range(1, number + 1):
        kind, order = chance.random(), dict[str, Any](shop=str(n))
        if kind < trouble.invalid:
            order = {"shop": n}
        elif kind < trouble.invalid + trouble.oversize:
            order["notes"] = "x" * 270_000
        made.append(record(n, "orders", (str(n), None, order)))
    return made


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(invalid=0, oversize=0, bucket_s=0.1, queue_s=1.5),
        Trouble(invalid=0.5, oversize=0.2, bucket_s=4, queue_s=0.1),
        Trouble(invalid=0.5, oversize=0.2, bucket_s=4, queue_s=1),
    ],
    ids=["queues", "bucket", "both"],
)
def test_slow_places_get_a_batch_before_its_retries_are_used_up(clock: Clock, trouble: Trouble) -> None:
    chance = Random(1)  # noqa: S311 - not a secret
    database = Database()
    database.create("progress", "pk", "sk")
    table: Any = SlowTable(SlowCalls(clock, chance), database)
    sqs: Any = SlowQueues(SlowCalls(clock, chance, Speed(trouble.queue_s)))
    bucket: Any = SlowBucket(SlowCalls(clock, chance, Speed(trouble.bucket_s), lanes=8))
    progress = ProgressWriter(table, "progress", "fanout", lambda: AT + timedelta(milliseconds=clock.now_ms))
    destinations = Destinations("archive", {name: name for name in ROUTES}, "failures")
    fanout = Fanout(PIPELINE, sqs, lambda: bucket, destinations, progress)
    left = sent = changes(200, trouble, chance)
    failures = 0
    while left:
        clock.begin(TIMEOUT_S)
        answer = fanout(event(left), clock.get_remaining_time_in_millis)["batchItemFailures"]
        numbers = [one["dynamodb"]["SequenceNumber"] for one in left]
        done = numbers.index(answer[0]["itemIdentifier"]) if answer else len(left)
        failures = 0 if done else failures + 1
        assert failures <= RETRIES
        left = left[done:]
    valid = {f"orders#{n}" for n, one in enumerate(sent, 1) if "S" in one["dynamodb"]["NewImage"]["shop"]}
    archived = [envelope for body in sqs.sent["archive"] for envelope in loads(body)]
    assert {f"orders#{envelope['subject']}" for envelope in archived} == valid
    for name in ROUTES:
        assert {f"orders#{loads(body)['subject']}" for body in sqs.sent[name]} == valid
    reports = {key for key in bucket.objects if key.startswith("quarantine/")}
    assert len(reports) == len(sent) - len(valid)

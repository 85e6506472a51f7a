"""Rebuilds, verifications and repairs on the emulated stack, while items are written all the time."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Event, Thread
from typing import Any

import pytest

from cli.__main__ import main
from local.deployment.emulator import STACK_NAME
from local.stack import Stack, running_stack
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aws.backfill.control import ControlTable
from tailrace.backfill.admission import epoch_key
from tailrace.backfill.base import base_rows
from tailrace.backfill.generations import Generation, interrupt
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import decode_item, encode_item
from tests.openapi.conformance import FLIGHT
from tests.stack.failing.conftest import ABSENT, Failing
from tests.stack.failing.discarded_batches import holding
from tests.stack.failing.waiting import eventually

_SHARDS = 2
_JOB_LIMIT_S = 180
_SETTLE_LIMIT_S = 120
_SHORTEST_RECORD_AGE_S = 60
"""https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html"""

type Json = dict[str, Any]
type Invoke = Callable[..., Json]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run a stack of two shards, with some items in it."""
    with running_stack(shards=_SHARDS) as running:
        for number in range(40):
            put(running, number, Random(number))  # noqa: S311 - not a secret
        running.wait_until_settled(_SETTLE_LIMIT_S)
        yield running


@pytest.fixture
def invoke(stack: Stack) -> Invoke:
    """Return a function that invokes the history function."""

    def call(**task: Any) -> Json:
        answer = stack.client("lambda").invoke(FunctionName=stack.outputs["HistoryFunction"], Payload=json.dumps(task))
        body: Json = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        assert "error" not in body, body
        return body

    return call


@pytest.fixture
def impatient(stack: Stack) -> Iterator[Failing]:
    """Let aggregate give up records at the youngest age that Lambda allows: on AWS, it takes 23 hours."""
    stack.wait_until_settled(_SETTLE_LIMIT_S)
    failing = Failing(stack, token="", shards=_SHARDS)
    failing.configure(AggregateMapping={"MaximumRecordAgeInSeconds": _SHORTEST_RECORD_AGE_S})
    try:
        yield failing
    finally:
        failing.configure(AggregateMapping={"MaximumRecordAgeInSeconds": -1})


def put(stack: Stack, number: int, random: Random) -> None:
    """Put an item straight into the table, or delete it."""
    key = f"flights#{number}"
    if random.random() < 0.2:
        stack.client("dynamodb").delete_item(TableName=stack.outputs["ItemsTable"], Key=encode_item({"pk": key}))
        return
    item = FLIGHT | {"pk": key, "flight": number, "carrier": random.choice(("UA", "AA", "B6"))}
    stack.client("dynamodb").put_item(TableName=stack.outputs["ItemsTable"], Item=encode_item(item))


@contextmanager
def feeding(stack: Stack) -> Iterator[None]:
    """Write items all the time."""
    over, random = Event(), Random(1)  # noqa: S311 - not a secret

    def feed() -> None:
        while not over.wait(0.02):
            put(stack, random.randrange(60), random)

    thread = Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def finish(invoke: Invoke, started: Json) -> Json:
    """Wait for a job's end."""
    limit = time.monotonic() + _JOB_LIMIT_S
    while time.monotonic() < limit:
        found = invoke(task="job", job=started["job"])
        if found["state"] != "running":
            assert found["state"] == "done", found
            return found
        time.sleep(0.5)
    raise AssertionError(found)


def control(stack: Stack) -> ControlTable:
    """Return the control rows."""
    return ControlTable(stack.client("dynamodb"), stack.outputs["AggregatesTable"])


def stored(stack: Stack, generation: Generation) -> dict[tuple[str, str], Json]:
    """Return the counters of a generation's main rows that are not empty."""
    prefix = epoch_key(f"{generation.aggregate}@{generation.version}", generation)
    rows = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.outputs["AggregatesTable"], ConsistentRead=True)
    )
    aggregate = load_pipeline().aggregate(generation.aggregate)
    found = {}
    for row in (decode_item(image) for page in rows for image in page["Items"]):
        if row["pk"].partition("#")[0] == prefix and row["~n"]:
            found[row["pk"].partition("#")[2], row["sk"]] = {one: row[one] for one in aggregate.layout.counters}
    return found


def recount(stack: Stack, name: str) -> dict[tuple[str, str], Json]:
    """Return what the items in the table come to."""
    aggregate = load_pipeline().aggregate(name)
    pages = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.outputs["ItemsTable"], ConsistentRead=True)
    )
    items = [decode_item(image) for page in pages for image in page["Items"]]
    fields = [{key: value for key, value in item.items() if key != "pk"} for item in items if "carrier" in item]
    rows = base_rows(fields, Evaluator(aggregate.of, [aggregate])).rows
    return {
        (row.key[0].partition("#")[2], row.key[1]): dict(zip(aggregate.layout.counters, row.deltas(), strict=True))
        for row in rows
    }


def test_a_verification_under_load_raises_no_false_alarm(stack: Stack, invoke: Invoke) -> None:
    with feeding(stack):
        for _ in range(2):
            found = finish(invoke, invoke(task="start", kind="verify"))
            assert found["counts"]["different"] == 0, found
            assert found["counts"]["rows"] > 0


def test_a_spoiled_row_is_found_and_repaired_under_load(stack: Stack, invoke: Invoke) -> None:
    generation = control(stack).read().generations["carrier_hours", 1]
    pk, sk = next(iter(stored(stack, generation)))
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["AggregatesTable"],
        Key=encode_item({"pk": f"carrier_hours@1#{pk}", "sk": sk}),
        UpdateExpression="ADD #n :one",
        ExpressionAttributeNames={"#n": "~n"},
        ExpressionAttributeValues=encode_item({":one": 1}),
    )
    with feeding(stack):
        found = finish(invoke, invoke(task="start", kind="verify", names=["carrier_hours"]))
        assert (found["counts"]["different"], found["counts"]["repaired"]) == (1, 0)
        assert not control(stack).read().generations["carrier_hours", 1].exact
        found = finish(invoke, invoke(task="start", kind="verify", names=["carrier_hours"], repairs=True))
        assert (found["counts"]["different"], found["counts"]["repaired"]) == (1, 1)
        found = finish(invoke, invoke(task="start", kind="verify", names=["carrier_hours"]))
        assert found["counts"]["different"] == 0
    assert control(stack).read().generations["carrier_hours", 1].exact


def test_changes_that_were_given_up_for_their_age_are_found_and_repaired(
    stack: Stack, invoke: Invoke, impatient: Failing
) -> None:
    with impatient.broken("aggregate", AGGREGATES_TABLE=ABSENT):
        impatient.put("given-up", carrier="XX")
        batch = eventually(lambda: holding(impatient, "given-up"), _SHORTEST_RECORD_AGE_S + _SETTLE_LIMIT_S)
    assert batch["requestContext"]["condition"] == "RecordAgeExceeded"
    eventually(lambda: not control(stack).read().generations["carrier_hours", 1].exact)
    with feeding(stack):
        found = finish(invoke, invoke(task="start", kind="verify", names=["carrier_hours"]))
        assert found["counts"]["different"] >= 1
        assert found["counts"]["repaired"] == 0
        assert not control(stack).read().generations["carrier_hours", 1].exact
        finish(invoke, invoke(task="start", kind="verify", repairs=True))
        found = finish(invoke, invoke(task="start", kind="verify"))
        assert found["counts"]["different"] == 0
    stack.wait_until_settled(_SETTLE_LIMIT_S)
    live = control(stack).read().generations["carrier_hours", 1]
    assert live.exact
    assert stored(stack, live) == recount(stack, "carrier_hours")


def test_an_interrupted_generation_is_built_anew_under_load(stack: Stack, invoke: Invoke) -> None:
    before = control(stack).read().generations["origin_days", 1]
    assert control(stack).replace(before, interrupt(before, "by the test"))
    with feeding(stack):
        started = invoke(task="start", kind="build")
        assert started["targets"] == ["origin_days@1"]
        finish(invoke, started)
    stack.wait_until_settled(_SETTLE_LIMIT_S)
    built = control(stack).read().generations["origin_days", 1]
    assert built.exact
    assert built.epoch > before.epoch  # one more for each attempt whose boundary was written too late
    assert stored(stack, built) == recount(stack, "origin_days")


def test_the_command_line_works_with_the_emulated_stack(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--stack", STACK_NAME, "--endpoint-url", stack.endpoint]
    assert main(["verify", "route_months", *where]) == 0
    assert "0 differed" in capsys.readouterr().out
    assert main(["rebuild", "--all", *where]) == 0
    assert "nothing to build" in capsys.readouterr().out
    assert main(["status", *where]) == 0
    assert "route_months@1  live, shown to readers, exact" in capsys.readouterr().out

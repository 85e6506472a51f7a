"""Failures of what is invoked without an answer, and of the API: notifications, schedules, requests."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.openapi.conformance import FLIGHT
from tests.stack.failing.conftest import ABSENT, Failing
from tests.stack.failing.waiting import eventually

TRIES = 3
"""The first call, and the template's MaximumRetryAttempts."""


def given_up(failing: Failing, stage: str, key: str) -> dict[str, Any]:
    """Wait until the metric of the alarm tells a message for an object, and take it: what, why, where, how often."""

    def look() -> dict[str, Any] | None:
        found = messages(failing) if failing.visible("AsyncFailuresQueue") else []
        return next((one for one in found if key in json.dumps(one["requestPayload"])), None)

    found = eventually(look)
    context = found["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", TRIES)
    assert f":function:tailrace-{stage}" in context["functionArn"]
    assert found["responseContext"]["functionError"] == "Unhandled"
    assert found["responsePayload"]["errorType"]
    return found


def messages(failing: Failing) -> list[dict[str, Any]]:
    """Take all messages out of the async failures queue."""
    found = []
    while (message := failing.receive("AsyncFailuresQueue")) is not None:
        found.append(json.loads(message["Body"]))
    return found


def invoke(failing: Failing, stage: str, event: dict[str, Any]) -> dict[str, Any]:
    """Invoke a function and wait for its answer: the emulator counts errors of such calls alone."""
    answer: dict[str, Any] = failing.client("lambda").invoke(
        FunctionName=f"tailrace-{stage}", Payload=json.dumps(event)
    )
    return answer


@pytest.mark.failure_path("Errors", "LoadFunction")
@pytest.mark.failure_path("ApproximateNumberOfMessagesVisible", "AsyncFailuresQueue")
def test_a_file_that_cannot_be_loaded_is_in_the_async_failures_queue(failing: Failing) -> None:
    before = failing.lambda_metric("load", "Errors")
    with failing.broken("load", ITEMS_TABLE=ABSENT):
        failing.drop("flights/unloaded.jsonl", {"id": "unloaded"} | FLIGHT)
        found = given_up(failing, "load", "inbox/flights/unloaded.jsonl")
        assert invoke(failing, "load", found["requestPayload"])["FunctionError"] == "Unhandled"
    assert failing.lambda_metric("load", "Errors") == before + 1
    (record,) = found["requestPayload"]["Records"]
    assert record["s3"]["object"]["key"] == "inbox/flights/unloaded.jsonl"
    assert failing.item("unloaded") is None
    invoke(failing, "load", found["requestPayload"])
    assert failing.item("unloaded")


@pytest.mark.failure_path("Errors", "CatalogFunction")
@pytest.mark.failure_path("ApproximateNumberOfMessagesVisible", "AsyncFailuresQueue")
def test_an_object_that_cannot_be_catalogued_is_in_the_async_failures_queue(failing: Failing) -> None:
    before = failing.lambda_metric("catalog", "Errors")
    with failing.broken("catalog", CATALOG_TABLE=ABSENT):
        failing.put("uncatalogued")
        found = given_up(failing, "catalog", "archive/flights/")
        assert invoke(failing, "catalog", found["requestPayload"])["FunctionError"] == "Unhandled"
    assert failing.lambda_metric("catalog", "Errors") == before + 1
    (record,) = found["requestPayload"]["Records"]
    assert record["s3"]["object"]["key"].startswith("archive/flights/")
    assert "FunctionError" not in invoke(failing, "catalog", found["requestPayload"])


@pytest.mark.failure_path("DestinationDeliveryFailures", "LoadFunction")
@pytest.mark.failure_path("DestinationDeliveryFailures", "CatalogFunction")
def test_events_whose_queue_is_gone_are_lost_and_come_with_the_file_again(failing: Failing) -> None:
    """Lambda counts them and drops them; so does the emulator, whose log says so."""
    sqs, url = failing.client("sqs"), failing.out("AsyncFailuresQueue")
    with failing.broken("load", ITEMS_TABLE=ABSENT), failing.broken("catalog", CATALOG_TABLE=ABSENT):
        sqs.delete_queue(QueueUrl=url)
        try:
            failing.drop("flights/lost.jsonl", {"id": "lost"} | FLIGHT)
            failing.put("lost-object")
            for stage in ("load", "catalog"):
                lost = f"Lambda tailrace-{stage} DLQ target not found"
                eventually(lambda lost=lost: lost in failing.stack.log.read_text(errors="replace"))  # type: ignore[misc]
        finally:
            sqs.create_queue(QueueName=url.rpartition("/")[2])
    assert not any("lost.jsonl" in json.dumps(one) for one in messages(failing))
    assert failing.item("lost") is None
    failing.drop("flights/lost.jsonl", {"id": "lost"} | FLIGHT)
    eventually(lambda: failing.item("lost"))


@pytest.mark.failure_path("AsyncEventsDropped", "HistoryFunction")
@pytest.mark.failure_path("Errors", "HistoryFunction")
def test_a_scheduled_verification_that_fails_is_dropped(failing: Failing) -> None:
    """It has no destination: the next one comes by itself."""
    before, failed = jobs(failing), failing.lambda_metric("history", "Errors")
    event: dict[str, Any] = {"task": "start", "kind": "verify"}
    with failing.broken("history", AGGREGATES_TABLE=ABSENT):
        failing.client("lambda").invoke(
            FunctionName="tailrace-history", InvocationType="Event", Payload=json.dumps(event)
        )
        text = "Lambda tailrace-history async output (attempt 3)"
        eventually(lambda: text in failing.stack.log.read_text(errors="replace"))
        assert invoke(failing, "history", event)["FunctionError"] == "Unhandled"
    assert failing.lambda_metric("history", "Errors") == failed + 1
    assert jobs(failing) == before
    assert not any("tailrace-history" in one["requestContext"]["functionArn"] for one in messages(failing))


def jobs(failing: Failing) -> list[Any]:
    """Return the executions of the machine."""
    machine = failing.stack.resources["HistoryMachine"]
    return [
        one["name"] for one in failing.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    ]


@pytest.mark.failure_path("InvocationDroppedCount", "VerificationGroup")
def test_a_schedule_that_cannot_call_its_function_starts_nothing(failing: Failing) -> None:
    scheduler, before = failing.client("scheduler"), jobs(failing)
    group = "tailrace-verification"
    (listed,) = scheduler.list_schedules(GroupName=group)["Schedules"]
    given = scheduler.get_schedule(GroupName=group, Name=listed["Name"])
    at = datetime.now(UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")
    target = given["Target"] | {"Arn": f"{given['Target']['Arn']}-{ABSENT}"}
    schedule = {
        "Name": "at-once",
        "GroupName": group,
        "FlexibleTimeWindow": given["FlexibleTimeWindow"],
    }
    scheduler.create_schedule(**schedule, ScheduleExpression=at, Target=target, ActionAfterCompletion="DELETE")
    eventually(lambda: f"tailrace-history-{ABSENT}" in failing.stack.log.read_text(errors="replace"))
    assert jobs(failing) == before


@pytest.mark.failure_path("5xx", "HttpApi")
def test_a_request_that_the_api_cannot_answer_is_a_5xx(failing: Failing) -> None:
    with failing.broken("api", ITEMS_TABLE=ABSENT):
        found = failing.ask("/collections/flights/items/any")
        assert found.status >= 500
    assert failing.ask("/collections/flights/items/any").status == 404

"""Failures of the queues' consumers, those of a route's subscriber included: waiting messages and dead letters."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tailrace.encoding.tagged_json import loads
from tests.stack.failing.conftest import ABSENT, HIDDEN_S, Failing
from tests.stack.failing.waiting import SECONDS, eventually

TRIES = 5
"""The template's maxReceiveCount."""
DISRUPTED = {"status": "cancelled"}


@pytest.fixture
def patient(failing: Failing) -> Iterator[Failing]:
    """Hide received messages for longer than the function is throttled, as the template does."""
    failing.hide_for(60)
    try:
        yield failing
        failing.stack.wait_until_settled(SECONDS)
    finally:
        failing.hide_for(HIDDEN_S)


def dead_letter(failing: Failing, queue: str) -> dict[str, Any]:
    """Wait until the metric of the alarm tells a message, and take it: it was tried as often as the queue says."""
    eventually(lambda: failing.visible(queue) == 1)
    found = eventually(lambda: failing.receive(queue))
    assert int(found["Attributes"]["ApproximateReceiveCount"]) >= TRIES
    assert failing.visible(queue) == 0
    return found


def age_s(message: dict[str, Any]) -> float:
    """Return the age of a message: the alarm on ApproximateAgeOfOldestMessage watches the oldest one's."""
    return time.time() - int(message["Attributes"]["SentTimestamp"]) / 1000


@pytest.mark.failure_path("Errors", "IngestFunction")
@pytest.mark.failure_path("ApproximateNumberOfMessagesVisible", "IntakeDeadLetterQueue")
def test_a_message_that_ingest_cannot_process_is_a_dead_letter(failing: Failing) -> None:
    before = failing.lambda_metric("ingest", "Errors")
    with failing.broken("ingest", ITEMS_TABLE=ABSENT):
        failing.send("dead")
        eventually(lambda: failing.health("ingest")["failed"] == 1)
    found = dead_letter(failing, "IntakeDeadLetterQueue")
    assert (json.loads(found["Body"])["op"], json.loads(found["Body"])["id"]) == ("put", "dead")
    assert found["Attributes"]["MessageGroupId"] == "flights#dead"
    assert failing.lambda_metric("ingest", "Errors") > before
    assert failing.item("dead") is None


@pytest.mark.failure_path("ApproximateAgeOfOldestMessage", "IntakeQueue")
def test_messages_wait_while_ingest_is_throttled(patient: Failing) -> None:
    with patient.throttled("ingest"):
        patient.send("waiting")
        waits(patient, "ingest")
        assert patient.item("waiting") is None
    eventually(lambda: patient.item("waiting"))
    assert patient.visible("IntakeDeadLetterQueue") == 0


@pytest.mark.failure_path("Errors", "ArchiveFunction")
@pytest.mark.failure_path("ApproximateNumberOfMessagesVisible", "ArchiveDeadLetterQueue")
def test_changes_that_archive_cannot_write_are_a_dead_letter(failing: Failing) -> None:
    before = failing.lambda_metric("archive", "Errors")
    with failing.broken("archive", ARCHIVE_BUCKET=ABSENT):
        failing.put("unarchived")
        eventually(lambda: failing.health("archive")["failed"] == 1)
    (event,) = loads(dead_letter(failing, "ArchiveDeadLetterQueue")["Body"])
    assert (event["subject"], event["type"]) == ("unarchived", "tailrace.flights.inserted")
    assert event["data"]["sequence"]
    assert event["data"]["shard"]
    assert failing.lambda_metric("archive", "Errors") > before


@pytest.mark.failure_path("ApproximateAgeOfOldestMessage", "ArchiveQueue")
def test_changes_wait_while_archive_is_throttled(patient: Failing) -> None:
    with patient.throttled("archive"):
        patient.put("unread")
        waits(patient, "archive")
    patient.stack.wait_until_settled(60)
    assert patient.visible("ArchiveDeadLetterQueue") == 0


def waits(failing: Failing, stage: str) -> None:
    """A message is in the queue of a stage, and still there later."""
    for pause_s in (2, 0):
        eventually(lambda: (found := failing.health(stage))["waiting"] + found["in_work"] == 1)
        eventually(lambda: failing.lambda_metric(stage, "Throttles") > 0)
        time.sleep(pause_s)
    assert failing.health(stage)["failed"] == 0


@pytest.mark.failure_path("ApproximateAgeOfOldestMessage", "DisruptionsQueue")
def test_an_event_that_nobody_reads_waits_in_its_route(failing: Failing) -> None:
    drain(failing)
    failing.put("nobody", **DISRUPTED)
    eventually(lambda: failing.visible("DisruptionsQueue") == 1)
    time.sleep(1)
    found = failing.receive("DisruptionsQueue")
    assert found is not None
    assert loads(found["Body"])["subject"] == "nobody"
    assert age_s(found) >= 1


@pytest.mark.failure_path("ApproximateNumberOfMessagesVisible", "DisruptionsDeadLetterQueue")
def test_an_event_that_a_subscriber_fails_on_is_a_dead_letter(failing: Failing) -> None:
    drain(failing)
    failing.put("unwanted", **DISRUPTED)
    eventually(lambda: failing.visible("DisruptionsQueue") == 1)
    sqs, url = failing.client("sqs"), failing.out("DisruptionsQueue")
    while not failing.visible("DisruptionsDeadLetterQueue"):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    (route,) = failing.ask("/health").json()["routes"]
    found = dead_letter(failing, "DisruptionsDeadLetterQueue")
    assert loads(found["Body"])["subject"] == "unwanted"
    assert route["name"] == "disruptions"


def drain(failing: Failing) -> None:
    """Take what other tests have left for the subscriber."""
    failing.stack.wait_until_settled(60)
    while failing.receive("DisruptionsQueue"):
        pass

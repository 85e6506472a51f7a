"""What is refused or cannot be counted, and is told: quarantine, receipts, rows of doubt, jobs that end early."""

import json
import time
from copy import replace
from itertools import count
from typing import Any

import pytest

from tailrace.aws.backfill.control import ControlTable
from tailrace.encoding.dynamodb import encode_item
from tests.openapi.conformance import FLIGHT
from tests.stack.failing.conftest import Failing
from tests.stack.failing.waiting import await_logged, eventually

BAD = {"distance": "far"}


def reports(failing: Failing, name: str) -> list[Any]:
    """Return the quarantine reports of an item."""
    return [one for one in failing.objects("FailuresBucket", "quarantine/").values() if one["id"] == name]


def check_report(failing: Failing, name: str, entrance: str, origin: set[str]) -> None:
    """What, why and where from; it was not tried again."""
    (report,) = eventually(lambda: reports(failing, name))
    assert (report["entrance"], report["collection"]) == (entrance, "flights")
    assert '"far"' in json.dumps(report["item"])
    assert [one["pointer"] for one in report["violations"]] == ["/distance"]
    assert report["origin"].keys() >= origin


@pytest.mark.failure_path("ItemsQuarantined", "load")
def test_an_invalid_line_is_in_quarantine(failing: Failing) -> None:
    before = failing.counted("load", "ItemsQuarantined")
    failing.drop("flights/bad.jsonl", {"id": "bad-line"} | FLIGHT | BAD)
    check_report(failing, "bad-line", "file", {"file", "line"})
    failing.await_count("load", "ItemsQuarantined", before + 1)


@pytest.mark.failure_path("ItemsQuarantined", "ingest")
def test_an_invalid_message_is_in_quarantine(failing: Failing) -> None:
    before = failing.counted("ingest", "ItemsQuarantined")
    failing.send("bad-message", item=FLIGHT | BAD)
    check_report(failing, "bad-message", "queue", {"message"})
    failing.await_count("ingest", "ItemsQuarantined", before + 1)


@pytest.mark.failure_path("ItemsQuarantined", "fanout")
def test_an_invalid_item_of_the_table_is_in_quarantine(failing: Failing) -> None:
    before = failing.counted("fanout", "ItemsQuarantined")
    failing.put("bad-item", **BAD)
    check_report(failing, "bad-item", "stream", {"event", "shard"})
    failing.await_count("fanout", "ItemsQuarantined", before + 1)


@pytest.mark.failure_path("FilesRefused", "load")
def test_a_refused_file_has_a_receipt_that_says_why(failing: Failing) -> None:
    before = failing.counted("load", "FilesRefused")
    failing.drop("planes/x.jsonl", {"id": "1"})
    (receipt,) = eventually(lambda: failing.objects("ArchiveBucket", "receipts/planes/")).values()
    assert receipt["accepted"] == 0
    assert "planes" in receipt["failure"]
    failing.await_count("load", "FilesRefused", before + 1)


@pytest.mark.failure_path("ObjectsNotCatalogued", "catalog")
def test_a_foreign_object_of_the_archive_is_counted_and_named_in_the_log(failing: Failing) -> None:
    before = failing.counted("catalog", "ObjectsNotCatalogued")
    failing.client("s3").put_object(Bucket=failing.out("ArchiveBucket"), Key="archive/notes.txt", Body=b"mine")
    failing.await_count("catalog", "ObjectsNotCatalogued", before + 1)
    assert await_logged(failing.stack, "catalog", lambda: names_in_log(failing, "archive/notes.txt"))


def names_in_log(failing: Failing, key: str) -> list[Any]:
    """Return what the log of `catalog` holds about an object."""
    return list(
        failing.client("logs").filter_log_events(logGroupName="/aws/lambda/tailrace-catalog", filterPattern=f'"{key}"')[
            "events"
        ]
    )


def stream_event(failing: Failing, name: str, carrier: str) -> dict[str, Any]:
    """Return an event as somebody might make it by hand: without a shard."""
    image = encode_item({"pk": f"flights#{name}"} | FLIGHT | {"carrier": carrier})
    change = {
        "eventID": name,
        "eventName": "INSERT",
        "eventSourceARN": failing.out("ItemsTableStream"),
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_225_600,
            "Keys": {"pk": image["pk"]},
            "SequenceNumber": "1",
            "NewImage": image,
        },
    }
    return {"Records": [change]}


@pytest.mark.failure_path("ChangesWithoutShard", "aggregate")
def test_changes_without_a_shard_are_counted_and_told(failing: Failing) -> None:
    before = failing.counted("aggregate", "ChangesWithoutShard")
    event = json.dumps(stream_event(failing, "handmade", "WW"))
    for _ in range(2):
        answer = failing.client("lambda").invoke(FunctionName="tailrace-aggregate", Payload=event)
        assert "FunctionError" not in answer
    rows = failing.ask("/aggregates/carrier_hours/rows?carrier=WW").json()["rows"]
    assert [row["flights"] for row in rows] == [2]
    failing.await_count("aggregate", "ChangesWithoutShard", before + 2)


def task(failing: Failing, **task: Any) -> dict[str, Any]:
    """Let the history function do a task."""
    answer = failing.client("lambda").invoke(FunctionName="tailrace-history", Payload=json.dumps(task))
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    return found


def ended(failing: Failing, **start: Any) -> dict[str, Any]:
    """Run a job to its end."""
    job = task(failing, task="start", **start)["job"]
    return eventually(lambda: found if (found := task(failing, task="job", job=job))["state"] != "running" else None)


@pytest.mark.failure_path("RowsDifferent", "history")
def test_rows_that_differ_from_the_items_are_in_a_report(failing: Failing) -> None:
    before = failing.counted("history", "RowsDifferent")
    failing.put("spoiled", carrier="VV")
    failing.stack.wait_until_settled(60)
    dynamodb, table = failing.client("dynamodb"), failing.out("AggregatesTable")
    rows = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    (row,) = [one for one in rows if one["pk"]["S"] == "carrier_hours@1#VV"]
    dynamodb.update_item(
        TableName=table,
        Key={"pk": row["pk"], "sk": row["sk"]},
        UpdateExpression="ADD flights :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    found = ended(failing, kind="verify", names=["carrier_hours"])
    assert found["state"] == "done"
    different = found["counts"]["different"]
    assert different >= 1
    assert any("carrier_hours@1#VV" in report for report in failing.texts("HistoryBucket", "reports/").values())
    failing.await_count("history", "RowsDifferent", before + different)
    assert ended(failing, kind="verify", repairs=True)["state"] == "done"
    assert ended(failing, kind="verify")["counts"]["different"] == 0


@pytest.mark.failure_path("JobsFailed", "history")
@pytest.mark.failure_path("ExecutionsFailed", "HistoryMachine")
def test_a_job_that_ends_before_its_time_says_why(failing: Failing) -> None:
    before = failing.counted("history", "JobsFailed")
    job = task(failing, task="start", kind="verify")["job"]
    for size in count(1800):
        failing.client("lambda").update_function_configuration(FunctionName="tailrace-aggregate", MemorySize=size)
        found = task(failing, task="job", job=job)
        if found["state"] != "running":
            break
        time.sleep(0.5)
    assert (found["state"], found["reason"]) == (
        "failed",
        "the aggregate function was deployed while the job ran: run it again",
    )
    machine, states = failing.stack.resources["HistoryMachine"], failing.client("stepfunctions")

    def failed() -> list[Any]:
        found = states.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"]
        return [
            one
            for one in found
            if job in json.dumps(states.describe_execution(executionArn=one["executionArn"])["input"])
        ]

    assert eventually(failed)
    failing.await_count("history", "JobsFailed", before + 1)
    assert ended(failing, kind="verify")["state"] == "done"


@pytest.mark.failure_path("GenerationsInterrupted", "aggregate")
def test_a_generation_of_another_definition_is_interrupted_and_can_be_built_anew(failing: Failing) -> None:
    before = failing.counted("aggregate", "GenerationsInterrupted")
    control = ControlTable(failing.client("dynamodb"), failing.out("AggregatesTable"))
    known = control.read().generations["origin_days", 1]
    assert control.replace(known, replace(known, fingerprint="of another definition"))
    failing.put("interrupts")
    eventually(lambda: control.read().generations["origin_days", 1].state.value == "interrupted")
    failing.await_count("aggregate", "GenerationsInterrupted", before + 1)
    assert "code with another definition ran" in json.dumps(task(failing, task="status"))
    assert ended(failing, kind="build")["state"] == "done"

"""GET /health: what waits, what failed, who is behind; what cannot be told now is null, and the rest is still told."""

import os
from collections.abc import Iterator
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.api.app import stage as api_stage
from functions.fanout.app import handler as fanout
from functions.fanout.app import stage as fanout_stage
from functions.ingest.app import handler as ingest
from functions.ingest.app import stage as ingest_stage
from functions.load.app import handler as load
from functions.load.app import stage as load_stage
from tailrace.aws.monitoring import health as looking
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.health import _LONGEST_CALL_MS, HealthMonitor, sources
from tailrace.aws.monitoring.progress import ProgressReader, ProgressWriter
from tailrace.aws.monitoring.throughput import ThroughputCounter, route_stage
from tailrace.aws.runtime.clients import impatient_client
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.definition.pipeline import load_pipeline
from tailrace.errors import Permanent, SettingsError
from tailrace.inputs.changes import parse_raw_batch
from tailrace.testing import event, history, record
from tests.api_client import call, problem
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages import intake_messages
from tests.unit.aws.stages.load import uploads

NOW = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
TODAY = "2026-03-01"


@pytest.fixture
def health(cloud: Cloud) -> HealthMonitor:
    pipeline = load_pipeline("tests.pipelines.orders:pipeline")
    progress = CachedProgress(ProgressReader(cloud.dynamodb, "progress"), lambda: NOW[0])
    where = lambda: sources(ApiSettings.parse(os.environ), pipeline)  # noqa: E731
    return HealthMonitor(where, progress, lambda: NOW[0], lambda: cloud.sqs, lambda: cloud.s3)


@pytest.fixture(autouse=True)
def _fresh(cloud: Cloud) -> Iterator[None]:
    api_stage.cache_clear()
    yield
    api_stage.cache_clear()
    assert cloud


def refused(code: str) -> Any:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    def refuse(**_request: Any) -> Any:
        raise ClientError(answer, "Asked")

    return refuse


def test_a_quiet_stack_is_quiet() -> None:
    status, document = call("GET", "/health")
    assert status == 200
    queue = {"waiting": 0, "in_work": 0, "failed": 0, "changes": 0}
    reader = {"newest_change": None, "age_s": None, "behind_s": None, "changes": 0}
    assert document == {
        "stages": [
            {"name": "api", "changes": 0, "failed": 0},
            {"name": "load", "changes": 0, "refused": 0, "waited_s": None, "quarantined_today": 0},
            {"name": "ingest", "quarantined_today": 0} | queue,
            {"name": "fanout", "quarantined_today": 0} | reader,
            {"name": "aggregate"} | reader,
            {"name": "archive"} | queue,
            {"name": "catalog", "changes": 0, "retried": 0, "waited_s": None},
        ],
        "routes": [{"name": "large-orders"} | queue],
        "files_failed": 0,
        "quarantined_today": 0,
        "given_up": 0,
        "write_entrances": "on",
    }
    assert problem("GET", "/health", query="x=1") == (400, "invalid-request")


def test_what_waits_and_what_failed_is_counted(health: HealthMonitor, cloud: Cloud) -> None:
    sent = {"stack-intake": 3, "stack-archive-dead-letter": 2, "stack-async-failures": 4}
    sent |= {"stack_LargeOrders": 1, "stack_LargeOrders-dead": 2}
    for name, count in sent.items():
        for _ in range(count):
            cloud.sqs.send_message(QueueUrl=cloud.sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="x")
    cloud.sqs.receive_message(QueueUrl=os.environ["INTAKE_QUEUE"], MaxNumberOfMessages=1)
    for key in (
        f"quarantine/orders/date={TODAY}/1.json",
        f"quarantine/visits/date={TODAY}/2.json",
        f"quarantine/unknown/date={TODAY}/3.json",
        "quarantine/orders/date=2026-02-28/4.json",
        "aws/lambda/uuid/shard/2026/03/01/5",
    ):
        cloud.s3.put_object(Bucket="the-failures", Key=key, Body=b"")
    found = health.document()
    assert found["stages"][2] == {
        "name": "ingest",
        "waiting": 2,
        "in_work": 1,
        "failed": 0,
        "changes": 0,
        "quarantined_today": 0,
    }
    assert found["stages"][5] == {"name": "archive", "waiting": 0, "in_work": 0, "failed": 2, "changes": 0}
    assert found["routes"] == [{"name": "large-orders", "waiting": 1, "in_work": 0, "failed": 2, "changes": 0}]
    assert (found["files_failed"], found["quarantined_today"], found["given_up"]) == (4, 3, 1)
    named_so = replace(health.sources(), collections=["orders", "visits", "unknown"])
    again = HealthMonitor(lambda: named_so, health.progress, health.clock, health.sqs, health.s3)
    assert again.document()["quarantined_today"] == 3


def test_who_is_behind_is_told_with_how_many_changes_have_come(
    health: HealthMonitor, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.NOW", [datetime.fromtimestamp(1_700_000_065, UTC)])
    order = {"shop": "a", "placed": "2024-10-27"}
    changes = parse_raw_batch(event([record(n, "orders", (str(n), None, order)) for n in range(1, 6)])).positions
    ProgressWriter(cloud.dynamodb, "progress", "fanout", lambda: NOW[0]).advance("s", changes, None)
    ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: NOW[0]).advance("s", changes, 4)
    _, _, ingest, fanout, aggregate, archive, _ = health.document()["stages"]
    assert (fanout["changes"], fanout["behind_s"]) == (5, fanout["age_s"])  # as old as that when it was absorbed
    assert (aggregate["changes"], aggregate["behind_s"]) == (3, aggregate["age_s"])
    assert aggregate["age_s"] == int(NOW[0].timestamp()) - 1_700_000_003
    assert (ingest["name"], archive["name"]) == ("ingest", "archive")


def test_what_the_stages_have_counted_is_told(health: HealthMonitor, cloud: Cloud) -> None:
    for number, name in enumerate(("api", "load", "ingest", "archive", "catalog", route_stage("large-orders")), 1):
        for process in "ab":
            told = ThroughputCounter(cloud.dynamodb, "progress", name, process, lambda: NOW[0])
            told.count(number, 10 * number, 100 * number)
    found = health.document()
    stages = {one.pop("name"): one for one in found["stages"]}
    assert stages["api"] == {"changes": 2, "failed": 20}
    assert stages["load"] == {"changes": 4, "refused": 40, "waited_s": 200, "quarantined_today": 0}
    assert (stages["ingest"]["changes"], stages["ingest"]["failed"]) == (6, 0)
    assert stages["archive"]["changes"] == 8
    assert stages["catalog"] == {"changes": 10, "retried": 100, "waited_s": 500}
    assert found["routes"][0]["changes"] == 12
    assert found["files_failed"] == 40


def refuse_one_of_each(cloud: Cloud) -> None:
    """Let an item be refused at each entrance, one through the queue, two in a file and three in the stream."""
    for stage in (ingest_stage, load_stage, fanout_stage):
        stage.cache_clear()
    bad = {"shop": 5}
    ingest(intake_messages.batch(intake_messages.put("1", bad)), None)
    body = uploads.lines({"id": "1"} | bad, {"id": "2"} | bad)
    uploaded = uploads.upload(cloud, "inbox/orders/x.jsonl", body)
    uploaded["Records"][0]["eventTime"] = datetime.now(UTC).isoformat()
    load(uploaded, uploads.Context())
    fanout(event(history("orders", [("1", bad), ("2", bad), ("3", bad)])), None)


def test_a_refused_item_is_told_where_it_was_refused(health: HealthMonitor, cloud: Cloud) -> None:
    refuse_one_of_each(cloud)
    for key in cloud.objects("the-failures", "quarantine/"):  # the items' own dates are of other days
        folder, _, name = key.rpartition("/")
        cloud.s3.put_object(
            Bucket="the-failures", Key=f"{folder.rpartition('/')[0]}/date={TODAY}/{name}", Body=key.encode()
        )
    found = health.document()
    stages = {one["name"]: one for one in found["stages"]}
    assert {name: one["quarantined_today"] for name, one in stages.items() if "quarantined_today" in one} == {
        "load": 2,
        "ingest": 1,
        "fanout": 3,
    }
    assert found["quarantined_today"] == 6


def test_more_reports_than_a_listing_holds_hide_no_others(health: HealthMonitor, cloud: Cloud) -> None:
    for number in range(1001):
        cloud.s3.put_object(Bucket="the-failures", Key=f"quarantine/orders/date={TODAY}/file-{number:04}", Body=b"")
    found = health.document()
    stages = {one["name"]: one.get("quarantined_today") for one in found["stages"]}
    assert (stages["load"], stages["ingest"], stages["fanout"]) == (1000, None, None)
    assert found["quarantined_today"] == 1000


def test_refused_files_are_told_at_once(health: HealthMonitor, cloud: Cloud) -> None:
    load_stage.cache_clear()
    for number, (folder, body) in enumerate([("nothing", b"{}"), ("orders", b""), ("orders", b""), ("nothing", b"")]):
        load(uploads.upload(cloud, f"inbox/{folder}/{number}.jsonl", body), uploads.Context())
    found = health.document()
    assert found["stages"][1]["refused"] == found["files_failed"] == 4


def test_what_cannot_be_told_now_is_null(health: HealthMonitor, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.sqs, "get_queue_attributes", refused("ThrottlingException"))
    monkeypatch.setattr(cloud.s3, "list_objects_v2", refused("SlowDown"))
    monkeypatch.setattr(cloud.dynamodb, "query", refused("ThrottlingException"))
    found = health.document()
    for told in (*found["stages"], *found["routes"]):
        assert set(told.values()) == {told["name"], None}
    assert len(found["stages"]) == 7
    assert (found["files_failed"], found["quarantined_today"], found["given_up"]) == (None, None, None)


@pytest.mark.parametrize(("service", "operation"), [("sqs", "get_queue_attributes"), ("s3", "list_objects_v2")])
def test_what_refuses_for_good_is_not_hidden(
    health: HealthMonitor, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    monkeypatch.setattr(getattr(cloud, service), operation, refused("AccessDenied"))
    with pytest.raises(Permanent, match="AccessDenied"):
        health.document()


def test_many_who_ask_cost_one_look(health: HealthMonitor, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    look: Any = cloud.s3.list_objects_v2

    def counted(**request: Any) -> Any:
        listed.append(request["Prefix"])
        return look(**request)

    monkeypatch.setattr(cloud.s3, "list_objects_v2", counted)
    first = health.document()
    cloud.sqs.send_message(QueueUrl=os.environ["INTAKE_QUEUE"], MessageBody="x")
    assert health.document() == first
    NOW[0] += looking._QUEUE_TTL + timedelta(seconds=1)
    assert health.document()["stages"][2]["waiting"] == 1
    assert len(listed) == 4
    NOW[0] += looking._LISTING_TTL + timedelta(seconds=1)
    health.document()
    assert len(listed) == 8
    NOW[0] -= timedelta(hours=1)  # the clock was set back: what is kept must not stay until then
    health.document()
    assert len(listed) == 12
    NOW[0] += timedelta(hours=1)


def test_a_route_without_a_queue_hinders_nothing_else(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTES", "Disruptions")
    assert call("GET", "/collections/visits/items/1")[0] == 404
    with pytest.raises(SettingsError, match="no queue for large-orders"):
        call("GET", "/health")
    assert cloud


def test_what_there_is_no_time_to_ask_for_is_not_known(health: HealthMonitor) -> None:
    """Otherwise the function would time out when a queue or bucket does not respond, and report nothing."""
    document = health.document(lambda: 5_000)
    assert document["given_up"] is document["files_failed"] is document["quarantined_today"] is None
    assert document["routes"] == [
        {"name": "large-orders", "waiting": None, "in_work": None, "failed": None, "changes": None}
    ]


def test_calls_that_get_no_response_one_after_the_other_fit_into_a_request() -> None:
    for found in (impatient_client("sqs"), impatient_client("s3"), impatient_client("dynamodb")):
        config: Any = found.meta.config
        attempts = config.retries["total_max_attempts"]
        longest = attempts * max(config.read_timeout, config.connect_timeout) + 2 ** (attempts - 1) - 1
        assert longest * 1000 <= _LONGEST_CALL_MS
        assert 2 * _LONGEST_CALL_MS < 29_000

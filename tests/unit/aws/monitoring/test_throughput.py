"""How much the stages do: counted without hindering them, told at little price, and added up over their processes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.stub import Stubber

from functions.api.app import handler as api
from functions.api.app import stage as api_stage
from functions.archive.app import handler as archive
from functions.archive.app import stage as archive_stage
from functions.catalog.app import handler as catalog
from functions.catalog.app import stage as catalog_stage
from functions.fanout.app import handler as fanout
from functions.fanout.app import stage as fanout_stage
from functions.ingest.app import handler as ingest
from functions.ingest.app import stage as ingest_stage
from functions.load.app import handler as load
from functions.load.app import stage as load_stage
from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.monitoring import throughput
from tailrace.aws.monitoring.progress import ProgressReader
from tailrace.aws.monitoring.throughput import (
    StageCounts,
    ThroughputCounter,
    count_lines,
    count_objects,
    count_requests,
)
from tailrace.aws.runtime.clients import best_effort_client
from tailrace.aws.stages import load as load_module
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Permanent
from tailrace.testing import event, history, record
from tests.api_client import request
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages import archive_messages, intake_messages, notifications
from tests.unit.aws.stages.load import uploads
from tests.unit.outputs.events import event as archive_event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}

type Count = Callable[..., ThroughputCounter]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(cloud: Cloud, clock: Clock) -> Count:
    """Return counts of a process of the load stage."""
    return lambda name="p": ThroughputCounter(cloud.dynamodb, "progress", "load", name, clock)


@pytest.fixture
def _anew() -> Iterator[None]:
    """Let all functions begin anew, with nothing counted."""
    stages: Any = (api_stage, archive_stage, catalog_stage, fanout_stage, ingest_stage, load_stage)
    for stage in stages:
        stage.cache_clear()
    yield
    for stage in stages:
        stage.cache_clear()


def counted(cloud: Cloud, stage: str) -> StageCounts:
    return ProgressReader(cloud.dynamodb, "progress").counts_of(stage, NOW)


def told(cloud: Cloud) -> list[dict[str, Any]]:
    return [decode_item(row) for row in cloud.dynamodb.scan(TableName="progress")["Items"]]


def test_the_first_count_is_told_at_once_and_the_next_five_seconds_later(
    process: Count, cloud: Cloud, clock: Clock
) -> None:
    one = process()
    one.count(3, 1, 7)
    (row,) = told(cloud)
    assert row.pop("expires_at") == int((NOW + timedelta(days=2)).timestamp())
    assert row == {
        "pk": "load",
        "sk": "2026-03-01T12:00:00.000+00:00 p",
        "changes": 3,
        "failed": 1,
        "waited_s": 7,
        "told_at": "2026-03-01T12:00:00.000+00:00",
    }
    for _ in range(49):
        clock.later(seconds=0.1)
        one.count(1)
    assert counted(cloud, "load") == StageCounts(3, 1, 7)
    clock.later(seconds=0.1)
    one.count(1, waited_s=2)
    assert counted(cloud, "load") == StageCounts(53, 1, 2)
    assert len(told(cloud)) == 1
    clock.later(hours=-1)  # the clock was set back: counts must not wait until then
    one.count(1)
    assert counted(cloud, "load").changes == 54


def test_nothing_is_told_of_nothing(process: Count, cloud: Cloud, clock: Clock) -> None:
    one = process()
    one.count(0)
    assert told(cloud) == []
    one.count(5)
    one.count(2)
    clock.later(seconds=6)
    one.count(0)
    assert counted(cloud, "load").changes == 7


def test_processes_are_added_up_and_the_newest_wait_is_told(process: Count, cloud: Cloud, clock: Clock) -> None:
    assert counted(cloud, "load") == StageCounts(0, 0, None)
    first, second = process("b"), process("a")
    first.count(3, waited_s=9)
    clock.later(seconds=1)
    second.count(4, 2, 1)
    clock.later(seconds=5)
    first.count(1)  # lines of its next file, which is not done: the newest that is done is the second's
    assert counted(cloud, "load") == StageCounts(8, 2, 1)
    clock.later(seconds=5)
    first.count(0, waited_s=30)
    assert counted(cloud, "load") == StageCounts(8, 2, 30)
    assert counted(cloud, "api") == StageCounts(0, 0, None)


@pytest.mark.parametrize("refusal", [("ThrottlingException", "warning"), ("AccessDeniedException", "error")])
def test_a_table_that_refuses_hinders_nothing_and_is_told_later(
    process: Count, cloud: Cloud, clock: Clock, refusal: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, level = refusal
    log = Mock()
    monkeypatch.setattr(throughput, "logger", lambda: log)
    one = process()
    with Stubber(cloud.dynamodb) as stub:
        stub.add_client_error("update_item", code, http_status_code=400)
        one.count(3, waited_s=7)
        one.count(2)  # five seconds are not over, so that nothing is asked
        stub.assert_no_pending_responses()
    assert told(cloud) == []
    assert [call[0] for call in log.method_calls] == [level]
    clock.later(seconds=5)
    one.count(1)
    assert counted(cloud, "load") == StageCounts(6, 0, 7)


def test_its_client_gives_up_soon(cloud: Cloud) -> None:
    config: Any = best_effort_client().meta.config
    assert config.connect_timeout + config.read_timeout <= 2
    assert config.retries["total_max_attempts"] == 1
    assert cloud.dynamodb is not best_effort_client()


@pytest.mark.usefixtures("_anew")
def test_each_stage_counts_what_it_has_done(cloud: Cloud) -> None:
    ingest(intake_messages.batch(intake_messages.put("1", ORDER), "{"), None)
    assert counted(cloud, "ingest") == StageCounts(2, 0, None)
    archive(archive_messages.batch([archive_event(1), archive_event(2)], "{"), None)
    assert counted(cloud, "archive") == StageCounts(1, 1, None)
    body = uploads.lines(uploads.GOOD, uploads.GOOD | {"id": "2"}, {"id": "3"})
    notification = uploads.upload(cloud, "inbox/orders/x.jsonl", body)
    notification["Records"][0]["eventTime"] = (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    load(notification, uploads.Context())
    found = counted(cloud, "load")
    assert (found.changes, found.failed) == (2, 0)
    assert 90 <= (found.waited_s or 0) < 100
    (key,) = cloud.objects("the-archive", "archive/")
    created = notifications.created(key)
    created["Records"][0]["eventTime"] = "2999-01-01T00:00:00.000Z"  # a clock that goes wrong
    catalog(created, None)
    assert counted(cloud, "catalog") == StageCounts(1, 0, 0)
    api(request("GET", "/aggregates"), None)
    assert counted(cloud, "api") == StageCounts(1, 0, None)


@pytest.mark.usefixtures("_anew")
def test_what_goes_to_a_route_is_counted_by_fanout(cloud: Cloud) -> None:
    large = ORDER | {"amount": 5000}
    fanout(event(history("orders", [("1", ORDER), ("2", large), ("3", large)])), None)
    sent = cloud.sqs.get_queue_attributes(
        QueueUrl=cloud.sqs.get_queue_url(QueueName="stack_LargeOrders")["QueueUrl"],
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    assert counted(cloud, "route/large-orders").changes == int(sent["Attributes"]["ApproximateNumberOfMessages"]) > 0


@pytest.mark.usefixtures("_anew")
def test_what_is_sent_to_a_route_again_is_counted_too(cloud: Cloud) -> None:
    large = ORDER | {"amount": 5000}
    request = {"items": [record(1, "orders", ("1", None, large))]}
    assert fanout({"replay": request | {"check": True}}, None)["violations"] == {}
    assert counted(cloud, "route/large-orders").changes == 0
    assert fanout({"replay": request}, None)["failed"] == []
    assert counted(cloud, "route/large-orders").changes == 1


def test_what_is_no_work_is_not_counted(process: Count, cloud: Cloud) -> None:
    again = count_lines(lambda _event: [], process())
    assert again({"Records": [{"eventTime": "2024-01-01T00:00:00.000Z"}]}) == []
    assert told(cloud) == []


def test_what_is_urgent_does_not_wait(process: Count, cloud: Cloud) -> None:
    one = process()
    one.count(1)
    one.count(2)
    one.count(0, 1, at_once=True)
    assert counted(cloud, "load") == StageCounts(3, 1, None)


@pytest.mark.usefixtures("_anew")
def test_the_lines_of_a_file_are_counted_while_it_is_read(
    cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(ThroughputCounter, "clock", property(lambda _self: clock, lambda _self, _clock: None))

    def slow(*arguments: Any, **options: Any) -> Any:
        seen.append(counted(cloud, "load").changes)
        clock.later(seconds=6)
        return put_all_or_raise(*arguments, **options)

    monkeypatch.setattr(load_module, "put_all_or_raise", slow)
    body = uploads.lines(*(uploads.GOOD | {"id": str(number)} for number in range(1700)))
    load(uploads.upload(cloud, "inbox/orders/x.jsonl", body), uploads.Context())
    assert seen == [0, 500, 1000, 1500]
    assert counted(cloud, "load").changes == 1700


def test_an_object_that_fails_is_counted_each_time(process: Count, cloud: Cloud) -> None:
    def broken(_event: Any) -> None:
        raise Permanent("no such table")

    catalogued = count_objects(broken, process())
    for _ in range(3):
        with pytest.raises(Permanent, match="no such table"):
            catalogued({"Records": [{}]})
    assert counted(cloud, "load") == StageCounts(0, 3, None)


def test_a_request_that_fails_is_counted_as_failed(process: Count, cloud: Cloud, clock: Clock) -> None:
    one = process()

    def broken(_event: Any) -> Any:
        raise Permanent("no such table")

    for status in (200, 404, 503, 500):
        assert count_requests(lambda _event, code=status: {"statusCode": code}, one)({}) == {"statusCode": status}
    with pytest.raises(Permanent, match="no such table"):
        count_requests(broken, one)({})
    clock.later(seconds=5)
    one.count(0)
    assert counted(cloud, "load") == StageCounts(5, 3, None)

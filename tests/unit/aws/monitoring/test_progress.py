"""How far the readers of the stream have come: told at little price, and never more than is true."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.aggregate.app import handler as aggregate
from functions.aggregate.app import stage as aggregate_stage
from functions.api.app import stage as api_stage
from functions.fanout.app import handler as fanout
from functions.fanout.app import stage as fanout_stage
from tailrace.aggregation import fold
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.progress import ProgressReader, ProgressWriter
from tailrace.aws.monitoring.throughput import StageCounts, ThroughputCounter
from tailrace.aws.runtime.clients import client
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Permanent, Transient
from tailrace.inputs.changes import StreamPosition, parse_raw_batch
from tailrace.queries.freshness import Freshness
from tailrace.testing import event, history, record
from tests.api_client import send
from tests.unit.aws.conftest import Cloud

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ORDER: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}
SHARD = "shardId-00000001700000000000-0a1b2c3d"


@pytest.fixture
def progress(cloud: Cloud) -> ProgressWriter:
    return ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: NOW)


def batch(*sequences: int) -> Any:
    """Return changes; each was made as many seconds after 1,700,000,000 as its sequence number says."""
    return parse_raw_batch(event([record(n, "orders", (str(n), None, ORDER)) for n in sequences])).positions


def told(cloud: Cloud) -> list[dict[str, Any]]:
    return [decode_item(row) for row in cloud.dynamodb.scan(TableName="progress")["Items"]]


def second(number: int) -> str:
    return datetime.fromtimestamp(1_700_000_000 + number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_batch_is_told_once_and_only_as_far_as_it_is_dealt_with(progress: ProgressWriter, cloud: Cloud) -> None:
    progress.advance("s", batch(1, 2, 3), None)
    (row,) = told(cloud)
    assert row.pop("expires_at") > NOW.timestamp() + 86_400
    assert row == {
        "pk": "aggregate",
        "sk": "s",
        "newest": second(3),
        "through": f"{3:034x}:1700000003",
        "changes": 3,
        "counted": 3,
        "told_at": "2026-03-01T00:00:00.000+00:00",
    }
    progress.advance("s", batch(4, 5, 6), 6)
    assert (told(cloud)[0]["newest"], told(cloud)[0]["changes"]) == (second(5), 5)
    progress.advance("s", batch(7), 7)
    progress.advance(None, batch(8), None)
    progress.advance("s", [], None)
    assert told(cloud)[0]["newest"] == second(5)


def test_a_reader_that_is_stuck_at_the_first_change_says_since_when(progress: ProgressWriter, cloud: Cloud) -> None:
    progress.advance("s", batch(1), 1)
    assert told(cloud) == []  # only the other reader can show that a shard is behind from its beginning
    progress.advance("s", batch(1, 2), None)
    progress.advance("s", batch(3, 4), 3)
    assert (told(cloud)[0]["newest"], told(cloud)[0]["missing_since"]) == (second(2), second(3))
    for one in (progress, ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: NOW)):
        one.advance("s", batch(1, 2), 1)  # delivered again, after it was done
        assert told(cloud)[0]["missing_since"] == second(3)
    with Stubber(client("dynamodb")) as stub:
        progress.advance("s", batch(3, 4), 3)
        stub.assert_no_pending_responses()
    progress.advance("s", batch(3, 4), None)
    assert "missing_since" not in told(cloud)[0]


def test_a_reader_that_is_stuck_again_after_a_discarded_batch_says_at_which_change(
    progress: ProgressWriter, cloud: Cloud
) -> None:
    progress.advance("s", batch(1, 2), None)
    progress.advance("s", batch(3, 4), 3)
    progress.advance("s", batch(5, 6), 5)  # the mapping has discarded the batch before
    assert told(cloud)[0]["missing_since"] == second(5)
    ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: NOW).advance("s", batch(3, 4), 3)  # a late call
    assert told(cloud)[0]["missing_since"] == second(5)


def test_what_is_no_newer_costs_nothing_and_is_counted_later(progress: ProgressWriter, cloud: Cloud) -> None:
    progress.advance("s", batch(5), None)
    with Stubber(client("dynamodb")) as stub:
        progress.advance("s", batch(4, 5), None)
        stub.assert_no_pending_responses()
    progress.advance("s", batch(6), None)
    assert (told(cloud)[0]["newest"], told(cloud)[0]["changes"]) == (second(6), 4)


def test_a_late_batch_of_another_process_takes_nothing_back(progress: ProgressWriter, cloud: Cloud) -> None:
    progress.advance("s", batch(9), None)
    other = ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: NOW)
    other.advance("s", batch(3), None)
    assert told(cloud)[0]["newest"] == second(9)
    other.advance("s", batch(10), None)
    assert told(cloud)[0]["newest"] == second(10)


def test_a_busy_table_is_told_later_and_one_that_refuses_is_not_hidden(progress: ProgressWriter, cloud: Cloud) -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("update_item", "ThrottlingException", http_status_code=400)
        progress.advance("s", batch(1), None)
        stub.add_client_error("update_item", "AccessDeniedException", http_status_code=400)
        with pytest.raises(Permanent):
            progress.advance("s", batch(2), None)
    progress.advance("s", batch(2), None)
    assert (told(cloud)[0]["newest"], told(cloud)[0]["changes"]) == (second(2), 3)


def test_readers_ask_once_a_second(cloud: Cloud, progress: ProgressWriter) -> None:
    now = [NOW]
    cached = CachedProgress(ProgressReader(cloud.dynamodb, "progress"), lambda: now[0])
    assert cached.aggregate_freshness().newest_change is None
    progress.advance("s", batch(1), None)
    now[0] += timedelta(seconds=0.9)
    assert cached.aggregate_freshness().newest_change is None
    now[0] += timedelta(seconds=1.1)
    assert cached.aggregate_freshness().newest_change == second(1)
    assert cached.aggregate_freshness().age_s == int(now[0].timestamp()) - 1_700_000_001
    now[0] += timedelta(seconds=2)
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("query", "ThrottlingException", http_status_code=400)
        with pytest.raises(Transient):
            cached.aggregate_freshness()


def test_what_happened_more_than_two_days_ago_is_not_told_even_if_its_row_is_still_there(
    cloud: Cloud, progress: ProgressWriter
) -> None:
    """TTL deletes a row when it finds it, which may take days."""
    now = [NOW]
    cached = CachedProgress(ProgressReader(cloud.dynamodb, "progress"), lambda: now[0])
    progress.advance("s", batch(1), None)
    ThroughputCounter(cloud.dynamodb, "progress", "load", "p", lambda: now[0]).count(3, 1, 5)
    now[0] += timedelta(days=2, seconds=-1)
    assert cached.aggregate_freshness().newest_change == second(1)
    assert cached.counts_of("load") == StageCounts(3, 1, 5)
    now[0] += timedelta(seconds=2)
    assert cached.aggregate_freshness() == Freshness(None, None, None)
    assert cached.stream_readers()["aggregate"].changes == 0
    assert cached.counts_of("load") == StageCounts()
    assert len(told(cloud)) == 2


def test_a_clock_that_is_set_back_keeps_nothing_for_longer(cloud: Cloud) -> None:
    now = [NOW + timedelta(hours=1)]
    writer = ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: now[0])
    cached = CachedProgress(ProgressReader(cloud.dynamodb, "progress"), lambda: now[0])
    writer.advance("s", batch(1), None)
    assert cached.aggregate_freshness().newest_change == second(1)
    now[0] = NOW
    same_second = [StreamPosition(2, second(1))]
    writer.advance("s", same_second, None)
    assert told(cloud)[0]["changes"] == 2
    writer.advance("s", batch(3), None)
    assert cached.aggregate_freshness().newest_change == second(3)


@pytest.fixture
def lineage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each shard be a lineage of its own, as moto cannot describe a stream; and let all functions begin anew."""
    monkeypatch.setattr(Lineages, "find", lambda _self, shard, _stream: Lineage(f"~{shard}", ()))
    for stage in (aggregate_stage, fanout_stage, api_stage):
        stage.cache_clear()
    yield
    api_stage.cache_clear()


@pytest.mark.usefixtures("cloud", "lineage")
def test_answers_tell_when_aggregate_is_behind_what_fanout_has_seen() -> None:
    def fresh() -> dict[str, Any]:
        api_stage.cache_clear()
        answer = send("GET", "/aggregates/shop_hours/rows", None, "shop=a")
        document = json.loads(answer["body"])
        assert json.loads(answer["headers"]["Tailrace-Freshness"]) == document["freshness"]
        found: dict[str, Any] = document["freshness"]
        return found

    assert fresh() == {"newest_change": None, "age_s": None, "behind_s": None}
    first, second_batch = (event(history("orders", [(str(n), ORDER)], n)) for n in (10, 20))
    now = int(datetime.now(UTC).timestamp())
    for batch_event, age_s in ((first, 2000), (second_batch, 100)):
        for one in batch_event["Records"]:
            one["dynamodb"]["ApproximateCreationDateTime"] = now - age_s
    for read in (fanout, aggregate):
        read(first, None)
    level = fresh()
    assert 2000 <= level["age_s"] < 2060
    assert 2000 <= level["behind_s"] < 2060  # level with one another, not with the table
    fanout(second_batch, None)
    behind = fresh()
    assert behind["newest_change"] == level["newest_change"]
    assert behind["age_s"] <= behind["behind_s"] <= behind["age_s"] + 1
    aggregate(second_batch, None)
    assert 100 <= fresh()["age_s"] < 160
    assert 100 <= fresh()["behind_s"] < 160


def test_a_backlog_is_never_told_as_none(cloud: Cloud) -> None:
    """12,600 changes of one second, absorbed by both readers batch by batch, one every two seconds."""
    now = [datetime.fromtimestamp(1_700_000_000, UTC)]
    readers = [ProgressWriter(cloud.dynamodb, "progress", stage, lambda: now[0]) for stage in ("fanout", "aggregate")]
    cached = CachedProgress(ProgressReader(cloud.dynamodb, "progress"), lambda: now[0])
    positions = [StreamPosition(number, second(0)) for number in range(12_600)]
    told_lags = []
    for first in range(0, len(positions), 1000):
        for reader in readers:
            reader.advance("s", positions[first : first + 1000], None)
        told_lags.append((cached.fanout_freshness().behind_s, cached.aggregate_freshness().behind_s))
        now[0] += timedelta(seconds=2)
    assert told_lags == [(max(lag, 1), max(lag, 1)) for lag in range(0, 26, 2)]
    assert cached.progress.reader_progress("aggregate", now[0]).changes == 12_600
    now[0] += timedelta(seconds=60)
    assert cached.aggregate_freshness().behind_s is None  # it was the last batch, or nobody reads any more


def test_what_a_batch_lacks_is_told_until_it_comes(progress: ProgressWriter, cloud: Cloud) -> None:
    progress.advance("s", batch(1, 2, 3), 3)
    assert told(cloud)[0]["missing_since"] == second(3)
    other = ProgressWriter(cloud.dynamodb, "progress", "aggregate", lambda: NOW)
    other.advance("s", batch(3), None)
    (row,) = told(cloud)
    assert "missing_since" not in row
    assert row["changes"] == 3


@pytest.mark.usefixtures("lineage")
def test_a_batch_that_is_not_counted_is_not_told_as_counted(cloud: Cloud) -> None:
    aggregate(event([record(4, "visits", ("2", None, {"page": "b"}))], shard=None), None)  # adopts the control rows
    control = cloud.dynamodb.get_item(TableName="aggregates", Key={"pk": {"S": "~control"}, "sk": {"S": "-"}})["Item"]
    with Stubber(client("dynamodb")) as stub:
        stub.add_response("batch_get_item", {"Responses": {"aggregates": [control]}})
        for _ in ("how far this reader is", "how far the other one is", "what other shards have outstanding"):
            stub.add_response("query", {"Items": []})
        for _ in ("the row of the page", "its place in the list of pages"):
            stub.add_client_error("update_item", "ThrottlingException", http_status_code=400)
        # nothing is told of the shard yet, so not that it is stuck
        stub.add_client_error("update_item", "ConditionalCheckFailedException", http_status_code=400)
        answer = aggregate(event([record(5, "visits", ("1", None, {"page": "a"}))]), None)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["0" * 20 + "5"]
    assert told(cloud) == []


@pytest.mark.usefixtures("lineage")
def test_a_batch_that_takes_too_long_is_counted_and_told_in_parts(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty items of five seconds each take longer than a function may: whole, the batch would never be counted."""
    context, absorb = SimpleNamespace(left_ms=0), fold._Fold._absorb

    def slowly(*arguments: Any) -> None:
        context.left_ms -= 5_000
        absorb(*arguments)

    context.get_remaining_time_in_millis = lambda: context.left_ms
    monkeypatch.setattr(fold._Fold, "_absorb", slowly)
    records = [record(n, "visits", (str(n), None, {"page": "a"})) for n in range(1, 41)]
    cuts = []
    while records:
        context.left_ms = 120_000
        answer = aggregate(event(records), context)
        assert context.left_ms >= 55_000
        cuts.append([one["itemIdentifier"] for one in answer["batchItemFailures"]])
        left = [one["dynamodb"]["SequenceNumber"] for one in records]
        records = records[left.index(cuts[-1][0]) :] if cuts[-1] else []
    assert cuts == [[f"{13 + 1:021d}"], [f"{26 + 1:021d}"], [f"{39 + 1:021d}"], []]
    (row,) = told(cloud)
    assert row["changes"] == 40
    pages = cloud.dynamodb.get_item(TableName="aggregates", Key={"pk": {"S": "pages@1#a"}, "sk": {"S": "-"}})["Item"]
    assert decode_item(pages)["visits"] == 40

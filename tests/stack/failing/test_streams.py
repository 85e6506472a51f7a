"""Failures of the stream's readers: lag, discarded batches, throttling, and destinations that cannot be written."""

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from tests.stack.failing.conftest import ABSENT, Failing
from tests.stack.failing.discarded_batches import batches, holding
from tests.stack.failing.waiting import eventually

READERS = ("fanout", "aggregate")
OLD_S = 2
"""An age that only a reader with a backlog tells."""


def is_behind(failing: Failing, stage: str) -> bool:
    """Whether health says that a reader lacks a change: what the alarm on IteratorAge watches in milliseconds."""
    return int(failing.health(stage)["behind_s"] or 0) >= OLD_S


def check_batch(failing: Failing, batch: dict[str, Any], function: str, calls: int) -> None:
    """What failed, why, where from and how often it was tried."""
    assert batch["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert batch["requestContext"]["approximateInvokeCount"] == calls
    assert batch["requestContext"]["functionArn"].endswith(f":function:tailrace-{function}")
    assert batch["responseContext"]["functionError"] == "Unhandled"
    where = batch["DDBStreamBatchInfo"]
    assert (where["batchSize"], where["streamArn"]) == (1, failing.out("ItemsTableStream"))
    assert where["shardId"]
    assert where["startSequenceNumber"] == where["endSequenceNumber"]


@pytest.fixture
def impatient(failing: Failing) -> Iterator[Failing]:
    """Let aggregate give up a batch after a retry: on AWS it takes 23 hours."""
    failing.configure(AggregateMapping={"MaximumRetryAttempts": 1})
    try:
        yield failing
    finally:
        failing.configure(AggregateMapping={"MaximumRetryAttempts": -1})


@pytest.mark.failure_path("Errors", "FanoutFunction")
@pytest.mark.failure_path("PutRequests", "FailuresBucket")
def test_a_batch_that_fanout_cannot_deliver_is_in_the_failures_bucket(failing: Failing) -> None:
    before = failing.lambda_metric("fanout", "Errors")
    queue = failing.out("ArchiveQueue")
    with failing.broken("fanout", ARCHIVE_QUEUE=f"{queue}-{ABSENT}"):
        failing.put("undeliverable")
        batch = eventually(lambda: holding(failing, "undeliverable"))
    check_batch(failing, batch, "fanout", 2)
    assert failing.lambda_metric("fanout", "Errors") > before


@pytest.mark.failure_path("PutRequests", "FailuresBucket")
def test_a_batch_that_aggregate_gives_up_is_in_the_failures_bucket(impatient: Failing) -> None:
    with impatient.broken("aggregate", AGGREGATES_TABLE=ABSENT):
        impatient.put("uncounted", carrier="XX")
        batch = eventually(lambda: holding(impatient, "uncounted"))
    check_batch(impatient, batch, "aggregate", 2)


@pytest.mark.failure_path("Errors", "AggregateFunction")
@pytest.mark.failure_path("IteratorAge", "AggregateFunction")
def test_aggregate_lags_while_it_fails_and_discards_nothing(failing: Failing) -> None:
    known, before = batches(failing).keys(), failing.lambda_metric("aggregate", "Errors")
    with failing.broken("aggregate", AGGREGATES_TABLE=ABSENT):
        failing.put("late", carrier="ZZ")
        eventually(lambda: is_behind(failing, "aggregate"))
        eventually(lambda: failing.lambda_metric("aggregate", "Errors") > before)
    caught_up(failing, "ZZ", known)


@pytest.mark.failure_path("IteratorAge", "FanoutFunction")
@pytest.mark.failure_path("Throttles", "FanoutFunction")
@pytest.mark.failure_path("Throttles", "AggregateFunction")
def test_throttled_readers_lag_and_lose_nothing(failing: Failing) -> None:
    known, before = batches(failing).keys(), {one: failing.lambda_metric(one, "Throttles") for one in READERS}
    with failing.throttled(*READERS):
        failing.put("throttled", carrier="YY")
        for reader in READERS:
            eventually(lambda reader=reader: failing.lambda_metric(reader, "Throttles") > before[reader])  # type: ignore[misc]
        time.sleep(OLD_S)
    late = set[str]()  # that a reader is late is seen for ten seconds, and they need not be late together

    def all_were_late() -> bool:
        late.update(reader for reader in READERS if is_behind(failing, reader))
        return late == set(READERS)

    eventually(all_were_late)
    caught_up(failing, "YY", known)


def caught_up(failing: Failing, carrier: str, known: AbstractSet[str]) -> None:
    """What was late is counted once, the next change is not late, and nothing was discarded."""
    failing.stack.wait_until_settled(60)
    failing.put("next")
    for reader in READERS:
        eventually(lambda reader=reader: not is_behind(failing, reader))  # type: ignore[misc]
    rows = failing.ask(f"/aggregates/carrier_hours/rows?carrier={carrier}").json()["rows"]
    assert [row["flights"] for row in rows] == [1]
    assert batches(failing).keys() == known


@pytest.mark.parametrize(
    ("function", "variables", "item"),
    [
        pytest.param(
            "fanout",
            {"ARCHIVE_QUEUE": ABSENT},
            "lost-by-fanout",
            marks=pytest.mark.failure_path("DestinationDeliveryFailures", "FanoutFunction"),
        ),
        pytest.param(
            "aggregate",
            {"AGGREGATES_TABLE": ABSENT},
            "lost-by-aggregate",
            marks=pytest.mark.failure_path("DestinationDeliveryFailures", "AggregateFunction"),
        ),
    ],
)
def test_a_batch_whose_destination_cannot_be_written_is_told(
    impatient: Failing, function: str, variables: dict[str, str], item: str
) -> None:
    """Lambda drops it; here the pollers say so, and wait until the destination can be written."""
    s3, bucket = impatient.client("s3"), impatient.out("FailuresBucket")
    kept = impatient.texts("FailuresBucket", "")
    with impatient.broken(function, **variables):
        for key in kept:
            s3.delete_object(Bucket=bucket, Key=key)
        remove_versions(impatient, bucket)
        s3.delete_bucket(Bucket=bucket)
        impatient.put(item)
        eventually(lambda: any("NoSuchBucket" in (one.last_error or "") for one in impatient.stack.pollers.statistics))
    time.sleep(1)
    assert any(one.pending for one in impatient.stack.pollers.statistics)
    s3.create_bucket(Bucket=bucket)
    for key, text in kept.items():
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    check_batch(impatient, eventually(lambda: holding(impatient, item)), function, 2)


def remove_versions(failing: Failing, bucket: str) -> None:
    """Remove what is left of deleted objects."""
    s3 = failing.client("s3")
    found = s3.list_object_versions(Bucket=bucket)
    for one in [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]:
        s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])

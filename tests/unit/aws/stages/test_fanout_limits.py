"""fanout: however much a batch becomes, and however slow a bucket is, no invocation runs out of memory or time."""

from typing import Any

import pytest

from functions.fanout.app import handler, stage
from tailrace.aws.runtime.clients import storing_client
from tailrace.encoding.tagged_json import loads
from tailrace.errors import SettingsError
from tailrace.outputs import routing
from tailrace.testing import event, history
from tests.unit.aws.conftest import Cloud

ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": 5}
BAD = ORDER | {"tags": [1] * 100}
HUGE = ORDER | {"notes": {"text": "x" * 300_000}}


@pytest.fixture(autouse=True)
def new_process() -> None:
    """Reset what the process has learned from earlier deliveries."""
    stage.cache_clear()


class Context:
    """An invocation whose time passes with each object that is stored."""

    def __init__(self, put_ms: int) -> None:
        self.left_ms = 120_000
        self.put_ms = put_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms

    def on_put(self, **_call: Any) -> None:
        self.left_ms -= self.put_ms


def subjects(cloud: Cloud) -> list[str]:
    """Take every message of the archive queue, and return the items that they are about."""
    url, found = cloud.sqs.get_queue_url(QueueName="stack-archive")["QueueUrl"], list[str]()
    while messages := cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [envelope["subject"] for message in messages for envelope in loads(message["Body"])]
    return found


def left_over(records: list[Any], answer: dict[str, Any]) -> list[Any]:
    """Return what Lambda delivers again."""
    if not answer["batchItemFailures"]:
        return []
    sequences = [one["dynamodb"]["SequenceNumber"] for one in records]
    return records[sequences.index(answer["batchItemFailures"][0]["itemIdentifier"]) :]


@pytest.mark.parametrize(("item", "reports"), [(ORDER, 0), (BAD, 9)])
def test_what_there_is_no_room_for_comes_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, item: dict[str, Any], reports: int
) -> None:
    """A transform or the violations of a batch may make hundreds of megabytes of its 6 MB."""
    monkeypatch.setattr(routing, "MAX_HELD_CHARACTERS", 1_500)
    records, deliveries = history("orders", [(str(n), item) for n in range(9)]), list[int]()
    while records:
        rest = left_over(records, handler(event(records), None))
        deliveries.append(len(records) - len(rest))
        records = rest
    assert len(deliveries) > 2
    assert min(deliveries) > 0
    assert subjects(cloud) == ([] if reports else [str(n) for n in range(9)])
    assert len(cloud.quarantine()) == reports


@pytest.mark.parametrize("item", [BAD, HUGE])
def test_a_slow_bucket_takes_no_more_time_than_there_is(cloud: Cloud, item: dict[str, Any]) -> None:
    records = history("orders", [("first", ORDER), *((str(n), item | {"amount": n}) for n in range(40))])
    context, stored = Context(put_ms=2_500), storing_client()
    stored.meta.events.register("before-call.s3.PutObject", context.on_put)
    try:
        rest = left_over(records, handler(event(records), context))
    finally:
        stored.meta.events.unregister("before-call.s3.PutObject", context.on_put)
    assert context.left_ms > 0
    assert 0 < len(rest) < len(records)
    assert left_over(rest, handler(event(rest), None)) == []
    kept = [report["id"] for report in cloud.quarantine()] if item is BAD else subjects(cloud)
    assert {str(n) for n in range(40)} <= set(kept)


def test_a_route_without_a_queue_is_told_at_the_first_call(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTES", "Disruptions")
    with pytest.raises(SettingsError, match="no queue for large-orders: deploy it with Routes=LargeOrders"):
        handler(event([]), None)

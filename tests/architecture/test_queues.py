"""Queues: a dead-letter queue behind each, room for retries, and one queue for every route."""

import pytest

from tailrace.definition.pipeline import load_pipeline
from tests.architecture.stack import (
    ROUTE_QUEUE_SUFFIX,
    as_list,
    function_id,
    mapping_of,
    properties,
    referred,
    resources,
    statements,
    template,
    variable_name,
    variables,
)
from tests.review.parameters import deployed

QUEUES = resources("AWS::SQS::Queue")
ENDS = {"AsyncFailuresQueue"} | {name for name in QUEUES if name.endswith("DeadLetterQueue")}
"""Queues where a failure comes to rest."""

WORKING = sorted(QUEUES.keys() - ENDS)
DAY_SECONDS = 86_400


@pytest.mark.parametrize("name", WORKING)
def test_every_queue_has_its_dead_letter_queue(name: str) -> None:
    """XQueue is backed by XDeadLetterQueue, after a few attempts; both are FIFO or neither is."""
    redrive = properties(name)["RedrivePolicy"]
    expected = name.replace("Queue", "DeadLetterQueue")
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [expected, "Arn"]}
    assert 3 <= redrive["maxReceiveCount"] <= 10
    assert properties(name).get("FifoQueue") == properties(expected).get("FifoQueue")


def test_no_dead_letter_queue_is_without_its_queue() -> None:
    """None is left over from a queue that is gone."""
    backed = {name.replace("DeadLetterQueue", "Queue") for name in ENDS if name.endswith("DeadLetterQueue")}
    assert backed == set(WORKING)


@pytest.mark.parametrize("name", WORKING)
def test_a_dead_message_outlives_its_queue(name: str) -> None:
    """A message keeps its age when it moves, so it must not be nearly too old for the queue it moves to."""
    dead = name.replace("Queue", "DeadLetterQueue")
    assert properties(dead)["MessageRetentionPeriod"] == 14 * DAY_SECONDS
    assert properties(name)["MessageRetentionPeriod"] <= 7 * DAY_SECONDS


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_queues_are_encrypted(name: str) -> None:
    """All of them, those for failures too."""
    assert deployed()[name]["Properties"]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("stage", ["ingest", "archive"])
def test_a_message_stays_hidden_while_its_function_tries(stage: str) -> None:
    """Six times the function's timeout and the longest window, as Lambda's guide asks (services-sqs-configure)."""
    found = mapping_of(stage)
    assert found is not None
    (queue,) = referred(found[1]["EventSourceArn"])
    longest = template()["Parameters"]["ArchiveWindowSeconds"]["MaxValue"]
    window = longest if "MaximumBatchingWindowInSeconds" in found[1] else 0
    assert properties(queue)["VisibilityTimeout"] >= 6 * properties(function_id(stage))["Timeout"] + window


def test_intake_is_fifo_with_high_throughput() -> None:
    """Order is kept per item; deduplication is by the sender's id: by content, put A, put B, put A would end as B."""
    intake = properties("IntakeQueue")
    assert intake["FifoQueue"] is True
    assert intake["FifoThroughputLimit"] == "perMessageGroupId"
    assert intake["DeduplicationScope"] == "messageGroup"
    assert intake["ContentBasedDeduplication"] is False


def queue_variable(route: str) -> str:
    """Return the logical id of a route's queue."""
    return "".join(part.capitalize() for part in route.replace("-", "_").split("_")) + ROUTE_QUEUE_SUFFIX


def test_every_route_has_its_queue_and_every_queue_its_purpose() -> None:
    """Route("disruptions") goes to DisruptionsQueue, which fanout is told of and may send to."""
    routes = {queue_variable(route.name) for route in load_pipeline().routes}
    assert routes
    assert set(WORKING) == routes | {"IntakeQueue", "ArchiveQueue"}
    (send,) = [given for given in statements("fanout") if "sqs:SendMessage" in as_list(given["Action"])]
    assert referred(send["Resource"]) == routes | {"ArchiveQueue"}
    for queue in routes:
        assert variables("fanout")[variable_name(queue)] == {"Ref": queue}

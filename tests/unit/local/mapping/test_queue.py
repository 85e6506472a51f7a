"""The rules of a queue's mapping."""

import pytest

from local.mapping import (
    Backoff,
    Failed,
    MappingError,
    Message,
    QueueInvocation,
    QueueMapping,
    QueueSettings,
    Returned,
    Throttled,
)

Mapping = QueueMapping[str]


def message(name: str, group: str | None = None, size: int = 100, hidden_until: float = 1000) -> Message[str]:
    return Message(name, f"receipt {name}", group, hidden_until, size, name)


def mapping(settings: QueueSettings) -> Mapping:
    return QueueMapping(settings, now=0, backoff=Backoff(initial_s=1, max_s=8))


def made(queue: Mapping, now: float = 0) -> QueueInvocation[str]:
    call = queue.next_invocation(now)
    assert call is not None
    return call


def names(call: QueueInvocation[str] | None) -> str:
    return "" if call is None else "".join(sent.id for sent in call.messages)


def partial_failure(*ids: object) -> Returned:
    return Returned({"batchItemFailures": [{"itemIdentifier": name} for name in ids]})


def test_a_batch_holds_at_most_batch_size_messages_and_several_run_at_a_time() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    queue = mapping(QueueSettings(batch_size=2, concurrency=2))
    queue.add([message(name) for name in "abcdef"], 0)
    assert (names(queue.next_invocation(0)), names(queue.next_invocation(0))) == ("ab", "cd")
    assert queue.next_invocation(0) is None


def test_the_window_gathers_messages_until_it_ends_or_the_batch_is_full() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    queue = mapping(QueueSettings(batch_size=3, batching_window_s=5))
    queue.add([message("a")], 1)
    assert queue.next_invocation(4) is None
    assert queue.next_time() == 5
    queue.add([message("b"), message("c")], 4)
    assert names(queue.next_invocation(4)) == "abc"


def test_the_payload_limit_closes_a_batch() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    queue = mapping(QueueSettings(batch_size=100, batching_window_s=300, payload_limit=1000))
    queue.add([message(name, size=300) for name in "abcd"], 0)
    assert names(queue.next_invocation(0)) == "abc"


def test_processed_messages_are_deleted() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    queue = mapping(QueueSettings())
    queue.add([message("a"), message("b")], 0)
    settled = queue.complete(made(queue), Returned(None), 1)
    assert [gone.receipt for gone in settled.delete] == ["receipt a", "receipt b"]
    assert (settled.retained, queue.pending) == ((), 0)


def test_a_function_error_leaves_the_whole_batch_in_the_queue() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings(report_failures=True))
    queue.add([message("a"), message("b")], 0)
    settled = queue.complete(made(queue), Failed("boom"), 1)
    assert (settled.delete, len(settled.retained), queue.pending) == ((), 2, 0)


def test_only_reported_messages_stay() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings(report_failures=True))
    queue.add([message(name) for name in "abc"], 0)
    settled = queue.complete(made(queue), partial_failure("b"), 1)
    assert [gone.id for gone in settled.delete] == ["a", "c"]


@pytest.mark.parametrize(
    "response",
    [partial_failure(""), partial_failure(None), partial_failure("z"), Returned({"batchItemFailures": [{}]})],
)
def test_an_empty_null_misnamed_or_unknown_identifier_keeps_the_whole_batch(response: Returned) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings(report_failures=True))
    queue.add([message("a"), message("b")], 0)
    assert queue.complete(made(queue), response, 1).delete == ()


@pytest.mark.parametrize("value", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_an_empty_response_is_a_success(value: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings(report_failures=True))
    queue.add([message("a"), message("b")], 0)
    assert len(queue.complete(made(queue), Returned(value), 1).delete) == 2


def test_a_malformed_response_keeps_the_whole_batch() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings(report_failures=True))
    queue.add([message("a")], 0)
    assert queue.complete(made(queue), Returned("done"), 1).delete == ()


def test_reported_failures_are_ignored_unless_the_mapping_enables_them() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings())
    queue.add([message("a")], 0)
    assert len(queue.complete(made(queue), partial_failure("a"), 1).delete) == 1


def test_a_throttled_call_is_retried_while_its_messages_are_hidden() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings())
    queue.add([message("a", hidden_until=2.5)], 0)
    assert queue.complete(made(queue), Throttled(), 0).retained == ()
    assert queue.next_time() == 1
    assert [kept.id for kept in queue.complete(made(queue, 1), Throttled(), 1).retained] == ["a"]
    assert queue.pending == 0


def test_a_message_that_is_visible_again_is_dropped() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    queue = mapping(QueueSettings(batching_window_s=30))
    queue.add([message("a", hidden_until=10), message("b")], 0)
    assert names(queue.next_invocation(30)) == "b"


def test_a_fifo_group_has_one_batch_in_flight() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    queue = mapping(QueueSettings(batch_size=2, fifo=True))
    queue.add([message("a", "g"), message("b", "g"), message("c", "g"), message("d", "h")], 0)
    first = made(queue)
    assert (names(first), names(queue.next_invocation(0))) == ("ab", "d")
    queue.complete(first, Returned(None), 1)
    assert names(queue.next_invocation(1)) == "c"


def test_a_batch_may_hold_several_fifo_groups_each_in_its_order() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    queue = mapping(QueueSettings(fifo=True))
    queue.add([message("a", "g"), message("b", "h"), message("c", "g")], 0)
    assert names(queue.next_invocation(0)) == "abc"


def test_messages_after_a_failed_one_of_their_fifo_group_return_to_the_queue() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    queue = mapping(QueueSettings(batch_size=1, fifo=True, report_failures=True))
    queue.add([message("a", "g"), message("b", "g"), message("c", "h")], 0)
    settled = queue.complete(made(queue), partial_failure("a"), 1)
    assert [kept.id for kept in settled.retained] == ["a", "b"]
    assert names(queue.next_invocation(1)) == "c"


@pytest.mark.parametrize("result", [Failed("poison"), partial_failure("a"), Throttled()])
def test_the_groups_of_a_standard_queue_are_not_in_order(result: Failed | Returned | Throttled) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html

    Before, a message that followed a failed one was received, and never passed on, until it was a dead letter.
    """
    queue = mapping(QueueSettings(batch_size=1, concurrency=2, report_failures=True))
    queue.add([message(name, "tenant", hidden_until=2) for name in "abc"], 0)
    first = made(queue)
    assert names(queue.next_invocation(0)) == "b"
    assert [kept.id for kept in queue.complete(first, result, 1).retained] == ["a"]
    assert names(queue.next_invocation(1)) == "c"


def test_the_function_reports_what_follows_a_failure_within_its_batch() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    queue = mapping(QueueSettings(fifo=True, report_failures=True))
    queue.add([message(name, "g") for name in "abc"], 0)
    assert [gone.id for gone in queue.complete(made(queue), partial_failure("b"), 1).delete] == ["a", "c"]


def test_no_more_messages_are_received_than_the_free_calls_can_take() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    queue = mapping(QueueSettings(batch_size=10, concurrency=2))
    assert queue.capacity == 20
    queue.add([message(str(number)) for number in range(12)], 0)
    assert queue.capacity == 8
    assert names(queue.next_invocation(0)) == "0123456789"
    assert queue.capacity == 8


@pytest.mark.parametrize(
    ("properties", "fifo"),
    [({"BatchSize": 11}, False), ({"BatchSize": 11}, True), ({"MaximumBatchingWindowInSeconds": 1}, True)],
)
def test_properties_that_lambda_rejects_are_rejected(properties: dict[str, object], *, fifo: bool) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    with pytest.raises(MappingError):
        QueueSettings.parse(properties, fifo=fifo, visibility_s=30)


@pytest.mark.parametrize("most", [1, 1001])
def test_the_maximum_concurrency_is_from_2_to_1000(most: int) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html"""
    with pytest.raises(MappingError, match="MaximumConcurrency must be from 2 to 1000"):
        QueueSettings.parse({"ScalingConfig": {"MaximumConcurrency": most}}, fifo=False, visibility_s=30)


def test_without_a_limit_five_calls_run_at_a_time() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    assert QueueSettings.parse({}, fifo=False, visibility_s=30).concurrency == 5


def test_settings_are_parsed_from_the_mapping() -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    properties: dict[str, object] = {
        "BatchSize": 1000,
        "MaximumBatchingWindowInSeconds": "5",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    assert QueueSettings.parse(properties, fifo=False, visibility_s=360) == QueueSettings(
        batch_size=1000, batching_window_s=5, report_failures=True, visibility_s=360, concurrency=2
    )

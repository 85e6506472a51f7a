"""The rules of a stream's mapping: batches, retries, partial failures."""

import pytest

from local.mapping import Backoff, Failed, Returned, StreamSettings, Throttled
from tests.unit.local.mapping.shards import made, numbers, partial_failure, records, sequence, shard

# --- batches: invocation-eventsourcemapping, "Batching behavior" ------------------------------------------------------


def test_a_batch_holds_at_most_batch_size_records() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batch_size=3))
    one.add(records(range(5)), 0)
    assert numbers(one.next_invocation(0)) == [0, 1, 2]


def test_without_a_window_records_are_sent_as_soon_as_they_arrive() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batch_size=100))
    one.add(records([0]), 7)
    assert numbers(one.next_invocation(7)) == [0]


def test_with_a_window_records_are_collected_until_it_ends() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batching_window_s=5))
    one.add(records([0]), 1)
    assert one.next_invocation(4.9) is None
    one.add(records([1]), 4.9)
    assert one.next_time() == 5
    assert numbers(one.next_invocation(5)) == [0, 1]


def test_an_empty_window_is_followed_by_the_next() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batching_window_s=5))
    one.add(records([0]), 12)
    assert one.next_time() == 15


def test_the_next_window_begins_when_the_invocation_completes() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batching_window_s=5))
    one.add(records([0]), 0)
    call = made(one, 5)
    one.add(records([1]), 6)
    one.complete(call, Returned(None), 8)
    assert one.next_time() == 13


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batch_size=2, batching_window_s=300))
    one.add(records([0, 1]), 0)
    assert numbers(one.next_invocation(0)) == [0, 1]


def test_the_payload_limit_closes_a_batch_and_sends_it() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(batching_window_s=300, payload_limit=1000))
    one.add(records(range(4), size=300), 0)
    assert numbers(one.next_invocation(0)) == [0, 1, 2]  # a fourth would come to 1,200 bytes


def test_a_record_above_the_payload_limit_is_sent_alone() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
    one = shard(StreamSettings(payload_limit=50))
    one.add(records([0, 1]), 0)
    assert numbers(one.next_invocation(0)) == [0]


# --- order and failure: services-dynamodb-errors ------------------------------------------------------------------


def test_one_batch_of_a_shard_is_in_flight_at_a_time() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
    one = shard(StreamSettings(batch_size=1))
    one.add(records([0, 1]), 0)
    call = made(one, 0)
    assert one.next_invocation(0) is None
    assert one.next_time() is None
    assert one.complete(call, Returned({}), 1).acknowledged == 1
    assert numbers(one.next_invocation(1)) == [1]


def test_a_function_error_retries_the_whole_batch_and_blocks_the_shard() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(batch_size=2))
    one.add(records([0, 1, 2]), 0)
    assert one.complete(made(one, 0), Failed("boom"), 0).acknowledged == 0
    assert one.next_invocation(0.5) is None
    again = made(one, 1)
    assert numbers(again) == [0, 1]
    assert again.attempt == 2


def test_retries_back_off_exponentially_up_to_a_cap() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html: the figures are not published."""
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    now, waits = 0.0, []
    for _ in range(6):
        one.complete(made(one, now), Failed("boom"), now)
        due = one.next_time()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [1, 2, 4, 8, 8, 8]


def test_a_throttled_call_is_retried() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    one.complete(made(one, 0), Throttled(), 0)
    assert numbers(one.next_invocation(1)) == [0]


def test_the_checkpoint_follows_the_acknowledged_records() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings(batch_size=2))
    one.add(records([0, 1, 2]), 0)
    one.complete(made(one, 0), Returned(None), 0)
    assert one.checkpoint == sequence(1)
    assert one.pending == 1


# --- partial failures: services-ddb-batchfailurereporting ----------------------------------------------------------


def test_the_lowest_sequence_number_is_the_checkpoint() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(5)), 0)
    assert one.complete(made(one, 0), partial_failure(sequence(3), sequence(2)), 0).acknowledged == 2
    assert one.checkpoint == sequence(1)
    assert numbers(one.next_invocation(1)) == [2, 3, 4]


@pytest.mark.parametrize("value", [None, {}, "", {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_an_empty_response_is_a_success(value: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(3)), 0)
    assert one.complete(made(one, 0), Returned(value), 0).acknowledged == 3


@pytest.mark.parametrize("entry", [{"itemIdentifier": ""}, {"itemIdentifier": None}, {"id": "1"}, {}, "1", None])
def test_an_empty_null_or_misnamed_identifier_fails_the_whole_batch(entry: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(3)), 0)
    response = Returned({"batchItemFailures": [{"itemIdentifier": sequence(2)}, entry]})
    assert one.complete(made(one, 0), response, 0).acknowledged == 0
    assert numbers(one.next_invocation(1)) == [0, 1, 2]


def test_an_identifier_that_is_not_in_the_batch_fails_the_whole_batch() -> None:
    """https://github.com/localstack/localstack/blob/1f3973ceeaefd514517a574f874038932bf86bf7/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_kinesis.snapshot.json

    Recorded: test_kinesis_report_batch_item_failure_scenarios[item_identifier_not_present_failure].
    """
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(3)), 0)
    assert one.complete(made(one, 0), partial_failure(sequence(7)), 0).acknowledged == 0


def test_reported_failures_are_ignored_unless_the_mapping_enables_them() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings())
    one.add(records(range(3)), 0)
    assert one.complete(made(one, 0), partial_failure(sequence(0)), 0).acknowledged == 3


def test_the_rest_comes_again_at_once_and_its_backoff_begins_with_its_own_first_failure() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded (partial_enabled): calls with 1 to 4, 39 ms later with 2 to 4, 186 ms later with 2 to 4 again.
    """
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(4)), 0)
    one.complete(made(one, 0), Failed("boom"), 0)
    one.complete(made(one, 1), partial_failure(sequence(1)), 1)
    rest = made(one, 1)
    assert (numbers(rest), rest.attempt) == ([1, 2, 3], 1)
    one.complete(rest, partial_failure(sequence(1)), 1)
    assert one.next_time() == 2


def test_the_first_waits_are_as_recorded() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded (raise_retry, partial_bisect, raise_bisect): 0.27 and 0.39 s; 0.21 s; 0.24 s. That includes the calls.
    """
    backoff = Backoff()
    assert [backoff.delay(failures) for failures in (1, 2)] == [0.2, 0.4]


def test_a_result_for_an_invocation_not_in_flight_is_an_error() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    call = made(one, 0)
    one.complete(call, Returned(None), 0)
    with pytest.raises(ValueError, match="not in flight"):
        one.complete(call, Returned(None), 0)

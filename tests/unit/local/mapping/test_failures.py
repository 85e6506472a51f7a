"""Failed batches: splits, and the limits on retries and age."""

import pytest

from local.mapping import Failed, Returned, StreamSettings, Throttled
from tests.unit.local.mapping.shards import (
    MINUTE,
    Shard,
    discarded_records,
    made,
    numbers,
    partial_failure,
    record,
    records,
    shard,
)
from tests.unit.local.mapping.shards import sequence as number

DAY = 86_400


def deliveries(one: Shard, bad: int, *, reports: bool = False) -> tuple[list[list[int]], list[list[int]]]:
    """Process a whole shard with a function that fails on one record. Returns the calls and the discarded records."""
    calls, discarded, now = [], [], 0.0
    while one.pending:
        now = max(now, one.next_time() or 0)
        call = made(one, now)
        calls.append(numbers(call))
        wrong = Failed("boom") if not reports else partial_failure(number(bad))
        outcome = one.complete(call, wrong if bad in numbers(call) else Returned(None), now)
        if outcome.discarded is not None:
            discarded.append(numbers(outcome.discarded))
    return calls, discarded


# --- splits -----------------------------------------------------------------------------------------------------------


def test_a_failed_batch_is_split_in_two_and_the_first_half_is_delivered_first() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(bisect=True))
    one.add(records(range(5)), 0)
    one.complete(made(one, 0), Failed("boom"), 0)
    first = made(one, 0)
    assert numbers(first) == [0, 1]
    one.complete(first, Returned(None), 0)
    assert numbers(made(one, 0)) == [2, 3, 4]


def test_a_split_does_not_count_as_a_retry_of_either_half() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded: raise_bisect, with halves 10 to 50 ms after the call, and 0.24 s before the retry.
    """
    one = shard(StreamSettings(bisect=True, maximum_retry_attempts=1))
    one.add(records(range(4)), 0)
    calls, discarded = deliveries(one, 1)
    assert calls == [[0, 1, 2, 3], [0, 1], [0], [1], [1], [2, 3]]
    assert discarded == [[1]]


def test_halves_and_what_follows_a_failed_one_are_delivered_at_once() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html; recorded: raise_bisect."""
    one = shard(StreamSettings(bisect=True, maximum_retry_attempts=0))
    one.add(records(range(4)), 0)
    for fault in (Failed("boom"), Failed("boom"), Returned(None), Failed("boom"), Returned(None)):
        one.complete(made(one, 0), fault, 0)
    assert one.pending == 0


def test_a_batch_of_one_is_retried_and_not_split() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(bisect=True))
    one.add(records([0]), 0)
    one.complete(made(one, 0), Failed("boom"), 0)
    assert numbers(one.next_invocation(1)) == [0]


def test_a_partial_failure_splits_at_the_sequence_number_returned() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded: partial_bisect. Three records are split after one of them: half, rounded down.
    """
    one = shard(StreamSettings(bisect=True, report_failures=True, maximum_retry_attempts=1))
    one.add(records(range(4)), 0)
    calls, discarded = deliveries(one, 1, reports=True)
    assert calls == [[0, 1, 2, 3], [1, 2, 3], [1], [1], [2, 3]]
    assert discarded == [[1]]


def test_a_batch_is_split_after_an_error_even_with_partial_failure_reporting() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings(bisect=True, report_failures=True))
    one.add(records(range(4)), 0)
    one.complete(made(one, 0), partial_failure("nobody"), 0)
    assert numbers(made(one, 0)) == [0, 1]


def test_halves_are_split_again_and_stay_in_order() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(bisect=True, maximum_retry_attempts=0))
    one.add(records(range(8)), 0)
    calls, discarded = deliveries(one, 6)
    assert calls == [list(range(8)), [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [6, 7], [6], [7]]
    assert discarded == [[6]]


# --- retries ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_discarded_after_its_retries_and_the_shard_continues() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(batch_size=2, maximum_retry_attempts=2))
    one.add(records(range(4)), 0)
    calls, discarded = deliveries(one, 0)
    assert calls == [[0, 1], [0, 1], [0, 1], [2, 3]]
    assert discarded == [[0, 1]]
    assert (one.checkpoint, one.settled, one.pending) == (number(3), 4, 0)


def test_without_retries_a_failed_batch_is_discarded_at_once() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html"""
    one = shard(StreamSettings(maximum_retry_attempts=0))
    one.add(records([0]), 0)
    assert deliveries(one, 0) == ([[0]], [[0]])


def test_the_rest_after_a_partial_failure_has_all_retries_and_its_own_call_count() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = shard(StreamSettings(report_failures=True, maximum_retry_attempts=3))
    one.add(records(range(3)), 0)
    one.complete(made(one, 0), partial_failure(number(2)), 0)
    for _ in range(3):
        now = one.next_time() or 0
        assert one.complete(made(one, now), partial_failure(number(2)), now).discarded is None
    now = one.next_time() or 0
    discarded = one.complete(made(one, now), partial_failure(number(2)), now).discarded
    assert discarded is not None
    assert (numbers(discarded), discarded.calls, discarded.error) == ([2], 4, None)


def test_throttling_uses_up_no_retry_and_splits_no_batch() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(bisect=True, maximum_retry_attempts=0))
    one.add(records(range(2)), 0)
    for _ in range(5):
        now = one.next_time() or 0
        assert one.complete(made(one, max(0, now)), Throttled(), max(0, now)).discarded is None
    assert numbers(made(one, one.next_time() or 0)) == [0, 1]


def test_throttled_calls_back_off() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    one.complete(made(one, 0), Throttled(), 0)
    assert one.next_time() == 1
    one.complete(made(one, 1), Throttled(), 1)
    assert one.next_time() == 3


def test_the_final_call_of_a_window_has_retries() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard(StreamSettings(tumbling_window_s=60, maximum_retry_attempts=0))
    one.add([record(0, 0), record(1, 60)], 60)
    one.complete(made(one, 60), Returned({"state": {"n": 1}}), 60)
    discarded = one.complete(made(one, 60), Failed("boom"), 60).discarded
    assert discarded is not None
    assert (discarded.records, discarded.fields["isFinalInvokeForWindow"]) == ((), True)
    assert made(one, 60).fields["state"] == {}


# --- age --------------------------------------------------------------------------------------------------------------


def test_a_record_is_discarded_at_its_maximum_age() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(MINUTE)
    one.add(records([0]), 0)
    one.complete(made(one, 59), Failed("boom"), 59)
    discarded = discarded_records(one, 60)
    assert (numbers(discarded), discarded.condition, discarded.calls) == ([0], "RecordAgeExceeded", 1)
    assert (one.checkpoint, one.pending) == (number(0), 0)


def test_only_expired_records_are_discarded_and_the_rest_of_the_batch_is_delivered() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(MINUTE)
    one.add([record(0, 0), record(1, 30), record(2, 70)], 70)
    assert numbers(discarded_records(one, 80)) == [0]
    assert numbers(one.next_invocation(80)) == [1, 2]


def test_a_record_that_expires_before_its_first_call_is_never_delivered() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(MINUTE)
    one.add(records([0]), 100)
    assert discarded_records(one, 100).calls == 0
    assert one.next_invocation(100) is None


def test_a_record_ages_while_calls_are_throttled() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(maximum_record_age_s=60, maximum_retry_attempts=0))
    one.add(records([0]), 0)
    now = 0.0
    while now < 60:
        one.complete(made(one, now), Throttled(), now)
        now = one.next_time() or now
    assert discarded_records(one, now).calls == 0


@pytest.mark.parametrize("limit_s", [-1, 604_800])
def test_a_record_is_retried_for_at_most_a_day(limit_s: int) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html"""
    one = shard(StreamSettings(maximum_record_age_s=limit_s))
    one.add([record(0, 0), record(1, 1)], 1)
    one.complete(made(one, DAY - 1), Failed("boom"), DAY - 1)
    assert numbers(discarded_records(one, DAY)) == [0]
    assert numbers(one.next_invocation(DAY)) == [1]

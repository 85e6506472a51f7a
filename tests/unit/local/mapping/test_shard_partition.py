"""ParallelizationFactor: several batches of a shard at a time, each item's records in order."""

import pytest

from local.mapping import Failed, MappingError, Returned, StreamSettings
from tests.unit.local.mapping.shards import Shard, made, numbers, record, sequence, shard

START = {"StartingPosition": "TRIM_HORIZON"}
TWO = StreamSettings(batch_size=2, parallelization=2)
A, B = "orders#1", "orders#2"  # these two keys are in different partitions


def two_partitions(settings: StreamSettings = TWO) -> Shard:
    one = shard(settings)
    one.add([record(number, key=key) for number, key in enumerate([A, B, A, B, A, B])], 0)
    return one


def test_as_many_batches_are_in_flight_as_the_factor() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
    one = two_partitions()
    calls = [made(one, 0), made(one, 0)]
    assert one.next_invocation(0) is None
    assert sorted(numbers(call) for call in calls) == [[0, 2], [1, 3]]


def test_an_items_records_stay_in_order_with_one_batch_in_flight() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
    one = two_partitions()
    first, second = made(one, 0), made(one, 0)
    one.complete(second, Returned(None), 0)
    following = made(one, 0)
    assert following.records[0].key == second.records[0].key
    assert one.next_invocation(0) is None
    assert one.complete(first, Returned(None), 0).acknowledged == 2


def test_a_failed_batch_blocks_only_its_own_items() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
    one = two_partitions()
    failed, other = made(one, 0), made(one, 0)
    one.complete(failed, Failed("boom"), 0)
    one.complete(other, Returned(None), 0)
    assert made(one, 0.5).records[0].key == other.records[0].key
    assert one.next_invocation(0.5) is None
    assert numbers(made(one, 1)) == numbers(failed)


def test_the_checkpoint_stays_before_the_first_unsettled_record() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    one = two_partitions()
    calls = {call.records[0].key: call for call in (made(one, 0), made(one, 0))}
    one.complete(calls[B], Returned(None), 0)
    assert (one.checkpoint, one.settled, one.pending) == (None, 0, 4)
    one.complete(calls[A], Returned(None), 0)
    assert (one.checkpoint, one.settled, one.pending) == (sequence(3), 4, 2)


def test_a_tumbling_window_allows_one_batch_at_a_time() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html: not said there; recorded:
    https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json
    """
    with pytest.raises(MappingError, match="ParallelizationFactor of 1"):
        StreamSettings.parse({**START, "ParallelizationFactor": 2, "TumblingWindowInSeconds": 60})


def test_a_factor_of_up_to_ten_is_accepted() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html"""
    assert StreamSettings.parse({**START, "ParallelizationFactor": 10}).parallelization == 10

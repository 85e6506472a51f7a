"""The rules of a stream's mapping, one test each, with the page of the Lambda guide that states it."""

from collections.abc import Iterable

import pytest

from local.mapping import (
    Backoff,
    Failed,
    MappingError,
    Returned,
    StreamInvocation,
    StreamRecord,
    StreamSettings,
    StreamShard,
    Throttled,
)

Shard = StreamShard[str]
SOURCE = "arn:aws:dynamodb:eu-west-1:1:table/items/stream/2026-01-01T00:00:00.000"


def record(number: int, arrived: float = 0, size: int = 100) -> StreamRecord[str]:
    return StreamRecord(f"{number:021d}", arrived, size, f"record {number}")


def records(numbers: Iterable[int], arrived: float = 0, size: int = 100) -> list[StreamRecord[str]]:
    return [record(number, arrived, size) for number in numbers]


def shard(settings: StreamSettings, now: float = 0) -> Shard:
    backoff = Backoff(first_s=1, longest_s=8)
    return StreamShard(settings, shard_id="shardId-1", source_arn=SOURCE, now=now, backoff=backoff)


def numbers(call: StreamInvocation[str] | None) -> list[int]:
    return [] if call is None else [int(sent.sequence) for sent in call.records]


def made(one: Shard, now: float) -> StreamInvocation[str]:
    call = one.next_invocation(now)
    assert call is not None
    return call


def failing(*sequences: object) -> Returned:
    return Returned({"batchItemFailures": [{"itemIdentifier": sequence} for sequence in sequences]})


def sequence(number: int) -> str:
    return record(number).sequence


# --- batches: invocation-eventsourcemapping, "Batching behavior" ------------------------------------------------------


def test_a_batch_holds_at_most_batch_size_records() -> None:
    one = shard(StreamSettings(batch_size=3))
    one.add(records(range(5)), 0)
    assert numbers(one.next_invocation(0)) == [0, 1, 2]


def test_without_a_window_records_are_sent_as_soon_as_they_come() -> None:
    one = shard(StreamSettings(batch_size=100))
    one.add(records([0]), 7)
    assert numbers(one.next_invocation(7)) == [0]


def test_with_a_window_records_are_gathered_until_it_ends() -> None:
    one = shard(StreamSettings(batching_window_s=5))
    one.add(records([0]), 1)
    assert one.next_invocation(4.9) is None
    one.add(records([1]), 4.9)
    assert one.next_time() == 5
    assert numbers(one.next_invocation(5)) == [0, 1]


def test_a_window_that_gathered_nothing_is_followed_by_the_next() -> None:
    one = shard(StreamSettings(batching_window_s=5))
    one.add(records([0]), 12)
    assert one.next_time() == 15


def test_the_next_window_begins_when_the_invocation_has_ended() -> None:
    one = shard(StreamSettings(batching_window_s=5))
    one.add(records([0]), 0)
    call = made(one, 5)
    one.add(records([1]), 6)
    one.answer(call, Returned(None), 8)
    assert one.next_time() == 13


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    one = shard(StreamSettings(batch_size=2, batching_window_s=300))
    one.add(records([0, 1]), 0)
    assert numbers(one.next_invocation(0)) == [0, 1]


def test_the_payload_closes_a_batch_and_sends_it() -> None:
    one = shard(StreamSettings(batching_window_s=300, payload_limit=1000))
    one.add(records(range(4), size=300), 0)
    assert numbers(one.next_invocation(0)) == [0, 1, 2]  # a fourth would come to 1,200 bytes


def test_a_record_larger_than_the_payload_still_goes_alone() -> None:
    one = shard(StreamSettings(payload_limit=50))
    one.add(records([0, 1]), 0)
    assert numbers(one.next_invocation(0)) == [0]


# --- order and failure: services-dynamodb-errors ------------------------------------------------------------------


def test_one_batch_of_a_shard_is_in_flight_at_a_time() -> None:
    one = shard(StreamSettings(batch_size=1))
    one.add(records([0, 1]), 0)
    call = made(one, 0)
    assert one.next_invocation(0) is None
    assert one.next_time() is None
    assert one.answer(call, Returned({}), 1) == 1
    assert numbers(one.next_invocation(1)) == [1]


def test_a_function_error_brings_the_whole_batch_again_and_holds_up_the_shard() -> None:
    one = shard(StreamSettings(batch_size=2))
    one.add(records([0, 1, 2]), 0)
    assert one.answer(made(one, 0), Failed("boom"), 0) == 0
    assert one.next_invocation(0.5) is None
    again = made(one, 1)
    assert numbers(again) == [0, 1]
    assert again.attempt == 2


def test_retries_back_off_exponentially_up_to_a_cap() -> None:
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    now, waits = 0.0, []
    for _ in range(6):
        one.answer(made(one, now), Failed("boom"), now)
        due = one.next_time()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [1, 2, 4, 8, 8, 8]


def test_a_throttled_call_is_made_again() -> None:
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    one.answer(made(one, 0), Throttled(), 0)
    assert numbers(one.next_invocation(1)) == [0]


def test_the_checkpoint_follows_what_was_acknowledged() -> None:
    one = shard(StreamSettings(batch_size=2))
    one.add(records([0, 1, 2]), 0)
    one.answer(made(one, 0), Returned(None), 0)
    assert one.checkpoint == sequence(1)
    assert one.pending == 1


# --- partial failures: services-ddb-batchfailurereporting ----------------------------------------------------------


def test_the_lowest_sequence_number_is_the_checkpoint() -> None:
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(5)), 0)
    assert one.answer(made(one, 0), failing(sequence(3), sequence(2)), 0) == 2
    assert one.checkpoint == sequence(1)
    assert numbers(one.next_invocation(1)) == [2, 3, 4]


@pytest.mark.parametrize("value", [None, {}, "", {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_an_empty_answer_is_a_success(value: object) -> None:
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(3)), 0)
    assert one.answer(made(one, 0), Returned(value), 0) == 3


@pytest.mark.parametrize("entry", [{"itemIdentifier": ""}, {"itemIdentifier": None}, {"id": "1"}, {}, "1", None])
def test_an_empty_null_or_misnamed_identifier_fails_the_whole_batch(entry: object) -> None:
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(3)), 0)
    answer = Returned({"batchItemFailures": [{"itemIdentifier": sequence(2)}, entry]})
    assert one.answer(made(one, 0), answer, 0) == 0
    assert numbers(one.next_invocation(1)) == [0, 1, 2]


def test_an_identifier_that_is_not_in_the_batch_fails_all_of_it() -> None:
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(3)), 0)
    assert one.answer(made(one, 0), failing(sequence(7)), 0) == 0


def test_failures_are_not_looked_at_unless_the_mapping_says_so() -> None:
    one = shard(StreamSettings())
    one.add(records(range(3)), 0)
    assert one.answer(made(one, 0), failing(sequence(0)), 0) == 3


def test_progress_within_a_batch_starts_the_back_off_anew() -> None:
    one = shard(StreamSettings(report_failures=True))
    one.add(records(range(4)), 0)
    one.answer(made(one, 0), Failed("boom"), 0)
    one.answer(made(one, 1), failing(sequence(1)), 1)
    assert one.next_time() == 2


# --- settings: API_CreateEventSourceMapping -----------------------------------------------------------------------


def test_settings_are_those_of_the_mapping() -> None:
    settings = StreamSettings.parse(
        {
            "BatchSize": "10000",  # a parameter's value is text
            "MaximumBatchingWindowInSeconds": 1,
            "TumblingWindowInSeconds": 900,
            "ParallelizationFactor": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": 20,
            "MaximumRecordAgeInSeconds": 82800,
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::failures"}},
        }
    )
    assert settings == StreamSettings(
        batch_size=10000,
        batching_window_s=1,
        tumbling_window_s=900,
        report_failures=True,
        bisect=True,
        maximum_retry_attempts=20,
        maximum_record_age_s=82800,
        on_failure="arn:aws:s3:::failures",
    )


@pytest.mark.parametrize(
    "properties",
    [
        {"BatchSize": 0},
        {"BatchSize": 10_001},
        {"BatchSize": "many"},
        {"MaximumBatchingWindowInSeconds": 301},
        {"TumblingWindowInSeconds": 901},
        {"MaximumRetryAttempts": -2},
        {"ParallelizationFactor": 2},
    ],
)
def test_what_lambda_refuses_is_refused(properties: dict[str, object]) -> None:
    with pytest.raises(MappingError):
        StreamSettings.parse(properties)


def test_an_answer_to_no_call_in_flight_is_a_mistake() -> None:
    one = shard(StreamSettings())
    one.add(records([0]), 0)
    call = made(one, 0)
    one.answer(call, Returned(None), 0)
    with pytest.raises(ValueError, match="no call in flight"):
        one.answer(call, Returned(None), 0)

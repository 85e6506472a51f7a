"""Shards and records for the tests of a stream's mapping."""

from collections.abc import Iterable

from local.mapping import (
    Backoff,
    DiscardedRecords,
    Returned,
    StreamInvocation,
    StreamRecord,
    StreamSettings,
    StreamShard,
)

type Shard = StreamShard[str]

SOURCE = "arn:aws:dynamodb:eu-west-1:1:table/items/stream/2026-01-01T00:00:00.000"
MINUTE = StreamSettings(maximum_record_age_s=60)


def record(number: int, arrived: float = 0, size: int = 100, key: str = "") -> StreamRecord[str]:
    return StreamRecord(sequence(number), arrived, size, f"record {number}", key)


def records(numbers: Iterable[int], arrived: float = 0, size: int = 100) -> list[StreamRecord[str]]:
    return [record(number, arrived, size) for number in numbers]


def sequence(number: int) -> str:
    return f"{number:021d}"


def shard(settings: StreamSettings, now: float = 0) -> Shard:
    backoff = Backoff(initial_s=1, max_s=8)
    return StreamShard(settings, shard_id="shardId-1", source_arn=SOURCE, now=now, backoff=backoff)


def numbers(step: StreamInvocation[str] | DiscardedRecords[str] | None) -> list[int]:
    return [] if step is None else [int(sent.sequence) for sent in step.records]


def made(one: Shard, now: float) -> StreamInvocation[str]:
    call = one.next_invocation(now)
    assert isinstance(call, StreamInvocation)
    return call


def discarded_records(one: Shard, now: float) -> DiscardedRecords[str]:
    discarded = one.next_invocation(now)
    assert isinstance(discarded, DiscardedRecords)
    return discarded


def partial_failure(*sequences: object) -> Returned:
    return Returned({"batchItemFailures": [{"itemIdentifier": sequence} for sequence in sequences]})

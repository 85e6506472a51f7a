"""Mappings that share the pages of a stream get what each would read by itself."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.stream_pages import KEPT_PAGES, StreamPages
from tests.unit.local.pollers.rolling_stream import START, STREAM, RollingStream


class Reader:
    """A mapping's reader of a shard."""

    def __init__(self, stream: RollingStream, pages: StreamPages, shard: str) -> None:
        self.pages, self.shard = pages, shard
        self.read: list[str] = []
        self.iterator: str | None = stream.call(
            "dynamodb", "GetShardIterator", StreamArn=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def poll(self) -> None:
        if self.iterator is not None:
            page = self.pages.read(STREAM, self.shard, self.iterator, self.read[-1] if self.read else None)
            self.read += [record.sequence for record in page.records]
            self.iterator = page.next_iterator


actions = st.lists(st.sampled_from(["write", "write", "write", "first", "second", "other"]), max_size=60)


@given(actions, st.integers(1, 5))
def test_each_reader_gets_every_record_once_and_in_order(taken: list[str], most: int) -> None:
    stream = RollingStream(most=most)
    client = cast("EmulatorClient", stream)
    (parent,) = stream.shards
    left, right = stream.roll(parent, parts=2)
    shared = StreamPages(client)
    readers = {
        "first": [Reader(stream, shared, left), Reader(stream, StreamPages(client), left)],
        "second": [Reader(stream, shared, left), Reader(stream, StreamPages(client), left)],
        "other": [Reader(stream, shared, right), Reader(stream, StreamPages(client), right)],
    }
    for number, action in enumerate(taken):
        if action == "write":
            stream.write(number % 8)
        for reader in readers.get(action, []):
            reader.poll()
    for name in (left, right):
        stream.roll(name)
    for pair in readers.values():
        while any(reader.iterator for reader in pair):
            for reader in pair:
                reader.poll()
        by_sharing, alone = pair
        assert by_sharing.read == alone.read


@pytest.mark.parametrize(("lead", "calls"), [(KEPT_PAGES, 0), (KEPT_PAGES + 1, KEPT_PAGES + 1)])
def test_only_a_reader_that_is_far_behind_reads_by_itself(
    monkeypatch: pytest.MonkeyPatch, lead: int, calls: int
) -> None:
    stream = RollingStream(most=1)
    (name,) = stream.shards
    pages = StreamPages(cast("EmulatorClient", stream))
    ahead, behind = Reader(stream, pages, name), Reader(stream, pages, name)
    for item in range(lead + 1):
        stream.write(item % 8)
    behind.poll()
    for _ in range(lead + 1):
        ahead.poll()
    made: list[str] = []
    call = stream.call

    def counted(service: str, action: str, **given: Any) -> dict[str, Any]:
        made.append(action)
        return call(service, action, **given)

    monkeypatch.setattr(stream, "call", counted)
    for _ in range(lead):
        behind.poll()
    assert behind.read == ahead.read
    assert len(made) == calls


def test_a_failed_read_is_repeated_by_whoever_asks_next() -> None:
    stream = RollingStream()
    (name,) = stream.shards
    pages = StreamPages(cast("EmulatorClient", stream))
    first, second = Reader(stream, pages, name), Reader(stream, pages, name)
    stream.write(1)
    stream.unreadable.add(name)
    with pytest.raises(CallFailed):
        first.poll()
    stream.unreadable.clear()
    second.poll()
    first.poll()
    assert first.read == second.read == [f"{1:021d}"]


def test_the_same_number_in_another_shard_or_stream_is_another_place() -> None:
    def call(_service: str, _action: str, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803
        change = {"Keys": ShardIterator, "ApproximateCreationDateTime": START}
        numbers = range(1, min(Limit, 2) + 1)
        return {"Records": [{"dynamodb": change | {"SequenceNumber": str(number)}} for number in numbers]}

    pages = StreamPages(cast("EmulatorClient", SimpleNamespace(call=call)))
    for stream, shard in ((STREAM, "left"), (STREAM, "right"), ("another", "left")):
        (record, _) = pages.read(stream, shard, f"{stream} {shard}", "1").records
        assert record.key == f'"{stream} {shard}"'

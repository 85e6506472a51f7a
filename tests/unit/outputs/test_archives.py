"""Archive objects: their content, their names, and their catalog rows."""

import gzip
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest

from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage
from tailrace.outputs.archives import (
    MAX_LINE_BYTES,
    DataRef,
    Event,
    ObjectSummary,
    Partition,
    archive_object,
    parse_events,
    parse_key,
)
from tests.unit.outputs.events import event

PARTITION = Partition("orders", "2024-10-27", "00")


def read(*events: Any) -> list[Event]:
    found = parse_events(dumps(list(events)))
    assert all(isinstance(one, Event) for one in found)
    return [one for one in found if isinstance(one, Event)]


def lines(body: bytes) -> list[Any]:
    return [loads(line) for line in gzip.decompress(body).splitlines()]


def test_lines_are_the_events_as_sent() -> None:
    sent = event(
        1, new={"amount": Decimal("12.10"), "digits": 10**37 + 1, "tags": {"a", "b"}, "raw": b"\x00", "€": [{}]}
    )
    stored = archive_object(PARTITION, read(sent))
    assert gzip.decompress(stored.body) == (dumps(sent) + "\n").encode()
    assert lines(stored.body) == [sent]


def test_numbers_keep_every_digit() -> None:
    text = dumps(event(1)).replace('{"n":1}', '{"n":1.50,"m":0.10000000000000000000000000000000000001}')
    (read_again,) = parse_events(f" [ {text} ] ")
    assert isinstance(read_again, Event)
    assert read_again.text == text


def test_events_are_ordered_by_shard_and_numeric_sequence() -> None:
    events = read(event(10), event(9), event(8, shard="s2"), event(11, shard=None))
    found = [one["id"] for one in lines(archive_object(PARTITION, events).body)]
    assert found == ["e11", "e9", "e10", "e8"]


def test_the_same_events_give_the_same_object_whatever_their_order() -> None:
    forward, backward = [event(1), event(2), event(3)], [event(3), event(2), event(1), event(2)]
    assert archive_object(PARTITION, read(*forward)) == archive_object(PARTITION, read(*backward))
    assert archive_object(PARTITION, read(*forward)).key != archive_object(PARTITION, read(event(1))).key


def test_the_name_is_a_digest_of_the_lines() -> None:
    stored = archive_object(PARTITION, read(event(1)))
    digest = hashlib.sha256(gzip.decompress(stored.body)).hexdigest()
    assert stored.key == f"archive/orders/date=2024-10-27/hour=00/{digest[:32]}.jsonl.gz"


@pytest.mark.parametrize(
    ("time", "date", "hour"),
    [("2024-10-27T00:30:00+02:00", "2024-10-26", "22"), ("2024-12-31T23:59:59.999Z", "2024-12-31", "23")],
)
def test_an_event_is_partitioned_by_the_utc_hour_of_its_time(time: str, date: str, hour: str) -> None:
    (found,) = read(event(1, time=time))
    assert found.partition == Partition("orders", date, hour)


def test_an_event_on_several_lines_becomes_one_line() -> None:
    (found,) = parse_events(json.dumps([event(1)], indent=2).replace("\n", "\r\n"))
    assert isinstance(found, Event)
    assert found.text == dumps(event(1))


def test_an_empty_batch_is_valid() -> None:
    assert parse_events(" [ ] ") == []


WITHOUT_ID = {name: value for name, value in event(1).items() if name != "id"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "x",
        "{}",
        "null",
        "[",
        "[1]",
        "[,]",
        dumps([event(1)]) + "x",
        dumps([event(1)])[:-1],
        dumps([event(1)])[:-1] + ",]",
        dumps([event(1)])[:-1] + ";1]",
        dumps(event(1)),
        dumps([WITHOUT_ID]),
        dumps([event(1, id=7)]),
        dumps([event(1, specversion="0.3")]),
        dumps([event(1, type="other.orders.inserted")]),
        dumps([event(1, type="tailrace.../x.inserted")]),
        dumps([event(1, time="yesterday")]),
        dumps([event(1, time="2024-10-27T00:30:00")]),
        dumps([event(1, time="0001-01-01T00:00:00+14:00")]),
        dumps([event(1, time=17)]),
        dumps([event(1, data=None)]),
        dumps([event(1, data={"sequence": 5})]),
        dumps([event(1, data={"sequence": "x"})]),
        dumps([event(1, shard=["s"])]),
        dumps([event(1)]).replace('{"n":1}', '{"n":NaN}'),
        dumps([event(1)]).replace('{"n":1}', '{"n":"\\ud800"}'),
        dumps([event(1)]).replace('{"n":1}', '{"n":"\ud800"}'),
        dumps([event(1)]).replace('{"n":1}', "[" * 100_000 + "]" * 100_000),
        dumps([event(1)]).replace('{"n":1}', "1" * 5000),
        dumps([{**WITHOUT_ID, "dataref": "s3://bucket/elsewhere.json"}]),
    ],
)
def test_anything_else_than_a_batch_of_our_events_is_rejected(body: str) -> None:
    try:
        (found,) = parse_events(body)
    except InvalidMessage:
        return
    assert isinstance(found, InvalidMessage)


def test_what_is_no_event_is_rejected_alone() -> None:
    first, other, number, second = parse_events(dumps([event(1), event(2, type="other.orders.inserted"), 7, event(3)]))
    assert [one.id for one in (first, second) if isinstance(one, Event)] == ["e1", "e3"]
    assert isinstance(other, InvalidMessage)
    assert isinstance(number, InvalidMessage)


def reference(data: bytes, **changes: Any) -> DataRef:
    light = {name: value for name, value in event(1).items() if name != "data"} | changes
    (found,) = parse_events(
        dumps([light | {"dataref": f"s3://failures/oversize/{hashlib.sha256(data).hexdigest()}.json"}])
    )
    assert isinstance(found, DataRef)
    return found


def test_a_claim_check_is_resolved_to_the_whole_event() -> None:
    data = dumps(event(1)["data"]).encode()
    assert reference(data).resolve(data) == read(event(1))[0]


def test_modified_data_is_rejected() -> None:
    data = dumps(event(1)["data"]).encode()
    with pytest.raises(InvalidMessage, match="does not match the digest in its name"):
        reference(data).resolve(data + b" ")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff"])
def test_data_that_is_not_a_change_is_rejected(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        reference(data).resolve(data)


def test_data_of_any_depth_is_resolved_or_rejected() -> None:
    """fanout may have a few more levels left than archive."""
    outcomes = set()
    for depth in range(850, 1000):
        data = b'{"old":null,"new":{"x":%b1%b},"shard":"s1","sequence":"1"}' % (b"[" * depth, b"]" * depth)
        try:
            reference(data).resolve(data)
        except InvalidMessage as error:
            outcomes.add(str(error))
    assert outcomes == {"JSON nested too deeply", "the event is nested too deeply"}


def test_an_event_that_the_catalog_could_not_read_is_rejected() -> None:
    data = dumps(event(1, new={"text": "x" * MAX_LINE_BYTES})["data"]).encode()
    with pytest.raises(InvalidMessage, match="longer than"):
        reference(data).resolve(data)


def test_a_claim_check_without_a_valid_time_is_rejected() -> None:
    data = dumps(event(1)["data"]).encode()
    with pytest.raises(InvalidMessage):
        reference(data, time="soon").resolve(data)


def test_parsing_a_key_returns_its_partition_and_name() -> None:
    stored = archive_object(PARTITION, read(event(1)))
    partition, name = parse_key(stored.key)
    assert (partition, partition.key(name)) == (PARTITION, stored.key)


@pytest.mark.parametrize(
    "key",
    [
        "archive/orders/date=2024-10-27/hour=00/x.jsonl.gz",
        "archive/orders/notes.txt",
        "archive/Orders/date=2024-10-27/hour=00/" + "0" * 32 + ".jsonl.gz",
        "archive/orders/date=2024-10-27/hour=00/" + "0" * 32 + ".jsonl.gz\n",
        "",
    ],
)
def test_other_keys_are_rejected(key: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_key(key)


def summarized(*events: Any) -> tuple[ObjectSummary, str]:
    """Return the summary of an object with these events, and the object's name."""
    stored = archive_object(PARTITION, read(*events))
    found = ObjectSummary(PARTITION)
    for line in gzip.decompress(stored.body).splitlines(keepends=True):
        found.add(line)
    return found, parse_key(stored.key)[1]


def test_a_catalog_row_describes_its_object() -> None:
    late = event(7, time="2024-10-27T00:59:59Z", shard="s2")
    found, name = summarized(event(100), event(99), late, event(5, shard=None))
    assert found.catalog_row(name, 321, "abc") == {
        "pk": "orders",
        "sk": f"2024-10-27T00#{name}",
        "collection": "orders",
        "hour": "2024-10-27T00",
        "object": PARTITION.key(name),
        "count": 4,
        "bytes": 321,
        "checksum": "abc",
        "shards": {"s1": {"first": "99", "last": "100"}, "s2": {"first": "7", "last": "7"}},
        "first_time": "2024-10-27T00:30:00Z",
        "last_time": "2024-10-27T00:59:59Z",
    }


def test_content_that_does_not_match_the_name_has_no_catalog_row() -> None:
    found, name = summarized(event(1), event(2))
    found.add(dumps(event(3)).encode() + b"\n")
    with pytest.raises(InvalidMessage):
        found.catalog_row(name, 1, "abc")
    with pytest.raises(InvalidMessage):
        ObjectSummary(PARTITION).catalog_row(hashlib.sha256(b"").hexdigest()[:32], 0, "abc")


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"\xff\n", b"{}\n", dumps(event(1, time="2024-10-27T01:00:00Z")).encode() + b"\n"]
)
def test_foreign_lines_are_rejected(line: bytes) -> None:
    with pytest.raises(InvalidMessage):
        ObjectSummary(PARTITION).add(line)

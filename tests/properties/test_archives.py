"""Laws of the archive: it stores exactly what is sent, and a second delivery changes nothing."""

import gzip
import json
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage
from tailrace.outputs import archives
from tailrace.outputs.archives import Event, ObjectSummary, Partition, archive_object, parse_events, parse_key
from tailrace.outputs.envelopes import envelope
from tests import strategies

items = st.none() | st.dictionaries(strategies.awkward_texts, strategies.values, max_size=4)


@st.composite
def events(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a few events of one hour with distinct ids."""
    numbers = draw(st.lists(st.integers(0, 10**40), unique=True, min_size=1, max_size=5))
    return [_event(number, draw(items), draw(items), draw(st.sampled_from([None, "s1", "s2"]))) for number in numbers]


def _event(number: int, old: Item | None, new: Item | None, shard: str | None) -> dict[str, Any]:
    sent = envelope(
        event_id=f"e{number}",
        source="stream",
        collection="orders",
        subject="#~/%",
        time="2024-10-27T00:30:00Z",
        kind="modified",
        old=dumps(old),
        new=dumps(new),
        shard=shard,
        sequence=number,
    )
    return dict(loads(sent.text))


def read(sent: list[dict[str, Any]]) -> list[Event]:
    return [one for one in parse_events(dumps(sent)) if isinstance(one, Event)]


@given(events())
def test_stored_events_equal_sent_events(sent: list[dict[str, Any]]) -> None:
    lines = gzip.decompress(archive_object(read(sent)[0].partition, read(sent)).body).split(b"\n")
    assert lines.pop() == b""
    assert {loads(line)["id"]: loads(line) for line in lines} == {one["id"]: one for one in sent}
    # any other JSON parser can read the lines, too
    assert [json.loads(line)["specversion"] for line in lines] == ["1.0"] * len(sent)


@given(events(), st.randoms(use_true_random=False), st.data())
def test_order_and_repeats_do_not_matter(sent: list[dict[str, Any]], random: Any, data: st.DataObject) -> None:
    again = sent + data.draw(st.lists(st.sampled_from(sent), max_size=4))
    random.shuffle(again)
    partition = Partition("orders", "2024-10-27", "00")
    assert archive_object(partition, read(again)) == archive_object(partition, read(sent))


@given(events())
def test_a_catalog_row_describes_the_stored_events(sent: list[dict[str, Any]]) -> None:
    stored = archive_object(read(sent)[0].partition, read(sent))
    partition, name = parse_key(stored.key)
    summary = ObjectSummary(partition)
    for line in gzip.decompress(stored.body).splitlines(keepends=True):
        summary.add(line)
    row = summary.catalog_row(name, len(stored.body), "checksum")
    assert row["count"] == len(sent)
    for shard in {one["data"]["shard"] for one in sent} - {None}:
        numbers = [int(one["data"]["sequence"]) for one in sent if one["data"]["shard"] == shard]
        assert row["shards"][shard] == {"first": str(min(numbers)), "last": str(max(numbers))}


def by_reference_parser(body: str) -> Any:
    with mock.patch.object(archives, "_elements", archives._array_elements):
        return outcome(body)


def outcome(body: str) -> Any:
    try:
        return [InvalidMessage if isinstance(one, InvalidMessage) else one for one in parse_events(body)]
    except InvalidMessage:
        return InvalidMessage


scraps = st.one_of(
    st.text(max_size=3),
    st.sampled_from(
        [
            *'{}[],:"\\ \n\t\x00',
            "NaN",
            "-Infinity",
            "1e999",
            "00",
            "\ud800",
            "\\ud800",
            "\\u0041",
            "\\x",
            "1.",
            "\ufeff",
            "[" * 2000,
        ]
    ),
)


@given(events(), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), scraps), max_size=3))
def test_both_parsers_read_the_same_events_from_whole_and_damaged_messages(sent: Any, damage: Any) -> None:
    body = dumps(sent)
    for place, removed, scrap in damage:
        start = place % (len(body) + 1)
        body = body[:start] + scrap + body[start + removed :]
    assert outcome(body) == by_reference_parser(body)


def test_both_parsers_refuse_an_integer_that_python_cannot_read() -> None:
    body = f'[{{"specversion":"1.0","id":"1","n":{"1" * 5000}}}]'
    assert outcome(body) == by_reference_parser(body) == InvalidMessage

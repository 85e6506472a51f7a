"""Lineages of shards, where the stream does not tell all at once: whoever is first decides, and all agree."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace.aggregation.marks import Lineage, mark_attribute
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.testing import SOURCE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = "aggregates"
PARENT, FIRST, SECOND = "parent", "first", "second"
SHARDS: dict[str, dict[str, Any]] = {
    PARENT: {"SequenceNumberRange": {"StartingSequenceNumber": "10", "EndingSequenceNumber": "20"}},
    FIRST: {"SequenceNumberRange": {"StartingSequenceNumber": "21"}, "ParentShardId": PARENT},
    SECOND: {"SequenceNumberRange": {"StartingSequenceNumber": "22"}, "ParentShardId": PARENT},
}


class Described:
    """The stream, as it tells itself to one process."""

    def __init__(self, *shards: str) -> None:
        self.told = [{"ShardId": shard} | SHARDS[shard] for shard in shards]

    def describe_stream(self, **_request: Any) -> dict[str, Any]:
        return {"StreamDescription": {"Shards": self.told}}


@pytest.fixture
def database() -> Database:
    made = Database()
    made.create(TABLE, "pk", "sk")
    return made


def process(database: Any, *shards: str) -> Lineages:
    """Return a process that sees these shards of the stream, and remembers nothing."""
    described: Any = Described(*shards)
    return Lineages(database, lambda: described, TABLE, lambda: NOW)


def test_parts_of_a_shard_that_are_seen_together_have_a_mark_each(database: Database) -> None:
    for shard in (FIRST, SECOND):
        lineage = process(database, PARENT, FIRST, SECOND).find(shard, SOURCE)
        assert lineage.mark == mark_attribute(shard)
        assert [mark for mark, _ in lineage.ended] == [mark_attribute(PARENT)]


def test_a_part_that_is_taken_for_the_only_one_keeps_the_mark_and_the_other_does_not_end_it(database: Database) -> None:
    alone = process(database, PARENT, FIRST).find(FIRST, SOURCE)
    assert alone.mark == mark_attribute(PARENT)
    other = process(database, PARENT, FIRST, SECOND).find(SECOND, SOURCE)
    assert (other.mark, other.ended) == (mark_attribute(SECOND), ())
    assert process(database, PARENT, FIRST, SECOND).find(FIRST, SOURCE) == alone


def test_a_part_that_is_taken_for_the_only_one_too_late_begins_a_mark(database: Database) -> None:
    """The other has seen both, and holds the parent's mark for ended."""
    other = process(database, PARENT, FIRST, SECOND).find(SECOND, SOURCE)
    assert [mark for mark, _ in other.ended] == [mark_attribute(PARENT)]
    assert process(database, PARENT, FIRST).find(FIRST, SOURCE).mark == mark_attribute(FIRST)


def test_parts_that_are_each_taken_for_the_only_one_do_not_share_a_mark(database: Database) -> None:
    first = process(database, PARENT, FIRST).find(FIRST, SOURCE)
    second = process(database, PARENT, SECOND).find(SECOND, SOURCE)
    assert (first.mark, second.mark) == (mark_attribute(PARENT), mark_attribute(SECOND))


def test_a_claim_outlives_the_process_that_made_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ended between the claim and its own row; the next sees both parts, and what was claimed holds."""

    def ended(*_arguments: Any) -> None:
        raise InterruptedError

    process(database, PARENT).find(PARENT, SOURCE)
    breaking = process(database, PARENT, FIRST)
    with monkeypatch.context() as broken:
        broken.setattr(Lineages, "_save", ended)
        with pytest.raises(InterruptedError):
            breaking.find(FIRST, SOURCE)
    assert process(database, PARENT, FIRST, SECOND).find(SECOND, SOURCE).ended == ()
    assert process(database, PARENT, FIRST, SECOND).find(FIRST, SOURCE).mark == mark_attribute(PARENT)


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ValidationException"])
def test_a_stream_that_there_is_not_has_no_shards(database: Database, code: str) -> None:
    """A handmade event names any; its shard has a mark of its own, and ends none."""

    def refused(**_request: Any) -> Any:
        raise client_error("DescribeStream", code)

    streams: Any = SimpleNamespace(describe_stream=refused)
    process(database, PARENT).find(PARENT, SOURCE)
    client: Any = database
    lineages = Lineages(client, lambda: streams, TABLE, lambda: NOW)
    assert lineages.find("handmade", "no stream") == Lineage(mark_attribute("handmade"))

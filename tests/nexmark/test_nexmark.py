"""Each query of Nexmark that a definition can say gives DuckDB's answer, through changes, deletions and redelivery."""

from datetime import timedelta

import pytest

from tests.nexmark.comparison import Database, Table, answer, deliveries
from tests.nexmark.generator import Generator
from tests.nexmark.queries import QUERIES, Query

type Stream = tuple[list[tuple[str, dict[str, object]]], Database]


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Return the changes of bids within a night and a day, and DuckDB with the bids at the end."""
    table = Table()
    writes = Generator(seed=7, events=3000, gap=timedelta(seconds=29)).writes()
    records = list(table.records(write for write in writes if write[0] == "bids"))
    database = Database()
    database.load(table.bids)
    return records, database


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
@pytest.mark.parametrize("size", [1000, 37])
def test_rows_equal_duckdbs(stream: Stream, query: Query, size: int) -> None:
    records, database = stream
    expected = database.answer(query)
    assert expected
    assert answer(query, deliveries(records, size, seed=size)) == expected


@pytest.mark.parametrize("query", [query for query in QUERIES if query.aggregate], ids=lambda query: query.name)
def test_the_comparison_finds_changes_that_count_twice(
    stream: Stream, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, database = stream
    monkeypatch.setattr("tests.nexmark.rows.RowChange.after_mark", lambda change, _mark: change)
    assert answer(query, deliveries(records, 37, seed=1)) != database.answer(query)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_the_comparison_finds_a_change_that_is_missing(stream: Stream, query: Query) -> None:
    records, database = stream
    batches = list(deliveries(records, 100, seed=1))
    most = [(shard, batch) for shard, batch in batches if shard != batches[0][0]]
    assert answer(query, most) != database.answer(query)


def test_equal_seeds_give_equal_streams() -> None:
    assert list(Generator(seed=3, events=500).writes()) == list(Generator(seed=3, events=500).writes())

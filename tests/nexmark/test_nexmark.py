"""Each query of Nexmark that a definition can say gives DuckDB's answer, through changes, deletions and redelivery."""

from datetime import timedelta

import pytest

from tests.nexmark.comparison import Database, Table, answer, deliveries
from tests.nexmark.generator import Generator
from tests.nexmark.queries import QUERIES, Query
from tests.nexmark.simulated import find_difference
from tests.simulation.world.isolation import isolated

type Stream = tuple[list[tuple[str, dict[str, object]]], Database]


@pytest.fixture(scope="module", params=[0.3, 29], ids=["minutes", "a day"])
def stream(request: pytest.FixtureRequest) -> Stream:
    """Return the changes of bids within some minutes or a day, and DuckDB with the bids at the end."""
    table = Table()
    writes = Generator(seed=7, events=2000, gap=timedelta(seconds=request.param)).writes()
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
def test_the_comparison_finds_changes_that_are_missing(stream: Stream, query: Query) -> None:
    records, database = stream
    batches = list(deliveries(records, 100, seed=1))
    expected = database.answer(query)
    without = [[batch for batch in batches if batch[0] != shard] for shard in {shard for shard, _ in batches}]
    assert any(answer(query, rest) != expected for rest in without)


def test_equal_seeds_give_equal_streams() -> None:
    assert list(Generator(seed=3, events=500).writes()) == list(Generator(seed=3, events=500).writes())


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_rows_equal_duckdbs_through_the_faults_of_the_simulation(query: Query) -> None:
    with isolated():
        assert [found for seed in range(12) if (found := find_difference(query, seed))] == []

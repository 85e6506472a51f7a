"""A short round: a day of flights on four shards, while processes of all functions are killed. See `make rebuilds`."""

from tests.rebuilds.expected import Rows, differences
from tests.rebuilds.rounds import play

ROWS: Rows = {("origin_days", "EWR", "2013-01-01"): {"~n": 2, "flights": 2}}


def test_rows_are_exact_after_changes_of_the_definition_and_killed_processes() -> None:
    outcome = play(1, days=1, kill=True)
    assert outcome.violations == []
    assert outcome.rows > 400
    assert outcome.changes > 2_000
    assert sum(outcome.kills.values()) > 5


def test_a_difference_is_found() -> None:
    key = ("origin_days", "EWR", "2013-01-01")
    assert differences(ROWS, {key: {"~n": 2, "flights": 2, "~v": 7}}) == []
    for found in ({key: {"~n": 2, "flights": 1}}, {}, ROWS | {("origin_days", "JFK", "2013-01-01"): {"~n": 1}}):
        assert len(differences(ROWS, found)) == 1

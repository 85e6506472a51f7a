"""Readers beside the feed: each is answered, and told the handler's own time."""

from benchmarks.changes import SLICE
from benchmarks.readers import QUERIES, read_while_it_is_fed
from local.demo.flights import read
from local.stack import Stack

READERS, SECONDS = 20, 10.0


def test_readers_beside_the_feed_are_answered_without_an_error(signed_stack: Stack) -> None:
    """Twenty for ten seconds; two hundred for a minute are `python -m benchmarks.readers`."""
    source = read(SLICE)
    flights = [flight for flight in source.flights if flight.day == source.days[0]]
    answers = read_while_it_is_fed(signed_stack, READERS, SECONDS, flights)
    assert answers.errors == {}
    for query in QUERIES:
        assert len(answers.own_ms[query]) == len(answers.seconds[query]) > 0, query
        # what the handler took is a part of what the reader has waited for
        assert sum(answers.own_ms[query]) / 1000 < sum(answers.seconds[query])
    signed_stack.wait_settled(120)

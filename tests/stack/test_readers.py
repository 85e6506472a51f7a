"""Readers beside the feed: each is answered, and told the handler's own time."""

from benchmarks.changes import SAMPLE_FILE
from benchmarks.readers import QUERIES, read_during_feed
from local.demo.flights import read_flights
from local.stack import Stack

READERS, SECONDS = 20, 10.0


def test_readers_beside_the_feed_are_answered_without_an_error(signed_stack: Stack) -> None:
    """Twenty for ten seconds; two hundred for a minute are `python -m benchmarks.readers`."""
    source = read_flights(SAMPLE_FILE)
    flights = [flight for flight in source.flights if flight.day == source.days[0]]
    responses = read_during_feed(signed_stack, READERS, SECONDS, flights)
    assert responses.errors == {}
    for query in QUERIES:
        assert len(responses.own_ms[query]) == len(responses.seconds[query]) > 0, query
        # what the handler took is a part of what the reader has waited for
        assert sum(responses.own_ms[query]) / 1000 < sum(responses.seconds[query])
    signed_stack.wait_until_settled(120)

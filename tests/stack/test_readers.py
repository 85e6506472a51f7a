"""Readers during the feed get responses without errors, with the handler's own time."""

from benchmarks.changes import SAMPLE_FILE
from benchmarks.readers import QUERIES, read_during_feed
from local.demo.flights import read_flights
from local.stack import Stack

READERS, SECONDS = 20, 10.0


def test_readers_during_the_feed_get_no_errors(signed_stack: Stack) -> None:
    """Twenty for ten seconds; `python -m benchmarks.readers` runs two hundred for a minute."""
    source = read_flights(SAMPLE_FILE)
    flights = [flight for flight in source.flights if flight.day == source.days[0]]
    responses = read_during_feed(signed_stack, READERS, SECONDS, flights)
    assert responses.errors == {}
    for query in QUERIES:
        assert len(responses.own_ms[query]) == len(responses.seconds[query]) > 0, query
        # the handler's time is part of the response time
        assert sum(responses.own_ms[query]) / 1000 < sum(responses.seconds[query])
    signed_stack.wait_until_settled(120)

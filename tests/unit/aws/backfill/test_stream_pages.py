"""Changes that are read from the stream again: until all are there, or it says that they are gone."""

from types import SimpleNamespace
from typing import Any

import pytest

from local.in_memory.errors import client_error
from tailrace.aggregation.carried.state import Outstanding
from tailrace.aws.backfill.stream_pages import ChangesGone, StreamPages
from tailrace.errors import Transient

OPENS, READS = "GetShardIterator", "GetRecords"


class Streams:
    """A shard whose pages are given as numbers of records; a call may fail."""

    def __init__(self, *pages: list[int], failing: str = "", code: str = "") -> None:
        self.pages = iter(pages)
        self.failing, self.code = failing, code

    def get_shard_iterator(self, **_request: Any) -> dict[str, Any]:
        self._fail(OPENS)
        return {"ShardIterator": "next"}

    def get_records(self, **_request: Any) -> dict[str, Any]:
        self._fail(READS)
        page = next(self.pages, None)
        if page is None:
            return {"Records": []}
        return {"Records": [{"dynamodb": {"SequenceNumber": str(n)}} for n in page], "NextShardIterator": "next"}

    def _fail(self, operation: str) -> None:
        if operation == self.failing:
            raise client_error(operation, self.code)


def read(streams: Streams, before: int | None = None) -> list[list[int]]:
    """Return the numbers of the changes 3 to 6, page by page."""
    lineages: Any = SimpleNamespace(streams=lambda: streams)
    pages = StreamPages(lineages).read("stream", "shard", Outstanding(3, 6), before)
    return [[position.sequence for position in page.positions] for page in pages]


@pytest.mark.parametrize(("before", "found"), [(None, [[3], [5, 6]]), (6, [[3], [5]]), (5, [[3]]), (9, [[3], [5, 6]])])
@pytest.mark.parametrize("last", [[5, 6], [5, 6, 7]])
def test_pages_hold_what_is_outstanding_and_nothing_else(
    before: int | None, found: list[list[int]], last: list[int]
) -> None:
    assert read(Streams([3], *[[]] * 100, last), before) == found


@pytest.mark.parametrize("operation", [OPENS, READS])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("TrimmedDataAccessException", ChangesGone),
        ("ResourceNotFoundException", ChangesGone),
        ("ExpiredIteratorException", Transient),
        ("LimitExceededException", Transient),
    ],
)
def test_what_the_stream_does_not_have_any_more_is_told_from_what_it_cannot_say_now(
    operation: str, code: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        read(Streams([3, 4, 5, 6], failing=operation, code=code))


def test_a_shard_that_ends_too_early_has_lost_changes_and_one_that_shows_nothing_is_read_later() -> None:
    with pytest.raises(ChangesGone):
        read(Streams([3, 4]))
    with pytest.raises(Transient):
        read(Streams([3], *[[]] * 101, [6]))

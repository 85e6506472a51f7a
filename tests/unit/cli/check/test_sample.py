"""A sample is read in pages from several parts of the table, and has no more items than it was asked for."""

from typing import Any

import pytest

from cli.check.sample import read_sample


class Table:
    """Segments with items, in pages as DynamoDB makes them: at most ``Limit`` items, and sometimes none."""

    def __init__(self, *segments: int) -> None:
        self.segments = segments
        self.calls: list[dict[str, Any]] = []

    def scan(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        assert 1 <= request["Limit"] <= 100
        assert request["TableName"] == "shop"
        segment = request["Segment"]
        assert 0 <= segment < request["TotalSegments"]
        size = self.segments[segment] if segment < len(self.segments) else 0
        first = request.get("ExclusiveStartKey", {"at": 0})["at"]
        # a page may be empty and still not be the last
        count = 0 if size and not first and segment == 1 and "ExclusiveStartKey" not in request else request["Limit"]
        last = min(size, first + count)
        page: dict[str, Any] = {"Items": [{"segment": segment, "number": number} for number in range(first, last)]}
        return page if last == size else page | {"LastEvaluatedKey": {"at": last}}


def sample(table: Table, limit: int) -> list[Any]:
    return [(one["segment"], one["number"]) for one in read_sample(table, "shop", limit, lambda _: None)]


@pytest.mark.parametrize("limit", [1, 2, 15, 16, 17, 100, 999, 5000])
@pytest.mark.parametrize("segments", [(), (5,), (1000, 3), (0, 0, 0, 700), (100,) * 16])
def test_a_sample_has_as_many_items_as_the_table_or_the_limit(segments: tuple[int, ...], limit: int) -> None:
    found = sample(Table(*segments), limit)
    reachable = sum(segments[: min(16, limit)])  # the fake's items stay in their segments
    assert len(found) == len(set(found)) == min(limit, reachable)


def test_a_large_partition_does_not_fill_the_sample_alone() -> None:
    found = sample(Table(*[10_000] * 16), 1_000)
    assert len({segment for segment, _ in found}) >= 15


def test_nothing_is_read_beyond_the_limit() -> None:
    table = Table(*[10_000] * 16)
    sample(table, 50)
    assert sum(call["Limit"] for call in table.calls) <= 16 * 4 + 4


def test_progress_is_shown() -> None:
    shown: list[str] = []
    list(read_sample(Table(*[10_000] * 16), "shop", 2_000, shown.append))
    assert shown[-1] == "2,000 of at most 2,000 items read"

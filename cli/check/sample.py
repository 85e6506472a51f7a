"""A sample of a table's items, read from several parts of it, so that no large partition fills it alone."""

from collections.abc import Callable, Iterator
from typing import Any

from tailrace.encoding.dynamodb import Image

_SEGMENTS = 16
_PAGE = 100
"""Items per page: few, so that all segments have their turn."""


def read_sample(dynamodb: Any, table: str, limit: int, progress: Callable[[str], None]) -> Iterator[Image]:
    """Yield up to ``limit`` items of a table; all of them, if it has no more."""
    segments = min(_SEGMENTS, limit)
    places: dict[int, dict[str, Any]] = {segment: {} for segment in range(segments)}
    found = 0
    while places and found < limit:
        for segment, place in list(places.items()):
            if found >= limit:
                return
            page = dynamodb.scan(
                TableName=table,
                Segment=segment,
                TotalSegments=segments,
                Limit=min(_PAGE, -(-limit // segments), limit - found),
                **place,
            )
            found += len(page["Items"])
            yield from page["Items"]
            progress(f"{found:,} of at most {limit:,} items read")
            if "LastEvaluatedKey" in page:
                places[segment] = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
            else:
                del places[segment]

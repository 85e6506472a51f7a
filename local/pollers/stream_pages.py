"""Pages of streams, each read once for all mappings that read the stream.

Every mapping keeps its own position, as on AWS. But the emulator would write each record as JSON once for each mapping,
and the pollers would read it and write it into events, which takes more time than everything else that they do.
"""

import threading
from collections import deque
from typing import Any, cast

from msgspec import Struct

from local.mapping import StreamRecord
from local.mapping.settings import LATEST, TRIM_HORIZON
from local.pollers.emulator_client import EmulatorClient
from local.pollers.events import stream_record

KEPT_PAGES = 8
"""A mapping whose reader is further behind reads the stream itself. A page has at most 1,000 records or 1 MB."""


class Page(Struct, frozen=True):
    """Records of a shard, as they appear in events, and the iterator after them: None at the end of the shard."""

    records: tuple[StreamRecord[bytes], ...]
    next_iterator: str | None


class StreamPages:
    """Reads pages and keeps the newest; any thread may use it."""

    def __init__(self, emulator: EmulatorClient) -> None:
        self._emulator = emulator
        self._lock = threading.Lock()
        # by shard: the index of the record that follows each sequence number, and the page
        self._kept: deque[tuple[tuple[str, str], dict[str | None, int], Page]] = deque(maxlen=KEPT_PAGES)

    def read(self, arn: str, shard_id: str, iterator: str, after: str | None) -> Page:
        """Return records that follow the sequence number `after`, as far as it is known. Raises CallFailed.

        The iterator is there, too.
        """
        with self._lock:
            for shard, starts, page in self._kept:
                if after is not None and shard == (arn, shard_id) and (start := starts.get(after)) is not None:
                    return Page(page.records[start:], page.next_iterator)
            page = self._read(arn, iterator)
            if page.records:
                before = (after, *(record.sequence for record in page.records[:-1]))
                starts = {sequence: index for index, sequence in enumerate(before)}
                self._kept.append(((arn, shard_id), starts, page))
            return page

    def _read(self, arn: str, iterator: str) -> Page:
        response = self._emulator.call("dynamodb", "GetRecords", ShardIterator=iterator, Limit=1000)
        records = cast("list[dict[str, Any]]", response["Records"])
        return Page(
            tuple(stream_record(record, arn) for record in records),
            cast("str | None", response.get("NextShardIterator")),
        )


def newest_position(emulator: EmulatorClient, arn: str, shard_id: str) -> dict[str, str]:
    """Return the place after a shard's newest record, for a poller that begins with LATEST. Raises CallFailed.

    LATEST itself is another place each time: a poller that goes on there misses what was written in the meantime.
    """
    stream = {"StreamArn": arn, "ShardId": shard_id}

    def iterator(kind: str) -> str:
        return cast(
            "str", emulator.call("dynamodb", "GetShardIterator", **stream, ShardIteratorType=kind)["ShardIterator"]
        )

    def numbers(found: dict[str, object]) -> list[str]:
        return [record["dynamodb"]["SequenceNumber"] for record in cast("list[dict[str, Any]]", found["Records"])]

    latest, following, newest = iterator(LATEST), iterator(TRIM_HORIZON), ""
    while following:
        found = emulator.call("dynamodb", "GetRecords", ShardIterator=following, Limit=1000)
        newest = (numbers(found) or [newest])[-1]
        following = cast("str", found.get("NextShardIterator") or "") if found["Records"] else ""
    # written since the first call
    later = numbers(emulator.call("dynamodb", "GetRecords", ShardIterator=latest, Limit=1))
    if later:
        return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": later[0]}
    if newest:
        return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": newest}
    return {"ShardIteratorType": TRIM_HORIZON}

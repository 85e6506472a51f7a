"""Reads changes from the stream again, in the form in which Lambda delivers them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aggregation.carried.state import Outstanding
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch, position_of

_GONE = ("TrimmedDataAccessException", "ResourceNotFoundException")
_EXPIRED = "ExpiredIteratorException"

_MAX_EMPTY_PAGES = 100
"""Pages may be empty before the shard's end:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html"""


class ChangesGone(Exception):
    """The stream does not have the changes any more."""


class StreamPages(Struct, frozen=True):
    """Reads a shard's changes; ``lineages`` has the client of the stream."""

    lineages: Lineages

    def read(self, stream: str, shard: str, wanted: Outstanding, before: int | None) -> Iterator[RawBatch]:
        """Yield the outstanding changes of a shard, a page at a time; only those below number ``before``, if given.

        Raises:
            ChangesGone: the stream does not have all of them any more.
            Transient: the stream cannot be read now.
            Permanent: the service rejects the request.
        """
        iterator: str | None = self._open(stream, shard, wanted)
        empty = 0
        while iterator is not None:
            records, iterator = self._page(iterator)
            empty = 0 if records else empty + 1
            found = [_as_delivered(record, stream) for record in records]
            positions = [position_of(record) for record in found]
            end = wanted.through + 1 if before is None else min(before, wanted.through + 1)
            kept = sum(position.sequence < end for position in positions)
            if kept:
                yield RawBatch(stream, shard, found[:kept], positions[:kept])
            if positions and positions[-1].sequence >= end - 1:
                return
            if empty > _MAX_EMPTY_PAGES:
                raise Transient("the stream returns no records")
        raise ChangesGone

    def _open(self, stream: str, shard: str, wanted: Outstanding) -> str:
        kind: Any = "AFTER_SEQUENCE_NUMBER" if wanted.after else "AT_SEQUENCE_NUMBER"
        try:
            found = self.lineages.streams().get_shard_iterator(
                StreamArn=stream, ShardId=shard, ShardIteratorType=kind, SequenceNumber=f"{wanted.start:021}"
            )
        except (ClientError, BotoCoreError) as error:
            raise _failure(error) from error
        return found["ShardIterator"]

    def _page(self, iterator: str) -> tuple[Sequence[Any], str | None]:
        try:
            answer = self.lineages.streams().get_records(ShardIterator=iterator)
        except (ClientError, BotoCoreError) as error:
            raise _failure(error) from error
        return answer["Records"], answer.get("NextShardIterator")


def _failure(error: ClientError | BotoCoreError) -> Exception:
    if has_code(error, *_GONE):
        return ChangesGone()
    if has_code(error, _EXPIRED):
        return Transient("the position in the stream has expired")
    return translate(error)


def _as_delivered(record: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """Return a record of GetRecords as an event has it: times as numbers, and the stream's name."""
    change = dict(record["dynamodb"])
    created = change.get("ApproximateCreationDateTime", 0)
    change["ApproximateCreationDateTime"] = created.timestamp() if isinstance(created, datetime) else created
    return {**record, "dynamodb": change, "eventSourceARN": stream}

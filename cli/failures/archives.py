"""Archived events of a collection, in order for each item, in memory that does not grow with their number."""

import gzip
import hashlib
import heapq
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import batched, groupby
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct, field

from cli.errors import CommandError
from tailrace.aws.runtime.errors import has_code
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import InvalidMessage
from tailrace.outputs.archives import Event, object_name, parse_events

_MAX_OPEN_FILES = 100
_CHUNK_BYTES = 1024 * 1024
_NO_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)

type Position = tuple[str, str, int, str]
"""An event's hour (YYYY-MM-DDTHH), shard, sequence number and id. Positions rise along the events of an item."""


class Archive(Struct, frozen=True):
    """The archive of a stack: the bucket, and the catalog of its objects.

    Attributes:
        gone: by hour, the number of objects that the catalog still has and the bucket no longer has: a row outlives its
            object when the bucket's lifecycle deletes that. Complete for the hours whose events were read.
    """

    s3: Any
    dynamodb: Any
    bucket: str
    catalog_table: str
    gone: Counter[str] = field(default_factory=Counter)

    def events(
        self, collection: str, start: datetime, end: datetime, after: Position | None = None
    ) -> Iterator[tuple[Position, Event]]:
        """Yield the events of a collection whose time is in ``[start, end)``, each once, unless its object is gone.

        With ``after``, only those that come after this position; objects of earlier hours are not read.

        They are ordered by hour, shard and sequence number. So the events of an item are in order: a shard's id begins
        with the time when it was opened, and an item moves to another shard only when its shard is closed.
        """
        # strftime may write the year 900 as three digits, which are after every hour of the catalog
        first, last = (moment.astimezone(UTC).isoformat()[: len("YYYY-MM-DDTHH")] for moment in (start, end))
        first = first if after is None else max(first, after[0])
        for hour, rows in groupby(self._rows(collection, first, last), key=lambda row: str(row["hour"])):
            with tempfile.TemporaryDirectory(prefix="tailrace-") as folder:
                found = [self._download(str(row["object"]), Path(folder)) for row in rows]
                if lost := found.count(None):
                    self.gone[hour] = lost
                previous = None
                for event in _merged([path for path in found if path is not None], Path(folder)):
                    position = (hour, *event.order, event.id)
                    moment = datetime.fromisoformat(event.time)
                    if position != previous and start <= moment < end and (after is None or position > after):
                        yield position, event
                    previous = position

    def _rows(self, collection: str, first: str, last: str) -> Iterator[Mapping[str, Any]]:
        """Yield the catalog rows of the hours from first to last, in order."""
        values = {":collection": {"S": collection}, ":first": {"S": first}, ":last": {"S": f"{last}~"}}
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.catalog_table,
            KeyConditionExpression="pk = :collection AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )
        for page in pages:
            yield from (decode_item(row) for row in page["Items"])

    def _download(self, key: str, folder: Path) -> Path | None:
        """Return a file with an object's content; None if the object is gone."""
        path = folder / key.rpartition("/")[2]
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        except ClientError as error:
            if has_code(error, "NoSuchKey"):
                return None
            raise
        with path.open("wb") as file:
            shutil.copyfileobj(body, file)
        _require_whole(path)
        return path


def _require_whole(path: Path) -> None:
    """Check an object before any event of its hour is sent: what it lacks could not be sent in order any more.

    Raises:
        CommandError: its content is not what its name says. An empty object, for example, is valid gzip.
    """
    digest = hashlib.sha256()
    with suppress(*_NO_GZIP), gzip.open(path, "rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    if path.name != f"{object_name(digest.hexdigest())}.jsonl.gz":
        for _ in _read(path):  # which names the line, if one cannot be read
            pass
        raise _damaged(path, "", "its content does not match the digest in its name")


def _merged(files: Sequence[Path], folder: Path) -> Iterator[Event]:
    """Merge objects, each of which is in order; a few at a time, because a process may open few files."""
    while len(files) > _MAX_OPEN_FILES:
        merged: list[Path] = []
        for some in batched(files, _MAX_OPEN_FILES, strict=False):
            path = folder / f"merged-{len(merged)}-{some[0].name}"
            with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
                file.writelines(f"{event.text}\n" for event in _merge(some))
            for done in some:
                done.unlink()
            merged.append(path)
        files = merged
    return _merge(files)


def _merge(files: Sequence[Path]) -> Iterator[Event]:
    return heapq.merge(*map(_read, files), key=lambda event: (event.order, event.id))


def _read(path: Path) -> Iterator[Event]:
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007 - for the message
                (event,) = parse_events(f"[{line}]")
                if isinstance(event, InvalidMessage):
                    raise event
                if isinstance(event, Event):
                    yield event
    except (InvalidMessage, ValueError, *_NO_GZIP) as error:
        raise _damaged(path, f" near line {max(number, 1)}", error) from error


def _damaged(path: Path, where: str, reason: object) -> CommandError:
    text = f"The archive object {path.name} is damaged{where} ({reason})"
    return CommandError(f"{text}: restore its earlier version and repeat the command.")

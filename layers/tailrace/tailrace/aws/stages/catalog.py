"""The catalog stage: writes one row for each archive object."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.encoding.dynamodb import encode_item
from tailrace.errors import InvalidMessage, NotFound, TailraceError
from tailrace.outputs.archives import MAX_LINE_BYTES, ObjectSummary, parse_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_NOT_FOUND = ("NoSuchKey", "NoSuchVersion", "404")


class _Body(Protocol):
    def read(self, amount: int | None = None, /) -> bytes:
        """Return up to ``amount`` bytes, empty at the end."""


class Cataloguer(Struct, frozen=True):
    """Maintains the catalog table."""

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    archive_bucket: str
    catalog_table: str

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write rows for the objects in a bucket notification; a repeated notification writes the same rows.

        A foreign object under ``archive/`` can never become a row: it is logged, counted as ObjectsNotCatalogued, and
        skipped. One that was deleted meanwhile is skipped, too. The other objects are entered.

        Raises:
            TailraceError: an object could not be read or a row not be written; Lambda calls again, and sends what keeps
                failing to the failure destination. All objects were tried.
        """
        catalogued = rejected = 0
        failure: TailraceError | None = None
        for key in self._created_keys(event):
            try:
                self._record(key)
                catalogued += 1
            except InvalidMessage as error:
                rejected += 1
                logger().error("not an archive object, left alone", extra={"object": key, "reason": str(error)})
            except NotFound:
                logger().warning("object deleted before it was cataloged", extra={"object": key})
            except TailraceError as error:
                failure = error
                logger().error("object not catalogued", extra={"object": key, "error": str(error)})
        count_metrics(ObjectsCatalogued=catalogued, ObjectsNotCatalogued=rejected)
        if failure is not None:
            raise failure

    def _created_keys(self, event: Mapping[str, Any]) -> Iterator[str]:
        # a test event, which a bucket sends when its notifications are set, has no Records
        for record in event.get("Records", ()):
            if (
                record["eventName"].startswith("ObjectCreated:")
                and record["s3"]["bucket"]["name"] == self.archive_bucket
            ):
                yield unquote_plus(record["s3"]["object"]["key"])

    def _record(self, key: str) -> None:
        partition, name = parse_key(key)
        contents = ObjectSummary(partition)
        try:
            body = _HashingReader(self.s3.get_object(Bucket=self.archive_bucket, Key=key)["Body"])
            for line in _lines(body):
                contents.add(line)
            row = contents.catalog_row(name, body.size, body.checksum())
            self.dynamodb.put_item(TableName=self.catalog_table, Item=encode_item(row))
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *_NOT_FOUND):
                raise NotFound("the object is gone") from error
            raise translate(error) from error


class _HashingReader(io.RawIOBase):
    """A body as a file that counts and hashes what is read of it."""

    def __init__(self, body: _Body) -> None:
        self._body = body
        self._digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        chunk = self._body.read(len(buffer))
        self._digest.update(chunk)
        self.size += len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def checksum(self) -> str:
        """Return the SHA-256 of all that was read, as hexadecimal digits."""
        return self._digest.hexdigest()


def _lines(body: _HashingReader) -> Iterator[bytes]:
    """Yield the lines of a compressed body, read to its end, one at a time.

    Raises:
        InvalidMessage: it is not compressed as it should be, or a line does not end.
    """
    try:
        with gzip.open(io.BufferedReader(body, 256 * 1024), "rb") as lines:
            while line := lines.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise InvalidMessage("a line is incomplete, or too long for an event")
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidMessage(f"not compressed with gzip: {error}") from error

"""The load stage: reads a file in the inbox line by line, stores its items, and writes a receipt."""

import gzip
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.items.store import StoredItem, validated_row
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidItem, InvalidMessage, NotFound, Transient, Violation
from tailrace.inputs.lines import BadLine, Line, detect_format, read_lines
from tailrace.outputs.quarantine import quarantine_object
from tailrace.outputs.stored_object import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

INBOX, RECEIPTS = "inbox/", "receipts/"
# Bounds of what is held in memory. The bytes also keep a call of 25 items, where a byte of the file may take up to six,
# below DynamoDB's request limit of 16 MB.
_FLUSH_LINES, _FLUSH_BYTES = 500, 2 * 1024 * 1024
_MAX_ERRORS_IN_RECEIPT = 20
_MIN_TIME_LEFT_MS = 60_000  # what a busy table may take for that many lines
_BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the bucket's notification describes it.

    ``sequencer`` differs for each upload to the same key; ``uploaded_at`` is the time of the upload, ISO 8601 in UTC.
    """

    bucket: str
    key: str
    sequencer: str
    uploaded_at: str

    @property
    def collection(self) -> str:
        """The collection that the file's items belong to: the first folder in the inbox."""
        return self.key.removeprefix(INBOX).partition("/")[0]


@dataclass(slots=True)
class Tally:
    """The outcome of a file's lines so far, and what is not written yet."""

    accepted: int = 0
    rejected: int = 0
    errors: list[Item] = field(default_factory=list)
    failure: str | None = None
    rows: dict[str, tuple[Line, dict[str, Any]]] = field(default_factory=dict)
    quarantine_reports: list[StoredObject] = field(default_factory=list)
    buffered_lines: int = 0
    buffered_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads files."""

    pipeline: Pipeline
    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    items_table: str
    failures_bucket: str
    clock: Callable[[], datetime]

    def __call__(self, event: Mapping[str, Any], remaining_time_ms: Callable[[], int]) -> list[Item]:
        """Load each file of a notification and return the receipts.

        Raises:
            Transient: a table or bucket did not respond, or the time is not enough. Lambda retries, and every item is
                put again.
            Permanent: a table or bucket rejects a request.
        """
        receipts = []
        for record in event.get("Records", ()):  # the bucket's own s3:TestEvent has none
            s3_event = record["s3"]
            key = unquote_plus(s3_event["object"]["key"])
            if not key.startswith(INBOX) or key.endswith("/"):
                continue  # a folder's marker
            upload = Upload(
                s3_event["bucket"]["name"], key, str(s3_event["object"].get("sequencer", "")), record["eventTime"]
            )
            receipt = self._load(upload, remaining_time_ms)
            if receipt is not None:
                receipts.append(receipt)
                count_metrics(
                    LinesAccepted=receipt["accepted"],
                    ItemsQuarantined=receipt["rejected"],
                    FilesRefused=int("failure" in receipt),
                )
        return receipts

    def _load(self, upload: Upload, remaining_time_ms: Callable[[], int]) -> Item | None:
        started_at = self.clock()
        try:
            source = self.s3.get_object(Bucket=upload.bucket, Key=upload.key)
        except (ClientError, BotoCoreError) as error:
            if _is_missing_object(error):
                logger().warning("the file is gone", extra={"key": upload.key})
                return None
            raise translate(error) from error
        etag = source["ETag"].strip('"')
        if self._already_loaded(upload, etag):
            # a repeated notification: loading again would overwrite later changes of the items
            logger().warning("the file was loaded before", extra={"key": upload.key})
            return None
        tally = Tally()
        with closing(source["Body"]) as body:
            tally.failure = self._read_all(upload, cast("IO[bytes]", body), tally, remaining_time_ms)
        self._flush(upload, tally)
        return self._receipt(upload, etag, started_at, tally)

    def _read_all(
        self, upload: Upload, body: IO[bytes], tally: Tally, remaining_time_ms: Callable[[], int]
    ) -> str | None:
        """Read a file as far as possible, and return what is wrong with the file as a whole, if anything."""
        try:
            self._read(upload, body, tally, remaining_time_ms)
        except (InvalidMessage, NotFound) as error:
            return str(error)
        except _BROKEN_GZIP as error:
            return f"the gzip data is damaged or incomplete: {error}"
        except BotoCoreError as error:  # the response of the bucket broke off
            raise translate(error) from error
        return None if tally.accepted or tally.rejected else "the file holds no items"

    def _read(self, upload: Upload, body: IO[bytes], tally: Tally, remaining_time_ms: Callable[[], int]) -> None:
        schema = self.pipeline.collection(upload.collection).compiled
        form, compressed = detect_format(upload.key)
        stream = gzip.GzipFile(fileobj=body) if compressed else io.BufferedReader(cast("io.RawIOBase", body))
        for line in read_lines(cast("IO[bytes]", stream), form, schema):
            self._process(upload, line, tally)
            tally.buffered_lines += 1
            tally.buffered_bytes += line.size
            if tally.buffered_lines >= _FLUSH_LINES or tally.buffered_bytes >= _FLUSH_BYTES:
                if remaining_time_ms() < _MIN_TIME_LEFT_MS:
                    text = f"{upload.key}: no time left at line {line.number}; split the file into smaller ones"
                    raise Transient(text)
                self._flush(upload, tally)

    def _process(self, upload: Upload, line: Line | BadLine, tally: Tally) -> None:
        if isinstance(line, BadLine):
            _refuse(upload, line, (line.violation,), tally)
            return
        try:
            row = validated_row(self.pipeline, upload.collection, line.id, StoredItem(line.item, line.expires_at))
        except InvalidItem as error:
            _refuse(upload, line, error.violations, tally)
        except InvalidMessage as error:
            _refuse(upload, line, (Violation("/id", "id", str(error)),), tally)
        else:
            if line.id in tally.rows:  # two lines for one item must be written in order
                self._flush(upload, tally)
            tally.rows[line.id] = (line, row)
            tally.accepted += 1

    def _flush(self, upload: Upload, tally: Tally) -> None:
        lines = [line for line, _ in tally.rows.values()]
        for rejection in put_all_or_raise(self.dynamodb, self.items_table, [row for _, row in tally.rows.values()]):
            tally.accepted -= 1
            _refuse(upload, lines[rejection.position], (Violation("", "table", rejection.reason),), tally)
        if put_objects(self.s3, self.failures_bucket, tally.quarantine_reports):
            raise Transient("quarantine cannot be written now")
        tally.rows.clear()
        tally.quarantine_reports.clear()
        tally.buffered_lines = tally.buffered_bytes = 0

    def _receipt(self, upload: Upload, etag: str, started_at: datetime, tally: Tally) -> Item:
        receipt: Item = {
            "file": upload.key,
            "etag": etag,
            "sequencer": upload.sequencer,
            "accepted": tally.accepted,
            "rejected": tally.rejected,
            "errors": tally.errors,
            "started_at": _iso(started_at),
            "finished_at": _iso(self.clock()),
        } | ({} if tally.failure is None else {"failure": tally.failure})
        if put_objects(self.s3, upload.bucket, [StoredObject(_receipt_key(upload.key), dumps(receipt).encode())]):
            raise Transient("the receipt cannot be written now")
        return receipt

    def _already_loaded(self, upload: Upload, etag: str) -> bool:
        try:
            answer = self.s3.get_object(Bucket=upload.bucket, Key=_receipt_key(upload.key))
            receipt = loads(answer["Body"].read())
        except InvalidMessage:
            return False
        except (ClientError, BotoCoreError) as error:
            if _is_missing_object(error):
                return False
            raise translate(error) from error
        if not isinstance(receipt, dict):
            return False
        loaded = receipt.get("sequencer")
        if not upload.sequencer or not isinstance(loaded, str):
            return False
        if loaded == upload.sequencer:
            return receipt.get("etag") == etag
        return _is_later(loaded, upload.sequencer)


def _is_later(sequencer: str, other: str) -> bool:
    """Tell whether an upload came after another one to the same key: hexadecimal, the shorter padded on the right.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    width = max(len(sequencer), len(other))
    return sequencer.upper().ljust(width, "0") > other.upper().ljust(width, "0")


def _refuse(upload: Upload, line: Line | BadLine, violations: Sequence[Violation], tally: Tally) -> None:
    details = [{"pointer": v.pointer, "keyword": v.keyword, "message": v.message} for v in violations]
    if len(tally.errors) < _MAX_ERRORS_IN_RECEIPT:
        tally.errors.append({"line": line.number, "violations": details})
    tally.rejected += 1
    stored = quarantine_object(
        entrance="file",
        collection=upload.collection,
        id=line.id if isinstance(line, Line) else None,
        item=line.item if isinstance(line, Line) else line.raw,
        violations=violations,
        origin={"file": upload.key, "line": str(line.number), "sequencer": upload.sequencer},
        time=upload.uploaded_at,
        details={} if isinstance(line, BadLine) or line.expires_at is None else {"expires_at": line.expires_at},
    )
    tally.quarantine_reports.append(stored)


def _receipt_key(key: str) -> str:
    return f"{RECEIPTS}{key.removeprefix(INBOX)}.json"


def _is_missing_object(error: ClientError | BotoCoreError) -> bool:
    return has_code(error, "NoSuchKey", "404")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The load stage: reads a file in the inbox line by line, stores its items, and writes a receipt."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.items.rows import StoredItem, validated_row
from tailrace.aws.runtime.object_reader import ObjectReader, ObjectReplaced, StoredVersion
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.stages.receipts import Receipts, Upload, uploads
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem, InvalidMessage, NotFound, TailraceError, Transient, Violation
from tailrace.inputs.lines import BadLine, Line, detect_format, read_lines
from tailrace.inputs.unpacking import unpacked
from tailrace.outputs.quarantine import quarantine_object
from tailrace.outputs.stored_object import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# Bounds of what is held in memory. The bytes also keep a call of 25 items, where a byte of the file may take up to six,
# below DynamoDB's request limit of 16 MB.
_FLUSH_LINES, _FLUSH_BYTES = 500, 2 * 1024 * 1024
_MAX_ERRORS_IN_RECEIPT = 20
_MIN_TIME_LEFT_MS = 60_000  # what a busy table may take for that many lines


@dataclass(slots=True)
class Tally:
    """The outcome of a file's lines so far, and what is not written yet."""

    version: StoredVersion
    accepted: int = 0
    rejected: int = 0
    line: int = 0
    errors: list[Item] = field(default_factory=list)
    rows: dict[str, tuple[Line, dict[str, Any]]] = field(default_factory=dict)
    quarantine_reports: list[StoredObject] = field(default_factory=list)
    buffered_lines: int = 0
    buffered_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads files; ``count_accepted`` is called with the number of lines each time some are stored."""

    pipeline: Pipeline
    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    items_table: str
    failures_bucket: str
    clock: Callable[[], datetime]
    count_accepted: Callable[[int], None] = lambda _lines: None

    def __call__(self, event: Mapping[str, Any], remaining_time_ms: Callable[[], int]) -> list[Item]:
        """Load each file of a notification and return the receipts.

        Raises:
            Transient: a table or bucket did not respond, or the time is not enough. Lambda retries, and every item is
                put again.
            Permanent: a table or bucket rejects a request.
        """
        receipts = []
        for upload in uploads(event):
            receipt = self._load(upload, remaining_time_ms)
            if receipt is not None:
                receipts.append(receipt)
        return receipts

    def _load(self, upload: Upload, remaining_time_ms: Callable[[], int]) -> Item | None:
        started_at, receipts = self.clock(), Receipts(self.s3)
        if receipts.supersede(upload):
            # a repeated or late notification: loading again would overwrite later changes of the items
            logger().warning("this upload or a later one was loaded before", extra={"key": upload.key})
            return None
        version = StoredVersion.find(self.s3, upload.bucket, upload.key)
        if version is None or upload.etag not in ("", version.etag):
            logger().warning("the file is gone, or replaced by a later upload", extra={"key": upload.key})
            return None
        tally = Tally(version)
        failures = self._attempt(partial(self._read, upload, tally, remaining_time_ms))
        failures += self._attempt(partial(self._flush_current, upload, tally))
        if not failures and not tally.accepted and not tally.rejected:
            failures.append(InvalidMessage("the file holds no items"))
        receipt = self._receipt(upload, started_at, tally, failures)
        if receipts.supersede(upload):  # a later upload was faster: its receipt stays
            return None
        receipts.write(upload, receipt)
        count_metrics(
            LinesAccepted=tally.accepted,
            ItemsQuarantined=tally.rejected,
            FilesRefused=int(any(not isinstance(failure, ObjectReplaced) for failure in failures)),
        )
        return receipt

    def _attempt(self, step: Callable[[], None]) -> list[TailraceError]:
        """Take a step of a load, and return what is wrong with the file as a whole, if anything."""
        try:
            step()
        except (InvalidMessage, NotFound) as error:
            return [error]
        return []

    def _read(self, upload: Upload, tally: Tally, remaining_time_ms: Callable[[], int]) -> None:
        def require_time() -> None:
            if remaining_time_ms() < _MIN_TIME_LEFT_MS:
                raise Transient(f"{upload.key}: no time left at line {tally.line}; split the file into smaller ones")

        collection = self.pipeline.collection(upload.collection)
        form, named_gzip = detect_format(upload.key)
        body = io.BufferedReader(ObjectReader(self.s3, tally.version, require_time))
        text = unpacked(body, named_gzip=named_gzip, encoding=tally.version.encoding)
        for line in read_lines(text, form, collection.compiled, collection.id_columns):
            tally.line = line.number
            self._process(upload, line, tally)
            tally.buffered_lines += 1
            tally.buffered_bytes += line.size
            if tally.buffered_lines >= _FLUSH_LINES or tally.buffered_bytes >= _FLUSH_BYTES:
                require_time()
                self._flush_current(upload, tally)
                tally.buffered_lines = tally.buffered_bytes = 0

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

    def _flush_current(self, upload: Upload, tally: Tally) -> None:
        """Write what the tally holds, unless a later upload has replaced the file: its items may be written already."""
        try:
            tally.version.require_current(self.s3)
        except ObjectReplaced:
            tally.accepted -= len(tally.rows)
            tally.rows.clear()
            self._flush(upload, tally)  # what was refused stays refused
            raise
        self._flush(upload, tally)

    def _flush(self, upload: Upload, tally: Tally) -> None:
        lines = [line for line, _ in tally.rows.values()]
        rows = [row for _, row in tally.rows.values()]
        key = list(self.pipeline.collection(upload.collection).keys.attributes) if rows else []
        rejections = put_all_or_raise(self.dynamodb, self.items_table, rows, key=key)
        self.count_accepted(len(lines) - len(rejections))
        for rejection in rejections:
            tally.accepted -= 1
            _refuse(upload, lines[rejection.position], (Violation("", "table", rejection.reason),), tally)
        if put_objects(self.s3, self.failures_bucket, tally.quarantine_reports):
            raise Transient("quarantine cannot be written now")
        tally.rows.clear()
        tally.quarantine_reports.clear()

    def _receipt(self, upload: Upload, started_at: datetime, tally: Tally, failures: Sequence[TailraceError]) -> Item:
        return {
            "file": upload.key,
            "etag": tally.version.etag,
            "sequencer": upload.sequencer,
            "accepted": tally.accepted,
            "rejected": tally.rejected,
            "errors": tally.errors,
            "started_at": _iso(started_at),
            "finished_at": _iso(self.clock()),
        } | ({"failure": str(failures[0])} if failures else {})


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


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The load stage: reads a file in the inbox line by line, stores its items, and writes a receipt.

A file that takes longer than an invocation is loaded by several, one after the other. So the lines of an item are
written in their order, and the last one wins, however large the file is.
"""

import io
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct

from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.items.rows import PLAIN, StoredItem, arriving, validated_row
from tailrace.aws.runtime.object_reader import REPLACED, ObjectDeleted, ObjectReader, ObjectReplaced, StoredVersion
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.runtime.trace_logs import correlate, log_written
from tailrace.aws.stages.checkpoints import Checkpoint, Checkpoints, FileTakenOver
from tailrace.aws.stages.load_clock import MIN_TIME_LEFT_MS, Clock, OutOfTime
from tailrace.aws.stages.receipts import Receipts, Upload, uploads
from tailrace.aws.stages.tally import Tally, iso
from tailrace.definition.item_keys import PLAIN_TTL
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem, InvalidMessage, NotFound, TailraceError, Transient, Violation, WritesOff
from tailrace.inputs.lines import BadLine, Line, LineReader, detect_format
from tailrace.inputs.unpacking import unpacked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# Bounds of what is held in memory; lines that take long are written at each checkpoint as well. The bytes also keep a
# call of 25 items, where a byte of the file may take up to six, below DynamoDB's request limit of 16 MB.
_FLUSH_LINES, _FLUSH_BYTES = 500, 2 * 1024 * 1024
_CHECK_EVERY_MS = 200  # a new upload takes longer than this to write its first line


class _Work(Struct):
    """A file, and how far this invocation has got."""

    version: StoredVersion
    tally: Tally
    checkpoints: Checkpoints
    clock: Clock
    checked_at_ms: int
    is_compressed: bool = False
    is_out_of_time: bool = False
    is_unwritten: bool = False  # the time was not enough for what the tally holds
    written: Checkpoint | None = None  # the last place before which nothing is unwritten
    expiry_name: str = PLAIN_TTL


class Loader(Struct, frozen=True):
    """Loads files.

    ``hand_on`` has another invocation continue with a notification; ``count_accepted`` is called with the number of
    lines each time some are stored; ``make_name`` returns a name that no other invocation has; ``sleep`` waits for
    some seconds. Without ``writes_items``, every file is refused.
    """

    pipeline: Pipeline
    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    items_table: str
    failures_bucket: str
    clock: Callable[[], datetime]
    hand_on: Callable[[Item], None]
    count_accepted: Callable[[int], None] = lambda _lines: None
    make_name: Callable[[], str] = lambda: uuid4().hex
    sleep: Callable[[float], None] = time.sleep
    writes_items: bool = True

    def __call__(self, event: Mapping[str, Any], remaining_time_ms: Callable[[], int]) -> list[Item]:
        """Load each file of a notification and return the receipts, without those of files that are handed on.

        Raises:
            Transient: a table or bucket did not respond, or the time allows no progress. Lambda retries, and the lines
                after the last checkpoint are put again. The other files of the notification were tried.
            Permanent: a table or bucket rejects a request; likewise.
        """
        receipts, failure = [], None
        for position, upload in enumerate(uploads(event)):
            correlate(upload.key)
            try:
                if position and remaining_time_ms() < MIN_TIME_LEFT_MS:
                    self.hand_on(upload.notification())
                    continue
                receipt = self._load(upload, remaining_time_ms)
            except FileTakenOver:
                logger().warning("another invocation loads the file now", extra={"key": upload.key})
                continue
            except TailraceError as error:
                failure = failure or error
                continue
            if receipt is not None:
                receipts.append(receipt)
        if failure is not None:
            raise failure
        return receipts

    def _load(self, upload: Upload, remaining_time_ms: Callable[[], int]) -> Item | None:
        started_at = iso(self.clock())
        if Receipts(self.s3).supersede(upload):
            # a repeated or late notification: loading again would overwrite later changes of the items
            logger().warning("this upload or a later one was loaded before", extra={"key": upload.key})
            return None
        version = StoredVersion.find(self.s3, upload.bucket, upload.key)
        etag = upload.etag or (version.etag if version else "")
        tally = Tally(upload, etag, started_at)
        checkpoints = Checkpoints(self.s3, upload, etag, self.make_name(), remaining_time_ms, self.clock, self.sleep)
        if version is None or version.etag != etag:
            begun = checkpoints.find()
            if begun is None and version is not None:
                logger().warning("a later upload has replaced the file", extra={"key": upload.key})
                return None
            tally.resume(checkpoints.end(begun or tally.checkpoint()))
            if version is None and not tally.bookmark.number:
                gone = InvalidMessage("the file was deleted before it was loaded: upload it again")
                return self._finish(tally, [gone])
            return self._finish(tally, [ObjectReplaced() if version else ObjectDeleted()])
        tally.resume(checkpoints.take(tally.checkpoint()))  # of a small file, too: its notification may come twice
        clock = Clock(remaining_time_ms)
        clock.start_anew()
        try:
            return self._work(_Work(version, tally, checkpoints, clock, remaining_time_ms()))
        except FileTakenOver:
            raise
        except TailraceError:
            checkpoints.release()
            raise

    def _work(self, work: _Work) -> Item | None:
        tally, start = work.tally, work.tally.bookmark
        failures = self._attempt(partial(self._read, work), work)
        if not work.is_unwritten:
            failures += self._attempt(partial(self._flush_current, work), work)
        if work.is_unwritten or (work.is_out_of_time and not failures):
            reached = work.written if work.is_unwritten else tally.checkpoint()
            if reached is not None and reached.bookmark != start:
                work.checkpoints.keep(reached, released=True)
                self.hand_on(tally.upload.notification())
                return None
            if work.is_unwritten:
                raise Transient(f"{tally.upload.key}: table or quarantine too busy for the lines after {start.number}")
            if not (work.is_compressed and start.offset):
                raise Transient(
                    f"{tally.upload.key}: no time left at line {start.number}; the function's timeout must be well "
                    f"over {MIN_TIME_LEFT_MS // 1000} s"
                )
            failures.append(
                InvalidMessage("the file takes too long to unpack: upload it uncompressed, or in several files")
            )
        if not failures and not tally.accepted and not tally.rejected:
            failures.append(InvalidMessage("the file holds no items"))
        # if it is still held; else another invocation finishes the file
        work.checkpoints.keep(tally.checkpoint(), released=True)
        return self._finish(tally, failures)

    def _finish(self, tally: Tally, failures: list[TailraceError]) -> Item | None:
        receipt = tally.receipt(failures, self.clock)
        if not Receipts(self.s3).write(tally.upload, receipt):  # a later upload was faster: its receipt stays
            return None
        count_metrics(
            LinesAccepted=tally.accepted,
            ItemsQuarantined=tally.rejected,
            FilesRefused=int(receipt.get("failure", REPLACED) != REPLACED),
        )
        return receipt

    def _attempt(self, step: Callable[[], None], work: _Work) -> list[TailraceError]:
        """Take a step of a load, and return what is wrong with the file as a whole, if anything."""
        try:
            step()
        except OutOfTime:
            work.is_out_of_time = True
        except (InvalidMessage, NotFound, WritesOff) as error:
            return [error]
        return []

    def _read(self, work: _Work) -> None:
        if not self.writes_items:
            raise WritesOff
        tally, require_time = work.tally, work.clock.require
        collection = self.pipeline.collection(tally.upload.collection)
        form, named_gzip = detect_format(tally.upload.key)
        body = io.BufferedReader(ObjectReader(self.s3, work.version, require_time))
        text = unpacked(body, named_gzip=named_gzip, encoding=work.version.encoding, before_next=require_time)
        work.is_compressed = text is not body
        reader = LineReader(
            text, form, collection.compiled, collection.id_columns, tally.bookmark, keys=collection.keys
        )
        work.expiry_name = reader.expiry
        try:
            for line in reader:
                self._process(line, work)
                tally.buffered_lines += 1
                tally.buffered_bytes += line.size
                is_full = tally.buffered_lines >= _FLUSH_LINES or tally.buffered_bytes >= _FLUSH_BYTES
                if is_full or work.clock.is_checkpoint_due():
                    tally.bookmark = reader.bookmark
                    require_time()
                    self._flush_current(work)
        finally:
            tally.bookmark = reader.bookmark

    def _process(self, line: Line | BadLine, work: _Work) -> None:
        tally = work.tally
        if isinstance(line, BadLine):
            tally.refuse(line, (line.violation,))
            return
        try:
            collection, upload = tally.upload.collection, tally.upload
            stored = arriving(
                self.pipeline, collection, line.id, StoredItem(line.item, line.expires_at), upload.uploaded_at
            )
            row = validated_row(self.pipeline, collection, line.id, stored, work.expiry_name)
        except InvalidItem as error:
            tally.refuse(line, error.violations)
        except InvalidMessage as error:
            tally.refuse(line, (Violation("/id", "id", str(error)),))
        else:
            if line.id in tally.rows:  # two lines for one item must be written in order
                if work.clock.remaining_ms() <= work.checked_at_ms - _CHECK_EVERY_MS:
                    self._require_current(work)
                self._flush(work)
            tally.rows[line.id] = (line, row)
            tally.accepted += 1

    def _require_current(self, work: _Work) -> None:
        """Give up what the tally holds if a later upload has replaced the file: its items may be written already."""
        tally = work.tally
        try:
            work.version.require_current(self.s3)
        except ObjectReplaced:
            tally.accepted -= len(tally.rows)
            tally.rows.clear()
            self._flush(work)  # what was refused stays refused
            raise
        work.checked_at_ms = work.clock.remaining_ms()

    def _flush_current(self, work: _Work) -> None:
        """Write what the tally holds, unless a later upload has replaced the file."""
        tally = work.tally
        self._require_current(work)
        self._flush(work)
        tally.buffered_lines = tally.buffered_bytes = 0
        work.written = tally.checkpoint()
        if work.clock.is_checkpoint_due():
            work.checkpoints.keep(work.written)
            work.clock.start_anew()

    def _flush(self, work: _Work) -> None:
        tally = work.tally
        lines = [line for line, _ in tally.rows.values()]
        rows = [row for _, row in tally.rows.values()]
        keys = self.pipeline.collection(tally.upload.collection).keys if rows else PLAIN
        try:
            rejections = put_all_or_raise(
                self.dynamodb,
                self.items_table,
                rows,
                keys=keys,
                before_call=work.checkpoints.require_held,
                has_time=work.clock.allows_call,
            )
        except Transient:
            self._require_call(work)
            raise
        self.count_accepted(len(lines) - len(rejections))
        refused = {rejection.position for rejection in rejections}
        log_written(row for position, row in enumerate(rows) if position not in refused)
        for rejection in rejections:
            tally.accepted -= 1
            tally.refuse(lines[rejection.position], (Violation("", "table", rejection.reason),))
        if put_objects(self.s3, self.failures_bucket, tally.quarantine_reports, has_time=work.clock.allows_call):
            self._require_call(work)
            raise Transient("quarantine cannot be written now")
        tally.rows.clear()
        tally.quarantine_reports.clear()

    def _require_call(self, work: _Work) -> None:
        if not work.clock.allows_call():
            work.is_unwritten = True
            raise OutOfTime

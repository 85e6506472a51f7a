"""Checkpoints of files: where to continue, what became of earlier lines, and who continues."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field
from msgspec.structs import asdict

from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.runtime.telemetry import logger
from tailrace.aws.stages.receipts import CONDITION_FAILED, MISSING, Upload, is_later
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage, TailraceError, Transient
from tailrace.inputs.raw_lines import Bookmark
from tailrace.outputs.inbox_keys import checkpoint_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_ATTEMPTS = 5
_LEASE_MS = 10_000
"""How long after its last checkpoint an invocation may begin a call that writes items: twice the time between two."""
_FIRST_LOOK_S = 1
"""When an invocation that waits for the end of a lease first looks for the holder's next checkpoint; then doubled."""
_CALL_MS = 35_000
"""What such a call takes at most, with the SDK's retries; see :mod:`tailrace.aws.runtime.clients`."""


class FileTakenOver(TailraceError):
    """Another invocation loads the file now."""


class Checkpoint(Struct, frozen=True):
    """The outcome of a file's lines up to a place; what they contained is written."""

    started_at: str
    offset: int = 0
    number: int = 0
    accepted: int = 0
    rejected: int = 0
    errors: list[Item] = field(default_factory=list)

    @property
    def bookmark(self) -> Bookmark:
        """The place."""
        return Bookmark(self.offset, self.number)


class Checkpoints(Struct):
    """The checkpoint of an upload, as an object that one invocation at a time holds.

    Every write is conditional on the object's last content that the holder knows. So an invocation that starts while
    another one loads the same file takes the file over: the next checkpoint of the other one fails, and it ends.
    Until then, it may still write items. So the one that takes over waits until the other's lease has ended, unless the
    other one has released the file; who works on for longer than a lease without a checkpoint renews it first. If the
    other one has written a checkpoint meanwhile, it is alive, and a file that it loads for the same upload is its own.

    ``etag`` is that of the file, ``holder`` a name that differs for each invocation. ``remaining_ms`` is the time that
    the invocation has left, ``clock`` tells the time, and ``sleep`` waits for some seconds.
    """

    s3: "S3Client"
    upload: Upload
    etag: str
    holder: str
    remaining_ms: Callable[[], int]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    _condition: dict[str, Any] | None = None
    _leased_s: float = 0  # how long another invocation may still write
    _kept: Checkpoint | None = None
    _kept_at_ms: int = 0
    _writes: int = 0  # no two of them store the same content
    _is_lost: bool = False
    _renewing: Lock = field(default_factory=Lock)

    def find(self) -> Checkpoint | None:
        """Return the checkpoint; None if there is none.

        Raises:
            FileTakenOver: it is that of a later upload.
        """
        found = self._read()
        if self.upload.sequencer and is_later(str(found.get("sequencer", "")), self.upload.sequencer):
            raise FileTakenOver
        if found.get("sequencer") != self.upload.sequencer or found.get("etag") != self.etag:
            return None
        return Checkpoint(**{name: found[name] for name in Checkpoint.__struct_fields__})

    def take(self, beginning: Checkpoint) -> Checkpoint:
        """Take the file over, and return the checkpoint to continue from; the given one if there is none.

        Raises:
            FileTakenOver: a later upload, or another invocation of this moment, has the file.
        """
        found = self.find()
        if self._leased_s > 0:
            waits = {"key": self.upload.key, "seconds": round(self._leased_s)}
            logger().info("another invocation may still write items of the file; waiting", extra=waits)
            found = self._find_after_wait(found)
        if found is None or not (self.upload.sequencer or self.upload.continued):
            found = beginning  # the checkpoint may be that of an earlier upload with the same content
        self.keep(found)
        if self._leased_s > 0:  # the holder's at this moment, of an earlier upload: it may still write what it has read
            self.sleep(self._leased_s)
        return found

    def _find_after_wait(self, found: Checkpoint | None) -> Checkpoint | None:
        """Wait until the lease has ended, or the checkpoint changes, and return it; None if it is not of this upload.

        Who waits before the file is taken interrupts nobody: a holder that is alive goes on, and releases the file.

        Raises:
            FileTakenOver: another invocation loads this upload, and is alive.
        """
        known, left_s, pause_s = self._condition, self._leased_s, _FIRST_LOOK_S
        while left_s > 0:
            self.sleep(min(left_s, pause_s))
            left_s, pause_s = left_s - pause_s, 2 * pause_s
            found = self.find()
            if self._condition != known:
                if self._leased_s > 0 and found is not None and self.upload.sequencer:
                    raise FileTakenOver
                return found
        self._leased_s = 0
        return found

    def end(self, beginning: Checkpoint) -> Checkpoint:
        """Take the file over from whoever loads it, to load no more of it; otherwise like :meth:`take`."""
        found = self.take(beginning)
        self.release()
        return found

    def require_held(self) -> None:
        """Renew the lease if it has ended; called before each call that writes items, by any thread.

        Raises:
            FileTakenOver: another invocation has taken the file over.
            Transient: the lease cannot be renewed now.
        """
        with self._renewing:
            if self._is_lost:
                raise FileTakenOver
            while self._kept is not None and self._kept_at_ms - self.remaining_ms() > _LEASE_MS:
                self.keep(self._kept)  # which may take long, too

    def release(self) -> None:
        """Let others take the file over at once, if it can be said now: this invocation writes no more items."""
        if self._kept is not None and not self._is_lost:
            with suppress(TailraceError):
                self.keep(self._kept, released=True)

    def keep(self, checkpoint: Checkpoint, *, released: bool = False) -> None:
        """Write a checkpoint; ``released`` if this invocation writes no more items.

        Raises:
            FileTakenOver: another invocation has taken the file over.
            Transient: it cannot be written now.
        """
        if self._condition is None:
            self.find()
        self._kept = checkpoint  # even if the response is lost
        self._writes += 1
        about = {"file": self.upload.key, "etag": self.etag, "sequencer": self.upload.sequencer, "holder": self.holder}
        body = dumps(about | {"released": released, "writes": self._writes} | asdict(checkpoint)).encode()
        for _ in range(_MAX_ATTEMPTS):
            sent_at_ms = self.remaining_ms()
            if self._put(body):
                self._kept_at_ms = sent_at_ms
                return
            found = self._read()
            if found.get("holder", self.holder) != self.holder and not self._is_of_earlier_upload(found):
                self._is_lost = True  # for other threads: the condition is now that of the other invocation
                raise FileTakenOver
            # the object is gone, an earlier upload has written it once more (and will stop, because its file was
            # replaced), or an earlier attempt was written although its response was lost
        raise Transient(f"{self._key}: cannot be written now")

    def _is_of_earlier_upload(self, found: Item) -> bool:
        sequencer = str(found.get("sequencer", ""))
        return bool(sequencer and self.upload.sequencer) and is_later(self.upload.sequencer, sequencer)

    @property
    def _key(self) -> str:
        return checkpoint_key(self.upload.key)

    def _read(self) -> Item:
        """Return what is stored, nothing if it cannot be used; the next write is conditional on it."""
        try:
            answer = self.s3.get_object(Bucket=self.upload.bucket, Key=self._key)
            body = answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if not has_code(error, *MISSING):
                raise translate(error) from error
            self._condition, self._leased_s = {"IfNoneMatch": "*"}, 0
            return {}
        self._condition = {"IfMatch": answer["ETag"]}
        try:
            found = loads(body)
        except InvalidMessage:
            found = None
        found = found if isinstance(found, dict) else {}
        # its own is what an earlier attempt has stored: the lease of the holder before it still counts
        if found.get("holder") != self.holder:
            self._leased_s = 0 if found.get("released") is True else self._rest_of_lease_s(answer["LastModified"])
        return found

    def _rest_of_lease_s(self, written_at: datetime) -> float:
        """Return how long the holder of a checkpoint may still write; both clocks are exact to a second or two."""
        longest = (_LEASE_MS + _CALL_MS) / 1000
        return min(longest, longest - (self.clock() - written_at).total_seconds())

    def _put(self, body: bytes) -> bool:
        place: Any = {"Bucket": self.upload.bucket, "Key": self._key, "ContentType": "application/json"}
        try:
            answer = self.s3.put_object(Body=body, **place, **(self._condition or {}))
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *CONDITION_FAILED):
                return False
            raise translate(error) from error
        self._condition = {"IfMatch": answer["ETag"]}
        return True

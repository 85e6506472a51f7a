"""Checkpoints of files: where to continue, what became of earlier lines, and who continues."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field
from msgspec.structs import asdict

from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.stages.receipts import CONDITION_FAILED, MISSING, Upload, is_later
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage, TailraceError, Transient
from tailrace.inputs.raw_lines import Bookmark
from tailrace.outputs.inbox_keys import checkpoint_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_ATTEMPTS = 5


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

    ``etag`` is that of the file, ``holder`` a name that differs for each invocation.
    """

    s3: "S3Client"
    upload: Upload
    etag: str
    holder: str
    _condition: dict[str, Any] | None = None

    def find(self) -> Checkpoint | None:
        """Return the checkpoint; None if there is none.

        Raises:
            Overtaken: it is that of a later upload.
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
            Overtaken: a later upload, or another invocation of this moment, has the file.
        """
        found = self.find() or beginning
        if not self.upload.sequencer and not self.upload.continued:
            found = beginning  # the checkpoint may be that of an earlier upload with the same content
        self.keep(found)
        return found

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint.

        Raises:
            Overtaken: another invocation has taken the file over.
            Transient: it cannot be written now.
        """
        if self._condition is None:
            self.find()
        about = {"file": self.upload.key, "etag": self.etag, "sequencer": self.upload.sequencer, "holder": self.holder}
        body = dumps(about | asdict(checkpoint)).encode()
        for _ in range(_MAX_ATTEMPTS):
            if self._put(body):
                return
            found = self._read()
            if found.get("holder", self.holder) != self.holder and not self._is_of_earlier_upload(found):
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
            self._condition = {"IfNoneMatch": "*"}
            return {}
        self._condition = {"IfMatch": answer["ETag"]}
        try:
            found = loads(body)
        except InvalidMessage:
            return {}
        return found if isinstance(found, dict) else {}

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

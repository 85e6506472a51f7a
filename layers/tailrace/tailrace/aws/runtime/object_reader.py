"""Reads one version of a bucket's object as a file, a range at a time: no connection stays open, no more is held."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.runtime.errors import has_code, translate
from tailrace.errors import InvalidMessage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RANGE_BYTES = 4 * 1024 * 1024
_MISSING = ("NoSuchKey", "404")
_REPLACED = ("PreconditionFailed", "412")

REPLACED = "the file was replaced while it was read; the new upload is loaded on its own"
"""The reason why the rest of a file is not read although nothing is wrong and no action is needed."""


class ObjectReplaced(InvalidMessage):
    """The object was replaced, or deleted, after its reader had begun."""

    def __init__(self, reason: str = REPLACED) -> None:
        super().__init__(reason)


class ObjectDeleted(ObjectReplaced):
    """The object was deleted after its reader had begun."""

    def __init__(self) -> None:
        super().__init__("the file was deleted while it was read: upload it again")


class StoredVersion(Struct, frozen=True):
    """One version of an object, as the bucket describes it. ``encoding`` is its Content-Encoding."""

    bucket: str
    key: str
    etag: str
    size: int
    encoding: str

    @classmethod
    def find(cls, client: "S3Client", bucket: str, key: str) -> "StoredVersion | None":
        """Return the current version of an object; None if there is none."""
        try:
            found = client.head_object(Bucket=bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *_MISSING):
                return None
            raise translate(error) from error
        return cls(bucket, key, found["ETag"].strip('"'), found["ContentLength"], found.get("ContentEncoding", ""))

    def require_current(self, client: "S3Client") -> None:
        """Check that the object still has this content.

        Raises:
            ObjectReplaced: it does not.
            ObjectDeleted: the object no longer exists.
        """
        current = StoredVersion.find(client, self.bucket, self.key)
        if current is None:
            raise ObjectDeleted
        if current.etag != self.etag:
            raise ObjectReplaced


class ObjectReader(io.RawIOBase):
    """The bytes of one version. ``before_next`` is called before each range except the first."""

    def __init__(self, client: "S3Client", version: StoredVersion, before_next: Callable[[], None]) -> None:
        self._client = client
        self._version = version
        self._before_next = before_next
        self._range = memoryview(b"")
        self.position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self.position - len(self._range)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Continue at an offset from the beginning."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation
        self.position, self._range = offset, memoryview(b"")
        return offset

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer and return the number of bytes, 0 at the end.

        Raises:
            ObjectReplaced: the object has another content now.
            ObjectDeleted: the object no longer exists.
            Transient: the bucket did not respond, or its response broke off.
        """
        if not self._range:
            self._range = memoryview(self._next_range())
        count = min(len(buffer), len(self._range))
        buffer[:count], self._range = self._range[:count], self._range[count:]
        return count

    def _next_range(self) -> bytes:
        if self.position >= self._version.size:
            return b""
        if self.position:
            self._before_next()
        last = min(self.position + RANGE_BYTES, self._version.size) - 1
        try:
            response = self._client.get_object(
                Bucket=self._version.bucket,
                Key=self._version.key,
                Range=f"bytes={self.position}-{last}",
                IfMatch=f'"{self._version.etag}"',
            )
            found = response["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *_MISSING):
                raise ObjectDeleted from error
            if has_code(error, *_REPLACED):
                raise ObjectReplaced from error
            raise translate(error) from error
        self.position += len(found)
        return found

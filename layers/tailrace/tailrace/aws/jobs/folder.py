"""A job's folder in the history bucket: lines of JSON that one part writes and others read.

Objects are named by their content's origin: a part that runs twice writes the same objects again. Where it could meet
something else the second time, it writes once, or under a name of its own that the job's item or a manifest holds.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.runtime.errors import has_code, map_aws_errors, translate
from tailrace.aws.runtime.pages import all_objects
from tailrace.errors import Permanent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EXISTS = ("PreconditionFailed", "412")
_GONE = "NoSuchKey"


class Folder(Struct, frozen=True):
    """The folder of a job.

    Raises (each method):
        Transient: the bucket cannot be used now.
        Permanent: the bucket rejects the request.
    """

    client: "Callable[[], S3Client]"
    bucket: str
    root: str

    def write(self, path: str, lines: Iterable[bytes]) -> None:
        """Write an object of lines."""
        with map_aws_errors():
            self.client().put_object(Bucket=self.bucket, Key=f"{self.root}/{path}", Body=b"\n".join(lines))

    def write_once(self, path: str, lines: Iterable[bytes]) -> None:
        """Write an object of lines unless it exists: among several runs of a part, the first to end counts."""
        try:
            self.client().put_object(
                Bucket=self.bucket, Key=f"{self.root}/{path}", Body=b"\n".join(lines), IfNoneMatch="*"
            )
        except (ClientError, BotoCoreError) as error:
            if not has_code(error, *_EXISTS):
                raise translate(error) from error

    def lines(self, path: str) -> list[bytes]:
        """Return the lines of an object."""
        return self.lines_of(f"{self.root}/{path}")

    def lines_if_any(self, path: str) -> list[bytes] | None:
        """Return the lines of an object; None if it does not exist."""
        try:
            return self.lines(path)
        except Permanent as error:
            if isinstance(error.__cause__, ClientError) and has_code(error.__cause__, _GONE):
                return None
            raise

    def all_lines(self, prefix: str) -> Iterator[bytes]:
        """Yield the lines of all objects in a folder, in the order of their names."""
        for key in self.keys(prefix):
            yield from self.lines_of(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys of all objects in a folder."""
        return (entry["Key"] for entry in all_objects(self.client(), self.bucket, f"{self.root}/{prefix}/"))

    def lines_of(self, key: str) -> list[bytes]:
        """Return the lines of an object, by its key."""
        with map_aws_errors():
            body = self.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body.split(b"\n") if body else []

"""The journal in its bucket: one object for each invocation and boundary, under ``journal/<boundary>/<shard>/``."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from msgspec import Struct

from tailrace.aggregation.marks import encode_sequence
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.pages import all_objects
from tailrace.backfill.journal import JournalObject, decode, encode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JOURNAL = "journal/"
"""The beginning of the keys of journal objects."""

SENTINEL_NOTES = "journal/~sentinels/"
"""The beginning of the keys that note sentinels."""


class JournalBucket(Struct, frozen=True):
    """Writes, lists and reads journal objects.

    Raises (each method):
        Transient: the bucket cannot be used now.
        Permanent: the bucket rejects the request.
    """

    client: Callable[[], "S3Client"]
    bucket: str

    def put(self, written: JournalObject) -> None:
        """Store an object once for each boundary that it was written for."""
        body = encode(written)
        for boundary in dict.fromkeys(writer.boundary for writer in written.writers):
            key = f"{JOURNAL}{boundary}/{written.shard}/{written.name}"
            with map_aws_errors():
                self.client().put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def note_sentinels(self, boundary: str, shard: str, sentinels: Iterable[tuple[str, int]]) -> None:
        """Note where in a shard sentinels (key, sequence number) were read, in the name of an empty object."""
        for name, sequence in sentinels:
            key = f"{SENTINEL_NOTES}{boundary}/{quote(name, safe='')}/{shard}/{encode_sequence(sequence)}"
            with map_aws_errors():
                self.client().put_object(Bucket=self.bucket, Key=key, Body=b"")

    def sentinels(self, boundary: str) -> Iterator[tuple[str, str, str]]:
        """Yield the noted sentinels: each one's key, its shard, and its sequence number as marks have it."""
        for key in self._list(f"{SENTINEL_NOTES}{boundary}/"):
            _, _, _, name, shard, sequence = key.split("/")
            yield unquote(name), shard, sequence

    def keys(self, boundary: str, after: str = "") -> Iterator[str]:
        """Yield the keys of a boundary's objects after a key, in the order of shards and sequence numbers.

        An object is among them if its page is listed after it was written.
        """
        return self._list(f"{JOURNAL}{boundary}/", after)

    def _list(self, prefix: str, after: str = "") -> Iterator[str]:
        return (entry["Key"] for entry in all_objects(self.client(), self.bucket, prefix, after))

    def read(self, key: str) -> JournalObject:
        """Read an object."""
        with map_aws_errors():
            return decode(self.client().get_object(Bucket=self.bucket, Key=key)["Body"].read())

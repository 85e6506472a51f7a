"""Uploads to the inbox, and their receipts: which of two uploads of a file came later, and what became of each."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.runtime.errors import has_code, translate
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage, Transient
from tailrace.outputs.inbox_keys import INBOX, receipt_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MISSING = ("NoSuchKey", "404")
CONDITION_FAILED = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409", *MISSING)
"""Codes of a conditional write to an object that another writer has changed, or changes at this moment."""

_CREATED = "ObjectCreated:"
_MAX_ATTEMPTS = 5


class Upload(Struct, frozen=True):
    """A file as the bucket's notification describes it.

    ``sequencer`` differs for each upload to the same key; ``uploaded_at`` is the time of the upload, ISO 8601 in UTC.
    ``etag`` is "" if the notification lacks it. ``continued`` says that this is not the first invocation for it: an
    earlier one has handed it on.
    """

    bucket: str
    key: str
    sequencer: str
    uploaded_at: str
    etag: str = ""
    continued: bool = False

    @property
    def collection(self) -> str:
        """The collection that the file's items belong to: the first folder in the inbox."""
        return self.key.removeprefix(INBOX).partition("/")[0]

    def notification(self) -> dict[str, Any]:
        """Return a notification for the next invocation that loads this file."""
        described = {"key": quote_plus(self.key, safe="/"), "sequencer": self.sequencer, "eTag": self.etag}
        place = {"bucket": {"name": self.bucket}, "object": described}
        return {"Records": [{"eventTime": self.uploaded_at, "s3": place, "continued": True}]}


def uploads(event: Mapping[str, Any]) -> Iterator[Upload]:
    """Yield the uploads of a notification that are files in the inbox."""
    for record in event.get("Records", ()):  # the bucket's own s3:TestEvent has none
        if not str(record.get("eventName", _CREATED)).removeprefix("s3:").startswith(_CREATED):
            continue  # a deletion, which may arrive after the next upload to the same key
        bucket, stored = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key = unquote_plus(stored["key"])
        if key.startswith(INBOX) and not key.endswith("/"):  # else a folder's marker
            sequencer, etag = str(stored.get("sequencer", "")), str(stored.get("eTag", "")).strip('"')
            yield Upload(bucket, key, sequencer, record["eventTime"], etag, "continued" in record)


class Receipts(Struct, frozen=True):
    """The receipts of a bucket's inbox."""

    s3: "S3Client"

    def supersede(self, upload: Upload) -> bool:
        """Tell whether this upload, or a later one to the same key, already has a receipt."""
        return _supersedes(self._read(upload)[0], upload)

    def write(self, upload: Upload, receipt: Item) -> bool:
        """Write an upload's receipt, and return True; False if this upload, or a later one, has one by now.

        Each attempt is conditional on the receipt that it replaces.

        Raises:
            Transient: it cannot be written now.
        """
        body = dumps(receipt).encode()
        for attempt in range(_MAX_ATTEMPTS):
            found, condition = self._read(upload)
            if attempt and found == body:  # an earlier attempt was written although its response was lost
                return True
            if _supersedes(found, upload):
                return False
            if self._put(upload, body, condition):
                return True
        raise Transient("the receipt cannot be written now")

    def _read(self, upload: Upload) -> tuple[bytes, dict[str, Any]]:
        """Return the receipt of the file, empty if there is none, and the condition that no other one exists."""
        try:
            answer = self.s3.get_object(Bucket=upload.bucket, Key=receipt_key(upload.key))
            return answer["Body"].read(), {"IfMatch": answer["ETag"]}
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *MISSING):
                return b"", {"IfNoneMatch": "*"}
            raise translate(error) from error

    def _put(self, upload: Upload, body: bytes, condition: dict[str, Any]) -> bool:
        place: Any = {"Bucket": upload.bucket, "Key": receipt_key(upload.key), "ContentType": "application/json"}
        try:
            self.s3.put_object(Body=body, **place, **condition)
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *CONDITION_FAILED):
                return False
            raise translate(error) from error
        return True


def _supersedes(body: bytes, upload: Upload) -> bool:
    try:
        receipt = loads(body)
    except InvalidMessage:
        return False
    loaded = receipt.get("sequencer") if isinstance(receipt, dict) else None
    if not upload.sequencer or not isinstance(loaded, str) or not loaded:
        return False
    return not is_later(upload.sequencer, loaded)


def is_later(sequencer: str, other: str) -> bool:
    """Tell whether an upload came after another one to the same key: hexadecimal, the shorter padded on the right.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    width = max(len(sequencer), len(other))
    return sequencer.upper().ljust(width, "0") > other.upper().ljust(width, "0")

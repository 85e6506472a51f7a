"""Stores objects in buckets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.runtime.errors import map_aws_errors, translate
from tailrace.aws.runtime.parallel import run_all
from tailrace.errors import Transient
from tailrace.outputs.stored_object import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_THREADS = 8
_MAX_FAILURES = 8

PART_BYTES = 16 * 1024**2
"""How much of an object that is stored in parts is held in memory. S3 takes 10,000 parts, of at least 5 MiB each except
the last one: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""


def put_objects(
    client: "S3Client", bucket: str, objects: Sequence[StoredObject], *, has_time: Callable[[], bool] = lambda: True
) -> list[int]:
    """Store objects, several at a time, and return the positions of those that could not be stored now.

    After several failures, each of which includes the SDK's retries, the remaining objects are not tried, nor are those
    for which ``has_time`` is false. This bounds the total time, however many objects there are.

    Raises:
        Permanent: the bucket rejects an object; others may have been stored.
    """
    failures: list[str] = []
    stored_now = run_all([partial(_put, client, bucket, one, failures, has_time) for one in objects], _THREADS)
    return [position for position, done in enumerate(stored_now) if not done]


def put_lines(client: "S3Client", bucket: str, key: str, lines: Iterable[bytes]) -> None:
    """Store lines as one object, in memory that does not grow with their number.

    The object is there when all of it is. The bucket removes the parts of an upload that was not completed.

    Raises:
        Transient: the bucket cannot be used now.
        Permanent: the bucket rejects a request.
    """
    parts = _parts(lines)
    first, second = next(parts, b""), next(parts, None)
    with map_aws_errors():
        if second is None:
            client.put_object(Bucket=bucket, Key=key, Body=first)
            return
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    done: list[CompletedPartTypeDef] = []
    for number, part in enumerate(chain((first, second), parts), 1):
        with map_aws_errors():
            stored = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)
        done.append({"PartNumber": number, "ETag": stored["ETag"]})
    with map_aws_errors():
        client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})


def _parts(lines: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for line in lines:
        held += line + b"\n"
        if len(held) >= PART_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _put(
    client: "S3Client", bucket: str, stored_object: StoredObject, failures: list[str], has_time: Callable[[], bool]
) -> bool:
    if len(failures) >= _MAX_FAILURES or not has_time():
        return False
    try:
        client.put_object(
            Bucket=bucket, Key=stored_object.key, Body=stored_object.body, ContentType=stored_object.content_type
        )
    except (ClientError, BotoCoreError) as error:
        failures.append(stored_object.key)
        failure = translate(error)
        if isinstance(failure, Transient):
            return False
        raise failure from error
    return True

"""Stores objects in buckets."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.runtime.errors import translate
from tailrace.aws.runtime.parallel import run_all
from tailrace.errors import Transient
from tailrace.outputs.stored_object import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THREADS = 8
_MAX_FAILURES = 8


def put_objects(client: "S3Client", bucket: str, objects: Sequence[StoredObject]) -> list[int]:
    """Store objects, several at a time, and return the positions of those that could not be stored now.

    After several failures, each of which includes the SDK's retries, the remaining objects are not tried. This bounds
    the total time, however many objects there are.

    Raises:
        Permanent: the bucket rejects an object; others may have been stored.
    """
    failures: list[str] = []
    stored_now = run_all([partial(_put, client, bucket, one, failures) for one in objects], _THREADS)
    return [position for position, done in enumerate(stored_now) if not done]


def _put(client: "S3Client", bucket: str, stored_object: StoredObject, failures: list[str]) -> bool:
    if len(failures) >= _MAX_FAILURES:
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

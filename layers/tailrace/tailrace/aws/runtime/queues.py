"""Sends messages to queues."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.runtime.errors import KMS_THROTTLED, TRANSIENT_CODES, has_code, translate
from tailrace.errors import Permanent, Transient

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_MAX_ENTRIES = 10
_MAX_BYTES = 1_000_000  # a request may hold 1 MiB (1,048,576 bytes); the rest is for its envelope
_MAX_ATTEMPTS = 4
_FIRST_BACKOFF_S = 0.1


def send_messages(
    client: "SQSClient",
    queue: str,
    bodies: Sequence[str],
    *,
    has_time: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], None] = time.sleep,
) -> list[int]:
    """Send messages and return the positions of those that could not be sent, in order.

    Every entry of each response is checked; failed entries alone are retried with back-off. After a message has failed
    all its attempts, the remaining ones are not tried, nor are those for which ``has_time`` is false. This bounds the
    total time, however many messages there are; the caller's source redelivers them.

    Raises:
        Permanent: the queue rejects the call or a message.
    """
    failed: list[int] = []
    for positions in _batches(bodies):
        if failed or not has_time():
            failed.extend(positions)
        else:
            wanted = {position: bodies[position] for position in positions}
            failed.extend(_send_with_retries(client, queue, wanted, has_time, sleep))
    return failed


def _send_with_retries(
    client: "SQSClient",
    queue: str,
    bodies: Mapping[int, str],
    has_time: Callable[[], bool],
    sleep: Callable[[float], None],
) -> Sequence[int]:
    unsent = list(bodies)
    for attempt in range(_MAX_ATTEMPTS):
        if attempt:
            # full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            sleep(random.uniform(0, _FIRST_BACKOFF_S * 2**attempt))  # noqa: S311 - jitter, not cryptography
        try:
            unsent = _send_batch(client, queue, {position: bodies[position] for position in unsent})
        except Transient:
            return unsent  # the SDK has already retried the whole call
        if not unsent or not has_time():
            break
    return unsent


def _send_batch(client: "SQSClient", queue: str, bodies: Mapping[int, str]) -> list[int]:
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {"Id": str(position), "MessageBody": body} for position, body in bodies.items()
    ]
    try:
        response = client.send_message_batch(QueueUrl=queue, Entries=entries)
    except (ClientError, BotoCoreError) as error:
        if has_code(error, *KMS_THROTTLED):  # like failed entries: the SDK does not retry it
            return list(bodies)
        raise translate(error) from error
    failed = response.get("Failed", [])
    for entry in failed:
        if entry["SenderFault"] and entry["Code"] not in TRANSIENT_CODES:
            raise Permanent(f"the queue rejects a message: {entry['Code']}: {entry.get('Message', '')}")
    return sorted(int(entry["Id"]) for entry in failed)


def _batches(bodies: Sequence[str]) -> Iterator[list[int]]:
    """Split the positions of the messages into requests within the limits of entries and bytes."""
    batch: list[int] = []
    size = 0
    for position, body in enumerate(bodies):
        length = len(body.encode())
        if batch and (len(batch) == _MAX_ENTRIES or size + length > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(position)
        size += length
    if batch:
        yield batch

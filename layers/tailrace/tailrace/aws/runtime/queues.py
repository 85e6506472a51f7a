"""Messages into queues."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.errors import Permanent, Transient

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_MAX_ENTRIES = 10
_MAX_BYTES = 1_000_000  # a request may hold 1 MiB (1,048,576 bytes); the rest is for its frame
_MAX_ATTEMPTS = 4
_FIRST_BACKOFF_S = 0.1


def send(
    client: "SQSClient", queue: str, bodies: Sequence[str], *, sleep: Callable[[float], None] = time.sleep
) -> list[int]:
    """Send messages and return the positions of those that could not be sent, in order.

    Each entry of each answer is looked at: what the queue failed to take is sent again, by itself, after a pause. Once
    the queue has not taken a message for all that, the rest is not even tried, so that the time that this can take is
    bounded however many messages there are: the caller's source delivers them again.

    Raises:
        Permanent: the queue refuses the call, or one of the messages, for good.
    """
    failed: list[int] = []
    for positions in _requests(bodies):
        failed.extend(positions if failed else _send_all(client, queue, {p: bodies[p] for p in positions}, sleep))
    return failed


def _send_all(
    client: "SQSClient", queue: str, bodies: Mapping[int, str], sleep: Callable[[float], None]
) -> Sequence[int]:
    left = list(bodies)
    for attempt in range(_MAX_ATTEMPTS):
        if attempt:
            # full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
            sleep(random.uniform(0, _FIRST_BACKOFF_S * 2**attempt))  # noqa: S311 - spreads retries, hides nothing
        try:
            left = _send(client, queue, {position: bodies[position] for position in left})
        except Transient:
            return left  # the SDK has tried the call as a whole often enough
        if not left:
            break
    return left


def _send(client: "SQSClient", queue: str, bodies: Mapping[int, str]) -> list[int]:
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {"Id": str(position), "MessageBody": body} for position, body in bodies.items()
    ]
    with map_aws_errors():
        answer = client.send_message_batch(QueueUrl=queue, Entries=entries)
    failed = answer.get("Failed", [])
    for entry in failed:
        if entry["SenderFault"]:
            raise Permanent(f"the queue refuses a message: {entry['Code']}: {entry.get('Message', '')}")
    return sorted(int(entry["Id"]) for entry in failed)


def _requests(bodies: Sequence[str]) -> Iterator[list[int]]:
    """Cut the positions of the messages into requests within the limits of entries and of bytes."""
    held: list[int] = []
    size = 0
    for position, body in enumerate(bodies):
        length = len(body.encode())
        if held and (len(held) == _MAX_ENTRIES or size + length > _MAX_BYTES):
            yield held
            held, size = [], 0
        held.append(position)
        size += length
    if held:
        yield held

"""The deadline of a request: no call begins that could be killed with the function, with an unknown effect."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tailrace.aws.runtime.clients import impatient_client
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LONGEST_CALL_MS = 27_500
"""The time of a call without a response, with all attempts; the first call of a request has more."""

_LONGEST_LATE_CALL_MS = 11_500


def time_requirement(remaining_ms: Callable[[], int]) -> "Callable[[], DynamoDBClient | None]":
    """Return the check before each call of the items table.

    The check returns a client for a call that must be short, and None for others.
    """

    def require_time() -> "DynamoDBClient | None":
        left = remaining_ms()
        if left >= _LONGEST_CALL_MS:
            return None
        if left < _LONGEST_LATE_CALL_MS:
            raise Transient("the items table was too slow for another call, which was not made")
        return impatient_client("dynamodb")

    return require_time

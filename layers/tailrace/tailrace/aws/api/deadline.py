"""The deadline of a request: no call begins that could be killed with the function, with an unknown effect."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tailrace.aws.runtime.clients import impatient_client
from tailrace.aws.runtime.deadlines import chosen
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LONGEST_CALL_MS = 27_500
"""The time of a call without a response, with all attempts; the first call of a request has more."""

_LONGEST_LATE_CALL_MS = 11_500


def in_request(client: "DynamoDBClient", remaining_ms: Callable[[], int]) -> "DynamoDBClient":
    """Return a client for the calls of a request: late ones are short, and it raises Transient when it is too late."""

    def choose() -> "DynamoDBClient":
        left = remaining_ms()
        if left >= _LONGEST_CALL_MS:
            return client
        if left < _LONGEST_LATE_CALL_MS:
            raise Transient("the table was too slow for another call, which was not made")
        return impatient_client("dynamodb")

    return chosen(client, choose)

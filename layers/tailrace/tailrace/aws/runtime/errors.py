"""Translates errors of the SDK into those of :mod:`tailrace.errors`; :mod:`tailrace.aws.items.store` adds one case."""

from types import TracebackType

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,  # noqa: A004 - botocore's, the parent of its time-outs and refused connections
    EventStreamError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tailrace.errors import Permanent, TailraceError, Transient

CONDITION_FAILED = "ConditionalCheckFailedException"
"""The code of a conditional write whose condition does not hold; DynamoDB writes nothing then."""

KMS_THROTTLED = ("KMS.ThrottlingException", "KmsThrottled", "KMSThrottlingException", "KmsThrottlingException")
"""Codes of S3, SQS, Lambda and Step Functions for a call that KMS throttles. The SDK does not retry them.

SQS names the error ``KmsThrottled``, but returns the code of its older query protocol, which is the first.
"""

TRANSIENT_CODES = frozenset(
    [
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "ServiceUnavailable",
        "SlowDown",
        "RequestTimeout",
        "RequestTimeoutException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "ItemCollectionSizeLimitExceededException",
        "TransactionInProgressException",
        "TransactionConflictException",
        "ReplicatedWriteConflictException",
        "OperationAborted",
        "ConditionalRequestConflict",
        "OverLimit",
        *KMS_THROTTLED,
        "RequestExpired",
        "RequestTimeTooSkewed",
        "EC2ThrottledException",
    ]
)
"""Error codes after which a retry may succeed; so may every 5xx and 429 response.

Throttling codes as botocore's standard retries list them, and those of DynamoDB, SQS and S3 that mean "not now".
"""

_TRANSIENT_TYPES = (
    ChecksumError,  # a response that was damaged on its way
    FlexibleChecksumError,
    ConnectionError,
    ConnectionClosedError,
    EventStreamError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

_SERVER_ERROR, _TOO_MANY = 500, 429


def map_aws_errors() -> "_Mapping":
    """Return a context that raises SDK errors as translated by :func:`translate`."""
    return _MAPPING


class _Mapping:
    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: TracebackType | None) -> None:
        if isinstance(error, ClientError | BotoCoreError):
            raise translate(error) from error


_MAPPING = _Mapping()


def has_code(error: ClientError | BotoCoreError, *codes: str) -> bool:
    """Tell whether AWS returned one of these error codes."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in codes


def translate(error: ClientError | BotoCoreError) -> TailraceError:
    """Translate an SDK error by its code, status or type, never by its message."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        transient = code in TRANSIENT_CODES or status >= _SERVER_ERROR or status == _TOO_MANY
        text = f"{error.operation_name}: {code} ({status})"
        return Transient(text) if transient else Permanent(f"{text}: {error}")
    if isinstance(error, _TRANSIENT_TYPES):
        return Transient(f"{type(error).__name__}: {error}")
    return Permanent(f"{type(error).__name__}: {error}")

"""The properties of an event source mapping, parsed once.

Names, defaults and limits are those of CreateEventSourceMapping:
https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from local.mapping.errors import MappingError
from local.mapping.filters import MATCH_ALL, Filter

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024
"""Lambda's limit for an invocation's payload (gettingstarted-limits)."""

STATE_LIMIT_BYTES = 1024 * 1024
"""Largest state of a tumbling window (services-ddb-windows)."""

RETENTION_S = 24 * 3600
"""How long a DynamoDB stream keeps a record (services-ddb-params)."""

MIN_RECORD_AGE_S = 60
"""Smallest MaximumRecordAgeInSeconds other than -1 (no limit)."""

MAX_RECEIVED_MESSAGES = 10
"""Most messages of one ReceiveMessage call. A larger batch takes several calls, and so needs a batching window."""

type Properties = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How one stream is read for one function.

    Times are in seconds, sizes in bytes. `maximum_retry_attempts` and `maximum_record_age_s` are -1 if the mapping sets
    no limit; the stream itself drops a record after `retention_s`.
    """

    batch_size: int = 100
    batching_window_s: float = 0
    tumbling_window_s: int = 0
    report_failures: bool = False
    bisect: bool = False
    maximum_retry_attempts: int = -1
    maximum_record_age_s: int = -1
    on_failure: str | None = None
    parallelization: int = 1
    filter: Filter = MATCH_ALL
    payload_limit: int = PAYLOAD_LIMIT_BYTES
    state_limit: int = STATE_LIMIT_BYTES
    retention_s: int = RETENTION_S

    @property
    def effective_record_age_s(self) -> int:
        """The age at which a record is discarded: the mapping's limit or the stream's retention, whichever is lower."""
        limit = self.maximum_record_age_s
        return self.retention_s if limit < 0 else min(limit, self.retention_s)

    @classmethod
    def parse(cls, properties: Properties) -> Self:
        """Parse the properties of a DynamoDB stream's mapping. Raises MappingError."""
        parallelization = _integer(properties, "ParallelizationFactor", 1, 1, 10)
        tumbling_window = _integer(properties, "TumblingWindowInSeconds", 0, 0, 900)
        if parallelization > 1 and tumbling_window:
            raise MappingError("TumblingWindowInSeconds requires a ParallelizationFactor of 1")
        age = _integer(properties, "MaximumRecordAgeInSeconds", -1, -1, 604_800)
        if -1 < age < MIN_RECORD_AGE_S:
            raise MappingError(f"MaximumRecordAgeInSeconds must be -1 or at least {MIN_RECORD_AGE_S}, not {age}")
        return cls(
            batch_size=_integer(properties, "BatchSize", 100, 1, 10_000),
            batching_window_s=_integer(properties, "MaximumBatchingWindowInSeconds", 0, 0, 300),
            tumbling_window_s=tumbling_window,
            report_failures=_reports_failures(properties),
            bisect=properties.get("BisectBatchOnFunctionError") is True,
            maximum_retry_attempts=_integer(properties, "MaximumRetryAttempts", -1, -1, 10_000),
            maximum_record_age_s=age,
            on_failure=_destination(properties),
            parallelization=parallelization,
            filter=Filter.parse(properties.get("FilterCriteria")),
        )


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How one queue is read for one function.

    `visibility_s` is the queue's VisibilityTimeout, `concurrency` the maximum number of concurrent invocations.
    """

    batch_size: int = 10
    batching_window_s: float = 0
    report_failures: bool = False
    fifo: bool = False
    visibility_s: float = 30
    concurrency: int = 5
    filter: Filter = MATCH_ALL
    payload_limit: int = PAYLOAD_LIMIT_BYTES

    @classmethod
    def parse(cls, properties: Properties, *, fifo: bool, visibility_s: float) -> Self:
        """Parse the properties of an SQS queue's mapping. Raises MappingError.

        The concurrency is ScalingConfig's. The default is the five invocations that Lambda starts with
        (services-sqs-scaling).
        """
        size = _integer(properties, "BatchSize", 10, 1, MAX_RECEIVED_MESSAGES if fifo else 10_000)
        window = _integer(properties, "MaximumBatchingWindowInSeconds", 0, 0, 300)
        if fifo and window:
            raise MappingError("MaximumBatchingWindowInSeconds is not supported for FIFO queues")
        if size > MAX_RECEIVED_MESSAGES and not window:
            raise MappingError(
                f"a BatchSize above {MAX_RECEIVED_MESSAGES} requires MaximumBatchingWindowInSeconds of at least 1"
            )
        scaling = properties.get("ScalingConfig")
        scaling = scaling if isinstance(scaling, Mapping) else {}
        return cls(
            batch_size=size,
            batching_window_s=window,
            report_failures=_reports_failures(properties),
            fifo=fifo,
            visibility_s=visibility_s,
            concurrency=_integer(scaling, "MaximumConcurrency", 5, 2, 1_000),
            filter=Filter.parse(properties.get("FilterCriteria")),
        )


def _integer(properties: Properties, name: str, default: int, minimum: int, maximum: int) -> int:
    value = properties.get(name)
    if value is None:
        return default
    try:
        number = int(str(value))
    except ValueError as error:
        raise MappingError(f"{name} must be an integer, not {value!r}") from error
    if not minimum <= number <= maximum:
        raise MappingError(f"{name} must be from {minimum} to {maximum}, not {number}")
    return number


def _reports_failures(properties: Properties) -> bool:
    types = properties.get("FunctionResponseTypes")
    return isinstance(types, list) and "ReportBatchItemFailures" in types


def _destination(properties: Properties) -> str | None:
    config = properties.get("DestinationConfig")
    failure = config.get("OnFailure") if isinstance(config, Mapping) else None
    arn = failure.get("Destination") if isinstance(failure, Mapping) else None
    if not arn:  # services-dynamodb-errors: an empty ARN removes the destination
        return None
    service = str(arn).split(":")[2:3]
    if service not in (["s3"], ["sqs"], ["sns"]) or str(arn).endswith(".fifo"):
        raise MappingError(f"a failure destination must be a bucket, a standard queue or a standard topic, not {arn!r}")
    return str(arn)

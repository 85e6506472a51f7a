"""The properties of an event source mapping, parsed once.

Names, defaults and limits are those of CreateEventSourceMapping:
https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html. What it refuses although the guide does
not say so is known from recordings: docs/local.md.
"""

import re
from collections.abc import Collection, Mapping
from typing import Self

from msgspec import Struct

from local.mapping.errors import MappingError, refuse_unknown
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

TRIM_HORIZON, LATEST = STARTING_POSITIONS = ("TRIM_HORIZON", "LATEST")
"""Where reading a DynamoDB stream may begin: at its oldest record, or after its newest (services-ddb-params)."""

type Properties = Mapping[str, object]

_OTHER_SOURCES = {
    "Kinesis": ("StartingPositionTimestamp",),
    "DocumentDB": ("DocumentDBEventSourceConfig",),
    "Kafka": ("AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig", "Topics"),
    "Kafka and Amazon MQ": ("SelfManagedEventSource", "SourceAccessConfigurations"),
    "Amazon MQ": ("Queues",),
}

_QUEUES_ONLY = {
    "ScalingConfig": "set ParallelizationFactor instead",
    "ProvisionedPollerConfig": "set ParallelizationFactor instead",
}

_STREAMS_ONLY = {
    "StartingPosition": "remove it",
    "DestinationConfig": "give the queue a RedrivePolicy instead",
    "TumblingWindowInSeconds": "remove it",
    "ParallelizationFactor": "set ScalingConfig instead",
    "BisectBatchOnFunctionError": "set FunctionResponseTypes instead",
    "MaximumRetryAttempts": "set the queue's maxReceiveCount instead",
    "MaximumRecordAgeInSeconds": "set the queue's MessageRetentionPeriod instead",
}
"""Properties that mappings of some sources do not have, and what to do about each."""

_ALL_SOURCES = {
    *("BatchSize", "Enabled", "EventSourceArn", "FilterCriteria", "FunctionName", "FunctionResponseTypes", "KmsKeyArn"),
    *("LoggingConfig", "MaximumBatchingWindowInSeconds", "MetricsConfig", "Tags"),
}
_KNOWN = {*_ALL_SOURCES, *_QUEUES_ONLY, *_STREAMS_ONLY, *(name for names in _OTHER_SOURCES.values() for name in names)}
"""The properties of a mapping
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventsourcemapping.html)."""

_DESTINATION = re.compile(r"arn:aws[a-z-]*:(?:s3:::[^:/]+|(?:sqs|sns):[^:]+:[^:]+:[^:]+)")


class StreamSettings(Struct, frozen=True):
    """How one stream is read for one function.

    Times are in seconds, sizes in bytes. `maximum_retry_attempts` and `maximum_record_age_s` are -1 if the mapping sets
    no limit; the stream itself drops a record after `retention_s`.
    """

    starting_position: str = TRIM_HORIZON
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
        _refuse_other_sources(properties)
        _refuse(properties, "queues", _QUEUES_ONLY)
        parallelization = _integer(properties, "ParallelizationFactor", 1, 1, 10)
        tumbling_window = _integer(properties, "TumblingWindowInSeconds", 0, 0, 900)
        if parallelization > 1 and tumbling_window:
            raise MappingError("TumblingWindowInSeconds requires a ParallelizationFactor of 1")
        record_filter = Filter.parse(properties.get("FilterCriteria"))
        if record_filter.rules and tumbling_window:
            raise MappingError(
                "FilterCriteria and TumblingWindowInSeconds cannot be combined: remove one, or select in the function"
            )
        age = _integer(properties, "MaximumRecordAgeInSeconds", -1, -1, 604_800)
        if -1 < age < MIN_RECORD_AGE_S:
            raise MappingError(f"MaximumRecordAgeInSeconds must be -1 or at least {MIN_RECORD_AGE_S}, not {age}")
        return cls(
            starting_position=_starting_position(properties),
            batch_size=_integer(properties, "BatchSize", 100, 1, 10_000),
            batching_window_s=_integer(properties, "MaximumBatchingWindowInSeconds", 0, 0, 300),
            tumbling_window_s=tumbling_window,
            report_failures=_reports_failures(properties),
            bisect=_boolean(properties, "BisectBatchOnFunctionError"),
            maximum_retry_attempts=_integer(properties, "MaximumRetryAttempts", -1, -1, 10_000),
            maximum_record_age_s=age,
            on_failure=_destination(properties),
            parallelization=parallelization,
            filter=record_filter,
        )


class QueueSettings(Struct, frozen=True):
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
    def parse(cls, properties: Properties, *, fifo: bool, visibility_s: float, timeout_s: float = 0) -> Self:
        """Parse the properties of an SQS queue's mapping. Raises MappingError.

        `timeout_s` is the function's Timeout: while it runs, its messages must stay hidden (services-sqs-configure).
        The concurrency is ScalingConfig's. The default is the five invocations that Lambda starts with
        (services-sqs-scaling).
        """
        _refuse_other_sources(properties)
        _refuse(properties, "streams", _STREAMS_ONLY)
        if visibility_s < timeout_s:
            raise MappingError(
                f"its queue's VisibilityTimeout of {visibility_s:g} s is less than the Timeout of {timeout_s:g} s"
            )
        size = _integer(properties, "BatchSize", 10, 1, MAX_RECEIVED_MESSAGES if fifo else 10_000)
        window = _integer(properties, "MaximumBatchingWindowInSeconds", 0, 0, 300)
        if fifo and window:
            raise MappingError("MaximumBatchingWindowInSeconds is not supported for FIFO queues")
        if size > MAX_RECEIVED_MESSAGES and not window:
            raise MappingError(
                f"a BatchSize above {MAX_RECEIVED_MESSAGES} requires MaximumBatchingWindowInSeconds of at least 1"
            )
        _check_pollers(properties)
        scaling = _object(properties, "ScalingConfig", {"MaximumConcurrency"})
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
    if not re.fullmatch(r"-?[0-9]{1,9}", str(value)):
        raise MappingError(f"{name} must be an integer, not {value!r}")
    number = int(str(value))
    if not minimum <= number <= maximum:
        raise MappingError(f"{name} must be from {minimum} to {maximum}, not {number}")
    return number


def _boolean(properties: Properties, name: str) -> bool:
    value = properties.get(name)
    if str(value).lower() not in ("true", "false", "none"):  # template parameters are strings
        raise MappingError(f"{name} must be true or false, not {value!r}")
    return str(value).lower() == "true"


def _object(properties: Properties, name: str, known: Collection[str]) -> Mapping[str, object]:
    value = properties.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise MappingError(f"{name} must be an object, not {value!r}")
    refuse_unknown(name, value or {}, known)
    return value or {}


def _check_pollers(properties: Properties) -> None:
    """Refuse a provisioned mode that Lambda refuses; here, it has no effect on the number of calls.

    https://docs.aws.amazon.com/lambda/latest/api/API_ProvisionedPollerConfig.html, services-sqs-scaling
    """
    pollers = _object(properties, "ProvisionedPollerConfig", {"MinimumPollers", "MaximumPollers"})
    if _is_set(pollers) and _is_set(properties.get("ScalingConfig")):
        raise MappingError("ProvisionedPollerConfig and ScalingConfig cannot be combined: remove one")
    fewest = _integer(pollers, "MinimumPollers", 2, 2, 200)
    most = _integer(pollers, "MaximumPollers", 200, 2, 10_000)
    if fewest > most:
        raise MappingError(f"MinimumPollers must not be more than MaximumPollers: {fewest} is more than {most}")


def _refuse_other_sources(properties: Properties) -> None:
    unknown = next((name for name in properties if name not in _KNOWN), None)
    if unknown is not None:
        raise MappingError(f"a mapping has no property {unknown}: correct its name, or remove it")
    for sources, names in _OTHER_SOURCES.items():
        _refuse(properties, sources, dict.fromkeys(names, "remove it"))


def _refuse(properties: Properties, sources: str, names: Mapping[str, str]) -> None:
    for name, remedy in names.items():
        if _is_set(properties.get(name)):
            raise MappingError(f"{name} is for {sources}: {remedy}")


def _is_set(value: object) -> bool:
    """Whether a property holds any value, at whatever depth."""
    if isinstance(value, Mapping):
        return any(_is_set(part) for part in value.values())
    return value not in (None, "", [])


def _starting_position(properties: Properties) -> str:
    position = properties.get("StartingPosition")
    if position not in STARTING_POSITIONS:
        raise MappingError(f"StartingPosition must be {' or '.join(STARTING_POSITIONS)}, not {position!r}")
    return str(position)


def _reports_failures(properties: Properties) -> bool:
    types = properties.get("FunctionResponseTypes") or []
    if types not in ([], ["ReportBatchItemFailures"]):
        raise MappingError(f"FunctionResponseTypes must be [ReportBatchItemFailures] or empty, not {types!r}")
    return bool(types)


def _destination(properties: Properties) -> str | None:
    config = _object(properties, "DestinationConfig", {"OnFailure", "OnSuccess"})
    if _is_set(config.get("OnSuccess")):
        raise MappingError("OnSuccess is not for source mappings: remove it, and send results from the function")
    arn = _object(config, "OnFailure", {"Destination"}).get("Destination")
    if not arn:  # services-dynamodb-errors: an empty ARN removes the destination
        return None
    if not _DESTINATION.fullmatch(str(arn)) or str(arn).endswith(".fifo"):
        raise MappingError(f"a failure destination must be a bucket, a standard queue or a standard topic, not {arn!r}")
    return str(arn)

"""What a mapping's properties mean, and which of them are refused, as CreateEventSourceMapping refuses them."""

import re
from collections.abc import Callable

import pytest

from local.mapping import MappingError, QueueSettings, StreamSettings

START = {"StartingPosition": "TRIM_HORIZON"}
FILTER = {"FilterCriteria": {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]}}
QUEUE = "arn:aws:sqs:eu-west-1:1:failures"


def stream_settings(properties: dict[str, object]) -> StreamSettings:
    return StreamSettings.parse(START | properties)


def test_settings_are_parsed_from_the_mapping() -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    settings = StreamSettings.parse(
        {
            "StartingPosition": "LATEST",
            "BatchSize": "10000",  # template parameters are strings
            "MaximumBatchingWindowInSeconds": 1,
            "TumblingWindowInSeconds": 900,
            "ParallelizationFactor": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": 20,
            "MaximumRecordAgeInSeconds": 82800,
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::failures"}},
        }
    )
    assert settings == StreamSettings(
        starting_position="LATEST",
        batch_size=10000,
        batching_window_s=1,
        tumbling_window_s=900,
        report_failures=True,
        bisect=True,
        maximum_retry_attempts=20,
        maximum_record_age_s=82800,
        on_failure="arn:aws:s3:::failures",
    )


def test_an_empty_destination_means_none() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    destinations: list[dict[str, object]] = [{}, {"OnFailure": {}}, {"OnFailure": {"Destination": ""}, "OnSuccess": {}}]
    for destination in destinations:
        assert stream_settings({"DestinationConfig": destination}).on_failure is None


@pytest.mark.parametrize(
    "properties",
    [
        {"BatchSize": 0},
        {"BatchSize": 10_001},
        {"BatchSize": "many"},
        {"MaximumBatchingWindowInSeconds": 301},
        {"TumblingWindowInSeconds": 901},
        {"MaximumRetryAttempts": -2},
        {"MaximumRecordAgeInSeconds": 0},
        {"MaximumRecordAgeInSeconds": 59},
        {"MaximumRecordAgeInSeconds": 604_801},
        {"ParallelizationFactor": 11},
        {"ParallelizationFactor": 2, "TumblingWindowInSeconds": 60},
        {"DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE}.fifo"}}},
        {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:dynamodb:eu-west-1:1:table/failures"}}},
        {"FilterCriteria": {"Filters": [{"Pattern": "not JSON"}]}},
        {"FilterCriteria": {"Filters": [{"Pattern": '{"a":' * 600 + '["x"]' + "}" * 600}]}},
        {"FilterCriteria": {"Filters": [{"Pattern": '{"a": ["b"], "a": ["c"]}'}]}},
        {"BatchSize": "1_0"},
        {"BatchSize": " 5"},
        {"BatchSize": 1.0},
        {"BatchSize": True},
        {"BisectBatchOnFunctionError": "yes"},
        {"BisectBatchOnFunctionError": 1},
        {"DestinationConfig": []},
        {"DestinationConfig": {"OnFailure": QUEUE}},
        {"DestinationConfig": {"OnFailure": {"Destination": 5}}},
        {"StartingPositionTimestamp": 0},
        {"FunctionResponseTypes": ["ReportBatchItemFailures", "ReportBatchItemFailures"]},
        {"FunctionResponseTypes": "ReportBatchItemFailures"},
        {"ScalingConfig": {"MaximumConcurrency": 0}},
        {"FilterCriteria": [{"Pattern": '{"a": ["b"]}'}]},
        {"FilterCriteria": {"Filter": [{"Pattern": '{"a": ["b"]}'}]}},
        {"FilterCriteria": {"Filters": [{"Pattern": '{"a": ["b"]}', "Name": "b"}]}},
        {"FilterCriteria": {"Filters": [{"Pattern": '{"a": [NaN]}'}]}},
        {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3"}}},
        {"DestinationConfig": {"OnFailure": {"Destination": "failures:of:sqs"}}},
        {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::failures/folder"}}},
        {"DestinationConfig": {"OnFailure": {"Destination": "https://sqs.eu-west-1.amazonaws.com/1/failures"}}},
        {"DestinationConfig": {"OnFail": {"Destination": QUEUE}}},
        {"DestinationConfig": {"OnFailure": {"Arn": QUEUE}}},
    ],
)
def test_values_outside_their_limits_are_refused(properties: dict[str, object]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    with pytest.raises(MappingError):
        stream_settings(properties)


@pytest.mark.parametrize(
    ("given", "meant"), [(True, True), ("true", True), ("True", True), ("false", False), (None, False)]
)
def test_a_parameter_of_the_template_may_say_whether_a_batch_is_split(given: object, meant: bool) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html

    The values of template parameters are strings.
    """
    assert stream_settings({"BisectBatchOnFunctionError": given}).bisect is meant


@pytest.mark.parametrize("size", [101, 10_000])
def test_a_large_batch_of_a_stream_needs_no_batching_window(size: int) -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded: admission_batch_101_window_zero.
    """
    assert stream_settings({"BatchSize": size}).batching_window_s == 0


# --- refused by the service, as recorded ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({}, "StartingPosition must be TRIM_HORIZON or LATEST, not None"),
        ({"StartingPosition": "BOGUS"}, "StartingPosition must be TRIM_HORIZON or LATEST, not 'BOGUS'"),
        (
            {"StartingPosition": "AT_TIMESTAMP"},
            "StartingPosition must be TRIM_HORIZON or LATEST, not 'AT_TIMESTAMP'",
        ),
        (START | {"StartingPositionTimestamp": 1789649360.75}, "StartingPositionTimestamp is for Kinesis: remove it"),
        (START | {"Topics": ["orders"]}, "Topics is for Kafka: remove it"),
        (
            START | {"ProvisionedPollerConfig": {"MinimumPollers": 2}},
            "ProvisionedPollerConfig is for queues: set ParallelizationFactor instead",
        ),
        (
            START | {"FunctionResponseTypes": ["Bad"]},
            "FunctionResponseTypes must be [ReportBatchItemFailures] or empty, not ['Bad']",
        ),
        (
            START | {"ScalingConfig": {"MaximumConcurrency": 2}},
            "ScalingConfig is for queues: set ParallelizationFactor instead",
        ),
        (
            START | {"DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}},
            "OnSuccess is not for source mappings: remove it, and send results from the function",
        ),
        (
            START | FILTER | {"TumblingWindowInSeconds": 10},
            "FilterCriteria and TumblingWindowInSeconds cannot be combined: remove one, or select in the function",
        ),
    ],
)
def test_what_the_service_refuses_for_a_stream_is_refused(properties: dict[str, object], reason: str) -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded: admission_missing_start, admission_bad_start, admission_at_timestamp, admission_timestamp_with_trim,
    admission_response_bad, admission_sqs_scaling_on_stream, admission_success_destination, and the finding
    tumbling_admission.
    """
    with pytest.raises(MappingError, match=f"^{re.escape(reason)}$"):
        StreamSettings.parse(properties)


def test_an_empty_filter_may_stand_beside_a_tumbling_window() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded: the finding tumbling_admission.
    """
    settings = stream_settings({"FilterCriteria": {"Filters": []}, "TumblingWindowInSeconds": 10})
    assert (settings.tumbling_window_s, settings.filter.rules) == (10, ())


@pytest.mark.parametrize("position", ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"])
def test_a_queue_has_no_starting_position(position: str) -> None:
    """https://github.com/localstack/localstack/blob/99127b24fec0cb75f6185e2b3b80c8235b93e500/tests/aws/services/lambda_/event_source_mapping/test_api.snapshot.json

    Recorded: test_create_starting_position_validation_exceptions[sqs].
    """
    with pytest.raises(MappingError, match="^StartingPosition is for streams: remove it$"):
        QueueSettings.parse({"StartingPosition": position}, fifo=False, visibility_s=30)


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (
            {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
            "DestinationConfig is for streams: give the queue a RedrivePolicy instead",
        ),
        ({"DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}}, "DestinationConfig is for streams"),
        ({"TumblingWindowInSeconds": 10}, "TumblingWindowInSeconds is for streams"),
        ({"ParallelizationFactor": 2}, "ParallelizationFactor is for streams: set ScalingConfig instead"),
        ({"BisectBatchOnFunctionError": True}, "BisectBatchOnFunctionError is for streams"),
        ({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts is for streams"),
        ({"MaximumRecordAgeInSeconds": 60}, "MaximumRecordAgeInSeconds is for streams"),
        ({"StartingPositionTimestamp": 1}, "StartingPositionTimestamp is for Kinesis"),
        ({"FunctionResponseTypes": ["Bad"]}, "FunctionResponseTypes must be [ReportBatchItemFailures] or empty"),
        ({"Queues": ["orders"]}, "Queues is for Amazon MQ: remove it"),
        ({"SourceAccessConfigurations": [{"Type": "BASIC_AUTH"}]}, "SourceAccessConfigurations is for Kafka and"),
        ({"ScalingConfig": {"MaxConcurrency": 5}}, "ScalingConfig has no MaxConcurrency: use MaximumConcurrency"),
    ],
)
def test_a_queue_has_no_properties_of_streams(properties: dict[str, object], reason: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    with pytest.raises(MappingError, match=f"^{re.escape(reason)}"):
        QueueSettings.parse(properties, fifo=False, visibility_s=30)


def test_messages_stay_hidden_at_least_as_long_as_the_function_may_run() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    reason = "its queue's VisibilityTimeout of 2 s is less than the Timeout of 3 s"
    with pytest.raises(MappingError, match=f"^{re.escape(reason)}$"):
        QueueSettings.parse({}, fifo=False, visibility_s=2, timeout_s=3)
    assert QueueSettings.parse({}, fifo=True, visibility_s=3, timeout_s=3).fifo


def test_properties_without_a_value_are_not_set() -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    empty: dict[str, object] = {"DestinationConfig": {"OnFailure": {}}, "StartingPosition": None}
    assert QueueSettings.parse(empty, fifo=False, visibility_s=30) == QueueSettings()
    assert stream_settings({"ScalingConfig": {}, "FunctionResponseTypes": []}) == StreamSettings()


@pytest.mark.parametrize(
    "parse", [stream_settings, lambda given: QueueSettings.parse(given, fifo=False, visibility_s=30)]
)
def test_a_property_that_mappings_do_not_have_is_refused(parse: Callable[[dict[str, object]], object]) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventsourcemapping.html

    A misspelled one would have no effect.
    """
    for name in ("Batchsize", "MaximumRetryAttempt"):
        with pytest.raises(MappingError, match=f"^a mapping has no property {name}: correct its name, or remove it$"):
            parse({name: 5})
    parse({"Tags": [], "KmsKeyArn": "arn:aws:kms:key", "MetricsConfig": {"Metrics": ["EventCount"]}})


@pytest.mark.parametrize(
    ("pollers", "scaling", "reason"),
    [
        ({"MinimumPollers": 1}, {}, "MinimumPollers must be from 2 to 200, not 1"),
        ({"MinimumPollers": 201}, {}, "MinimumPollers must be from 2 to 200, not 201"),
        ({"MaximumPollers": 1}, {}, "MaximumPollers must be from 2 to 10000, not 1"),
        ({"MaximumPollers": 10_001}, {}, "MaximumPollers must be from 2 to 10000, not 10001"),
        ({"MinimumPollers": 5, "MaximumPollers": 4}, {}, "MinimumPollers must not be more than MaximumPollers: 5 is"),
        ({"PollerGroupName": "a"}, {}, "ProvisionedPollerConfig has no PollerGroupName: use"),
        ({"MinimumPollers": 2}, {"MaximumConcurrency": 2}, "ProvisionedPollerConfig and ScalingConfig cannot be"),
    ],
)
def test_a_provisioned_mode_that_is_refused(
    pollers: dict[str, object], scaling: dict[str, object], reason: str
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html

    https://docs.aws.amazon.com/lambda/latest/api/API_ProvisionedPollerConfig.html
    """
    properties: dict[str, object] = {"ProvisionedPollerConfig": pollers, "ScalingConfig": scaling}
    with pytest.raises(MappingError, match=f"^{re.escape(reason)}"):
        QueueSettings.parse(properties, fifo=False, visibility_s=30)


def test_a_queue_may_have_provisioned_pollers() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
    properties: dict[str, object] = {"ProvisionedPollerConfig": {"MinimumPollers": "2", "MaximumPollers": 10_000}}
    assert QueueSettings.parse(properties, fifo=False, visibility_s=30) == QueueSettings()

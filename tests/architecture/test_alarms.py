"""Alarms: lag long before the stream forgets, everything that is given up, errors, quarantine."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.architecture.stack import PAGE, ROOT, STAGES, function_id, properties, referred, resources

ALARMS = resources("AWS::CloudWatch::Alarm")
HOUR_MS = 3_600_000


def alarms_on(metric: str, logical_id: str) -> list[Mapping[str, Any]]:
    """Return the alarms on a metric of a resource."""
    found = [alarm["Properties"] for alarm in ALARMS.values() if alarm["Properties"]["MetricName"] == metric]
    return [alarm for alarm in found if logical_id in referred(alarm["Dimensions"])]


@pytest.mark.parametrize("stage", ["fanout", "aggregate"])
def test_lag_rings_long_before_the_stream_forgets(stage: str) -> None:
    """A change is kept for 24 hours; the alarm leaves at least 20 of them."""
    (alarm,) = alarms_on("IteratorAge", function_id(stage))
    assert alarm["Statistic"] == "Maximum"
    assert alarm["Threshold"] + alarm["Period"] * alarm["EvaluationPeriods"] * 1000 <= 4 * HOUR_MS


@pytest.mark.parametrize(
    "queue",
    sorted(name for name in resources("AWS::SQS::Queue") if name.endswith(("DeadLetterQueue", "FailuresQueue"))),
)
def test_a_single_dead_message_rings(queue: str) -> None:
    """Nothing waits there by design."""
    (alarm,) = alarms_on("ApproximateNumberOfMessagesVisible", queue)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


@pytest.mark.parametrize("queue", ["IntakeQueue", "ArchiveQueue"])
def test_a_queue_that_is_not_read_rings(queue: str) -> None:
    """Its oldest message has waited for an hour at most."""
    (alarm,) = alarms_on("ApproximateAgeOfOldestMessage", queue)
    assert alarm["Threshold"] <= 3600


@pytest.mark.parametrize("stage", ["fanout", "aggregate"])
def test_a_reader_of_the_stream_that_is_never_invoked_rings(stage: str) -> None:
    """It has no age to measure then; a short burst of other functions is let pass."""
    (alarm,) = alarms_on("Throttles", function_id(stage))
    assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Sum")
    assert 600 <= alarm["Period"] * alarm["EvaluationPeriods"] <= 3600


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "api"])
def test_an_error_of_a_function_rings(stage: str) -> None:
    """Whatever raised or ran out of time."""
    (alarm,) = alarms_on("Errors", function_id(stage))
    assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Sum")


def test_an_answer_of_the_api_that_is_no_callers_fault_rings() -> None:
    """Errors of its functions, and what they answer where a table does not: a 503 is no error to Lambda."""
    (alarm,) = alarms_on("5xx", "HttpApi")
    assert (alarm["Threshold"], alarm["Statistic"], alarm["Namespace"]) == (0, "Sum", "AWS/ApiGateway")
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    assert alarm["Dimensions"] == [{"Name": "ApiId", "Value": {"Ref": "HttpApi"}}]
    assert not [alarms for stage in ("api", PAGE) if (alarms := alarms_on("Errors", function_id(stage)))]


@pytest.mark.parametrize(
    ("stage", "metric"),
    [
        ("load", "ItemsQuarantined"),
        ("ingest", "ItemsQuarantined"),
        ("fanout", "ItemsQuarantined"),
        ("load", "FilesRefused"),
    ],
)
def test_what_is_refused_rings_at_every_entrance(stage: str, metric: str) -> None:
    """The metric is one that the code writes, in the namespace and with the service that the template gives it."""
    service = properties(function_id(stage))["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    found = [
        alarm["Properties"]
        for alarm in ALARMS.values()
        if alarm["Properties"]["Dimensions"] == [{"Name": "service", "Value": service}]
        and alarm["Properties"]["MetricName"] == metric
    ]
    (alarm,) = found
    assert alarm["Namespace"] == {"Fn::Sub": "Tailrace/${AWS::StackName}"}
    sources = (ROOT / "layers/tailrace/tailrace/aws").rglob("*.py")
    assert any(f"{metric}=" in source.read_text() for source in sources)


@pytest.mark.parametrize("stage", ["fanout", "aggregate", "load", "catalog"])
def test_a_failure_that_could_not_be_put_aside_rings(stage: str) -> None:
    """Every function with a destination for failures: what Lambda cannot write there is nowhere."""
    (alarm,) = alarms_on("DestinationDeliveryFailures", function_id(stage))
    assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Sum")


def test_a_batch_that_was_given_up_rings() -> None:
    """Lambda writes it under aws/lambda/ (services-dynamodb-errors), and the bucket counts what is written there."""
    (alarm,) = alarms_on("PutRequests", "FailuresBucket")
    assert {"Name": "FilterId", "Value": "given-up"} in alarm["Dimensions"]
    assert properties("FailuresBucket")["MetricsConfigurations"] == [{"Id": "given-up", "Prefix": "aws/lambda/"}]


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_alarms_are_simple_and_reach_the_topic(name: str) -> None:
    """One metric, no arithmetic (the emulator's deployment fails on it), quiet where there is no traffic."""
    alarm = properties(name)
    assert not {"Metrics", "ThresholdMetricId"} & alarm.keys()
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmActions"] == {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    assert alarm["AlarmDescription"]

"""Every failure path has an alarm and a test, and every alarm an entry in the runbook that its description names."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from tests.architecture.parameters import deployed, of_type
from tests.architecture.stack import ROOT, resources, template
from tests.review.failure_paths import NO_FAILURES, RETRIED, Path, alarmed, from_code, from_template
from tests.review.failure_tests import marked_tests

ALL = deployed(VerifySchedule="rate(7 days)", JwtIssuer="https://issuer.example", DashboardClientId="page")
"""A stack with every part that can be chosen."""

ALARMS = of_type(ALL, "AWS::CloudWatch::Alarm")
RUNBOOK = ROOT / "docs" / "operating.md"
LINK = re.compile(r"Runbook: (docs/[a-z]+\.md)#([a-z0-9-]+)$")
STEPS = 2


def paths_of(stack: Mapping[str, dict[str, Any]]) -> set[Path]:
    """Return the failure paths of a stack."""
    return from_template(stack) | {path for path in from_code() if path.metric not in NO_FAILURES | RETRIED}


def without_alarm(stack: Mapping[str, dict[str, Any]]) -> set[Path]:
    """Return the failure paths of a stack that no alarm watches."""
    return paths_of(stack) - alarmed(of_type(stack, "AWS::CloudWatch::Alarm")).keys()


def entries() -> dict[str, str]:
    """Return the runbook's entries by anchor, as GitHub and the site make them."""
    text = RUNBOOK.read_text().split("## When an alarm fires\n")[1].split("\n## ")[0]
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)[1:]
    return {title.lower().replace(" ", "-"): body for title, body in zip(parts[::2], parts[1::2], strict=True)}


def test_every_failure_path_has_an_alarm() -> None:
    """A stage, queue or destination that is added without one fails here."""
    assert not without_alarm(ALL)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[str]]:
    """Collect the tests that make failures happen."""
    return marked_tests(tmp_path_factory.mktemp("collected"))


def test_every_failure_path_has_a_test_that_makes_it_happen(tested: dict[Path, list[str]]) -> None:
    """A stage, queue or destination that is added without one fails here; so does a mark for what is not there."""
    assert tested.keys() == paths_of(ALL)


def test_the_derived_paths_are_those_that_the_flow_has() -> None:
    """So that the derivation does not lose one in silence; numbers may grow."""
    found = from_template(ALL)
    assert {path.of for path in found if path.metric == "Errors"} == {
        f"{stage}Function" for stage in ("Load", "Ingest", "Fanout", "Archive", "Catalog", "Aggregate", "History")
    }
    assert {path.of for path in found if path.metric == "ApproximateNumberOfMessagesVisible"} == {
        name for name in resources("AWS::SQS::Queue") if name.endswith(("DeadLetterQueue", "FailuresQueue"))
    }
    lost = {path.of for path in found if path.metric == "DestinationDeliveryFailures"}
    assert lost == {f"{stage}Function" for stage in ("Load", "Catalog", "Fanout", "Aggregate")}
    assert found >= {
        Path("IteratorAge", "AggregateFunction"),
        Path("Throttles", "FanoutFunction"),
        Path("PutRequests", "FailuresBucket"),
        Path("ExecutionsFailed", "HistoryMachine"),
        Path("AsyncEventsDropped", "HistoryFunction"),
        Path("InvocationDroppedCount", "VerificationGroup"),
        Path("5xx", "HttpApi"),
    }


def test_what_the_code_counts_is_a_failure_or_none() -> None:
    """Each metric is on one side: a new one that is on neither needs an alarm."""
    counted = {path.metric for path in from_code()}
    assert counted >= NO_FAILURES | RETRIED
    assert not {path.metric for path in alarmed(ALARMS)} & (NO_FAILURES | RETRIED)
    assert Path("ItemsQuarantined", "ingest") in from_code()


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_names_its_entry_in_the_runbook(name: str) -> None:
    """The entry exists, names the alarm (its kind, for those of a loop), and says what to check and what to do."""
    text = ALARMS[name]["AlarmDescription"]
    found = LINK.search(text["Fn::Sub"] if isinstance(text, dict) else text)
    assert found, text
    assert ROOT / found[1] == RUNBOOK
    entry = entries()[found[2]]
    named = re.findall(r"`(…?)(\w+Alarm)`", entry.split("\n\n")[1])
    assert any(name.endswith(kind) if open_ended else name == kind for open_ended, kind in named), named
    assert entry.count("\n* ") >= STEPS


def test_the_runbook_has_no_entry_without_an_alarm() -> None:
    """Every described alarm exists."""
    texts = [alarm["AlarmDescription"] for alarm in ALARMS.values()]
    linked = {LINK.search(text["Fn::Sub"] if isinstance(text, dict) else text)[2] for text in texts}  # type: ignore[index]
    assert entries().keys() == linked


NEW = {
    "a function": ("NewFunction", {"Type": "AWS::Serverless::Function", "Properties": {}}, {"Errors"}),
    "a queue": (
        "NewQueue",
        {
            "Type": "AWS::SQS::Queue",
            "Properties": {"RedrivePolicy": {"to": {"Fn::GetAtt": ["NewDeadLetterQueue", "Arn"]}}},
        },
        {"ApproximateAgeOfOldestMessage"},
    ),
    "a dead-letter queue": (
        "NewDeadLetterQueue",
        {"Type": "AWS::SQS::Queue", "Properties": {}},
        {"ApproximateNumberOfMessagesVisible"},
    ),
    "a state machine": (
        "NewMachine",
        {"Type": "AWS::Serverless::StateMachine", "Properties": {"Definition": {"TimeoutSeconds": 60}}},
        {"ExecutionsFailed", "ExecutionsTimedOut"},
    ),
    "a mapping of a stream": (
        "NewMapping",
        {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "CatalogFunction"},
                "EventSourceArn": {"Fn::GetAtt": ["ItemsTable", "StreamArn"]},
                "StartingPosition": "TRIM_HORIZON",
                "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["ArchiveBucket", "Arn"]}}},
            },
        },
        {"IteratorAge", "Throttles", "PutRequests"},
    ),
    "a mapping of a queue": (
        "NewMapping",
        {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "CatalogFunction"},
                "EventSourceArn": {"Fn::GetAtt": ["AsyncFailuresQueue", "Arn"]},
            },
        },
        {"ApproximateAgeOfOldestMessage"},
    ),
    "a destination": (
        "IngestFunction",
        {
            **deepcopy(ALL["IngestFunction"]),
            "Properties": {
                "EventInvokeConfig": {
                    "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["AsyncFailuresQueue", "Arn"]}}}
                }
            },
        },
        {"DestinationDeliveryFailures"},
    ),
    "a notification": (
        "FailuresBucket",
        {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "NotificationConfiguration": {
                    "LambdaConfigurations": [{"Function": {"Fn::GetAtt": ["IngestFunction", "Arn"]}}]
                }
            },
        },
        {"AsyncEventsDropped"},
    ),
    "a schedule": (
        "NewSchedule",
        {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "GroupName": {"Ref": "ApiStage"},
                "Target": {"Arn": {"Fn::GetAtt": ["ArchiveFunction", "Arn"]}},
            },
        },
        {"InvocationDroppedCount", "AsyncEventsDropped"},
    ),
    "a custom resource": (
        "NewRows",
        {"Type": "Custom::NewRows", "Properties": {"ServiceToken": {"Fn::GetAtt": ["ApiFunction", "Arn"]}}},
        {"Errors"},
    ),
}


@pytest.mark.parametrize("kind", NEW)
def test_what_is_new_is_noticed(kind: str, tested: dict[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of resource, added without an alarm, and without a test."""
    name, resource, metrics = NEW[kind]
    for added in ("NewQueue", "NewDeadLetterQueue", name):
        monkeypatch.setitem(template()["Resources"], added, resource)
    assert {path.metric for path in without_alarm({**ALL, name: resource})} >= metrics
    assert {path.metric for path in paths_of({**ALL, name: resource}) - tested.keys()} >= metrics


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_that_is_removed_is_missed(name: str) -> None:
    """Each watches a path that no other watches."""
    rest = {other: resource for other, resource in ALL.items() if other != name}
    assert len(without_alarm(rest)) == 1

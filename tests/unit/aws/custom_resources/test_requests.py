"""CloudFormation gets an answer in every case, since it would wait for one for a quarter of an hour."""

import json
import sys
from typing import Any

import pytest

from tailrace.aws.custom_resources import requests
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.runtime.errors import map_aws_errors
from tests.simulation.jobs.world import World
from tests.unit.aws.custom_resources.history_settings import SETTINGS
from tests.unit.aws.custom_resources.table_services import PROPERTIES, Service, failure


class Answer:
    """The response of CloudFormation's address."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        pass


@pytest.fixture
def sizes() -> list[int]:
    """Return the sizes of what CloudFormation is sent."""
    return []


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> list[dict[str, Any]]:
    """Return what CloudFormation is sent."""
    sent: list[dict[str, Any]] = []

    def urlopen(request: Any, timeout: float) -> Answer:
        assert (request.full_url, request.method) == ("https://example.com/answer", "PUT")
        assert timeout < 60
        sent.append(json.loads(request.data))
        sizes.append(len(request.data))
        return Answer()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return sent


def event(kind: str, resource: str = "Custom::RouteCheck", routes: str = "LargeOrders") -> dict[str, Any]:
    """Return a request of CloudFormation."""
    return {
        "RequestType": kind,
        "ResourceType": resource,
        "ResponseURL": "https://example.com/answer",
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "RouteCheck",
        "ResourceProperties": {"Routes": routes},
    }


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_definition_with_the_routes_of_the_parameter_is_deployed(kind: str, answers: list[Any]) -> None:
    requests.serve(event(kind), SETTINGS)
    (answer,) = answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "RouteCheck")
    requests.serve(event(kind) | {"PhysicalResourceId": "earlier"}, SETTINGS)
    assert answers[1]["PhysicalResourceId"] == "earlier"


@pytest.mark.parametrize("kind", ["Create", "Update"])
@pytest.mark.parametrize("routes", ["None", "LargeOrders,Old", "Old"])
def test_a_definition_with_other_routes_is_not(kind: str, routes: str, answers: list[Any]) -> None:
    requests.serve(event(kind, routes=routes), SETTINGS)
    (answer,) = answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].endswith("it must be Routes=LargeOrders.")


def test_a_stack_can_be_deleted_whatever_its_routes(answers: list[Any]) -> None:
    requests.serve(event("Delete", routes="Old"), SETTINGS)
    assert answers[0]["Status"] == "SUCCESS"


def test_an_update_to_another_table_is_refused(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    context = World(1).job_context()
    monkeypatch.setattr(requests, "job_context", lambda _settings: context)
    for kind, table in (("Create", ""), ("Update", "shop"), ("Update", "")):
        request = event(kind, "Custom::ControlRows") | {"ResourceProperties": {"AttachedTable": table}}
        request["OldResourceProperties"] = {"AttachedTable": ""}
        requests.serve(request, SETTINGS)
    assert [answer["Status"] for answer in answers] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert "its rows would be wrong for shop: deploy a stack of another name" in answers[1]["Reason"]


@pytest.mark.parametrize(
    ("code", "refusals", "status"),
    [
        ("AccessDeniedException", 2, "SUCCESS"),
        ("AccessDeniedException", 99, "FAILED"),
        ("ResourceNotFoundException", 1, "FAILED"),
    ],
)
def test_the_first_rows_wait_for_the_right_to_a_key(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch, code: str, refusals: int, status: str
) -> None:
    """CloudFormation grants it just before, and a new right takes some seconds until it counts everywhere."""
    left = [failure(code)] * refusals
    context = World(1).job_context()

    def write(*arguments: Any, **options: Any) -> str:
        with map_aws_errors():
            if left:
                raise left.pop()
        return write_first_control_rows(*arguments, **options)

    monkeypatch.setattr(requests, "job_context", lambda _settings: context)
    monkeypatch.setattr(requests, "write_first_control_rows", write)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    requests.serve(event("Create", "Custom::ControlRows"), SETTINGS)
    assert answers[0]["Status"] == status


def test_whatever_the_work_raises_is_an_answer(answers: list[Any], sizes: list[int]) -> None:
    def work() -> str:
        raise RuntimeError("a module of the definition " + "x" * 5000)

    def other() -> str:
        raise ValueError("ü" * 5000 + "\ud800")

    requests.answer_cloudformation(event("Update"), work)
    assert answers[0]["Status"] == "FAILED"
    assert answers[0]["Reason"].startswith("RuntimeError: a module of the definition")
    requests.answer_cloudformation(event("Update"), other)
    assert answers[1]["Reason"].startswith("ValueError: üü")
    assert all(size < 4096 for size in sizes)
    requests.serve(event("Create", "Custom::Unknown"), SETTINGS)
    assert "there is no resource Custom::Unknown" in answers[2]["Reason"]
    requests.answer_cloudformation(event("Update"), lambda: sys.exit("no settings"))
    assert (answers[3]["Status"], answers[3]["Reason"]) == ("FAILED", "SystemExit: no settings")


@pytest.mark.parametrize("text", ['{"a": "b"}\n', "\x1b[1m", "\\", "ü", "x"])
def test_a_reason_fits_as_it_is_sent_and_shows_where_it_is_cut(answers: list[Any], sizes: list[int], text: str) -> None:
    """Of a longer answer, CloudFormation shows nothing but that it is too long."""

    def work() -> str:
        raise RuntimeError(text * 5000)

    ids = {"StackId": "s" * 300, "PhysicalResourceId": "RouteCheck", "RequestId": "r" * 36}
    requests.answer_cloudformation(event("Update") | ids, work)
    requests.answer_cloudformation(event("Update") | ids, lambda: text * 5000)
    assert [answer["Status"] for answer in answers] == ["FAILED", "SUCCESS"]
    for answer, size in zip(answers, sizes, strict=True):
        assert 2900 < size <= 4096
        assert answer["Reason"].endswith(" …")


def test_a_reason_that_fits_is_whole(answers: list[Any]) -> None:
    requests.answer_cloudformation(event("Update"), lambda: "x" * 3000)
    assert answers[0]["Reason"] == "x" * 3000


class Cloud:
    """The services that the check of an existing table asks."""

    def __init__(self, status: str) -> None:
        self.status = status

    def client(self, service: str) -> Any:
        if service == "cloudformation":
            return self
        return Service(describe_table=failure("ResourceNotFoundException"))

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - botocore's name
        assert StackName == "s"
        if self.status == "DENIED":
            raise failure("AccessDenied")
        return {"Stacks": [{"StackStatus": self.status}]}


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("Create", "CREATE_IN_PROGRESS", "FAILED"),
        ("Update", "UPDATE_IN_PROGRESS", "FAILED"),
        ("Update", "DENIED", "FAILED"),
        ("Update", "UPDATE_ROLLBACK_IN_PROGRESS", "SUCCESS"),
        ("Delete", "DELETE_IN_PROGRESS", "SUCCESS"),
    ],
)
def test_a_table_that_does_not_fit_fails_the_deployment_but_not_the_way_back(
    kind: str, status: str, expected: str, answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure on the way back would leave the stack where CloudFormation cannot go on by itself."""
    monkeypatch.setattr(requests, "client", Cloud(status).client)
    requests.serve(event(kind, "Custom::TableCheck") | {"ResourceProperties": PROPERTIES}, SETTINGS)
    assert answers[0]["Status"] == expected
    told = "UnfitTable: There is no table 'shop' in region eu-west-1 of account 111122223333: "
    assert answers[0].get("Reason", "").startswith(told) is (expected == "FAILED")

"""How a stack is found, and how errors of AWS are told; every failure is one sentence."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from cli.__main__ import main
from cli.errors import CommandError
from cli.stacks import explained
from tests.unit.cli.cloudformation import ASK, CloudFormation, said

OUTPUTS = (
    "AggregatesTable",
    "ArchiveBucket",
    "AsyncFailuresQueue",
    "FailuresBucket",
    "HistoryFunction",
    "IntakeDeadLetterQueue",
    "IntakeQueue",
    "ItemsTable",
    "ItemsTableStream",
)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredToken", "The AWS credentials have expired: sign in again (`aws sso login`), or set new ones."),
        ("RequestExpired", "The AWS credentials have expired: sign in again (`aws sso login`), or set new ones."),
        ("InvalidClientTokenId", "AWS rejects these credentials, at least in this partition"),
        ("SignatureDoesNotMatch", "AWS rejects these credentials, at least in this partition"),
        (
            "AccessDenied",
            "These credentials lack permission for DescribeStacks, which is needed to find the stack 'there'",
        ),
        ("SomethingElse", "Cannot describe the stack 'there' in eu-west-1: SomethingElse: its own words"),
    ],
)
def test_an_error_of_aws_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], code: str, sentence: str
) -> None:
    cloudformation.code = code
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith(f"tailrace: {sentence}")
    assert text.count("\n") == 1


def test_an_unknown_stack_is_one_sentence(cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(["dashboard", "--stack", "elsewhere"], capsys)
    assert status == 1
    assert text.startswith("tailrace: There is no stack 'elsewhere' in eu-west-1: check the name")


@pytest.mark.parametrize("ask", [ASK, ["status", "--stack", "there"], ["redrive", "--stack", "there"]])
@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "DELETE_FAILED"])
def test_a_stack_that_is_not_deployed_is_called_so(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], ask: list[str], status: str
) -> None:
    cloudformation.status = status
    code, text = said(ask, capsys)
    assert code == 1
    assert text.startswith("tailrace: The stack 'there' has no output ")
    assert text.endswith(f": it is not deployed, its status is {status}.\n")


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_deployed_stack_without_an_output_is_another_one(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    cloudformation.status = status
    assert (
        "it is not a Tailrace stack, or it is of an older release." in said(["status", "--stack", "there"], capsys)[1]
    )


def test_a_missing_region_or_profile_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no AWS profile 'none' in your configuration." in said([*ASK, "--profile", "none"], capsys)[1]
    assert "No valid AWS region" in said([*ASK, "--region", "not a region"], capsys)[1]
    with monkeypatch.context() as patched:
        patched.setenv("AWS_PROFILE", "nobody")
        assert "There is no AWS profile 'nobody' in your configuration." in said(ASK, capsys)[1]
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDFORMATION")
    assert "No valid AWS region: pass --region" in said(ASK, capsys)[1]


def test_no_network_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith("tailrace: Cannot reach AWS to find the stack 'there' in eu-west-1")


@pytest.mark.parametrize(
    "page", ["<html><title>Sign in</title></html>", "{}", "null", "", "<!doctype html><p>not found"]
)
@pytest.mark.parametrize(
    "ask", [["status", "--stack", "there"], ["plan", "--stack", "there"], ["check", "--table", "there"]]
)
def test_another_server_at_the_address_is_one_sentence(
    cloudformation: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ask: list[str],
    page: str,
) -> None:
    """A proxy's page, a web server that --endpoint-url names by mistake: both may respond to anything with 200."""
    cloudformation.is_aws = False
    monkeypatch.setattr(cloudformation, "answer", lambda _body: (200, page))
    status, text = said([*ask, "--endpoint-url", cloudformation.url], capsys)
    assert (status, text.count("\n")) == (1, 1)
    assert text.startswith(f"tailrace: {cloudformation.url} does not respond as AWS does: check --endpoint-url")


@pytest.mark.parametrize("page", [(200, "<html><title>Sign in</title></html>"), (200, ""), (404, "not found")])
@pytest.mark.parametrize("ask", [["quarantine", "list"], ["redrive", "batches"], ["redrive"], ["status"]])
def test_another_server_that_responds_later_is_one_sentence(
    cloudformation: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ask: list[str],
    page: tuple[int, str],
) -> None:
    """Such as the page of a network to sign in to: it must not pass for an empty list of failures."""
    cloudformation.outputs = {name: f"{cloudformation.url}/{name}" if "Queue" in name else "there" for name in OUTPUTS}
    found = cloudformation.answer

    def answer(body: str) -> tuple[int, str]:
        cloudformation.is_aws = "DescribeStacks" in body
        return found(body) if cloudformation.is_aws else page

    monkeypatch.setattr(cloudformation, "answer", answer)
    status = main([*ask, "--stack", "there", "--endpoint-url", cloudformation.url])
    captured = capsys.readouterr()
    assert (status, captured.err.count("\n")) == (1, 1)
    assert captured.out in ("", "batches     0 put back\n")
    assert captured.err.startswith(f"tailrace: {cloudformation.url} does not respond as AWS does: check --endpoint-url")


def test_a_wrong_address_in_the_environment_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "localhost:4566")
    status, text = said(ASK, capsys)
    assert (status, text.count("\n")) == (1, 1)
    assert "check AWS_ENDPOINT_URL" in text


def test_a_setting_of_the_wrong_form_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\ns3 = path\n", encoding="utf-8")  # it is a section of its own
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    cloudformation.outputs = {"FailuresBucket": "there-failures"}
    status, text = said(["quarantine", "list", "--stack", "there"], capsys)
    assert (status, text.count("\n")) == (1, 1)
    assert text.startswith("tailrace: AWS cannot be called: ")
    assert text.endswith("check AWS_ENDPOINT_URL, and your AWS configuration.\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (("ExpiredToken", ""), "The AWS credentials have expired"),
        (("AccessDenied", "not you"), "These credentials lack permission for ReceiveMessage: not you"),
        (("InternalError", "its words"), "ReceiveMessage failed: InternalError: its words"),
        (EndpointConnectionError(endpoint_url="http://there"), "Cannot reach AWS; check the network and the region"),
        (
            ResponseParserError("half of it"),
            "A response of AWS cannot be read; check the network and proxies: half of it",
        ),
    ],
)
def test_errors_of_aws_are_one_sentence(error: Any, sentence: str) -> None:
    if isinstance(error, tuple):
        code, message = error
        error = ClientError({"Error": {"Code": code, "Message": message}}, "ReceiveMessage")
    with pytest.raises(CommandError) as raised, explained():
        raise error
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_stack_on_this_machine_is_not_called_through_a_proxy(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost"):
        address = f"http://{host}:{cloudformation.server_port}"
        status, text = said(["status", "--stack", "elsewhere", "--endpoint-url", address], capsys)
        assert status == 1
        assert text.startswith("tailrace: There is no stack 'elsewhere'")

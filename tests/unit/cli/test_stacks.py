"""How a stack and credentials are found; every failure is one sentence."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from cli.errors import CommandError
from cli.stacks import explained, find_stack, sign_in
from tests.unit.cli.cloudformation import ASK, CloudFormation, said
from tests.unit.cli.conftest import REGION


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


def test_missing_credentials_are_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith("tailrace: No AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half of them")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "No AWS credentials found" in said(ASK, capsys)[1]


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


def test_an_expired_sign_in_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))  # without a cached sign-in
    lines = ["[profile sso]", "sso_start_url = https://sso.example", "sso_region = eu-west-1"]
    lines += ["sso_account_id = 000000000000", "sso_role_name = reader"]
    (tmp_path / "config").write_text("\n".join(lines), encoding="utf-8")
    status, text = said([*ASK, "--profile", "sso"], capsys)
    assert status == 1
    assert text.startswith("tailrace: Cannot get AWS credentials; sign in again (`aws sso login`):")


@pytest.mark.parametrize(
    "setting",
    [
        "credential_process = /nonexistent/helper",
        "credential_process = echo no JSON",
        "credential_process = echo []",
        "role_arn = arn:aws:iam::000000000000:role/reader\nweb_identity_token_file = /nonexistent/token",
    ],
)
def test_a_broken_source_of_credentials_is_one_sentence(
    cloudformation: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (tmp_path / "config").write_text(f"[profile helped]\n{setting}\n", encoding="utf-8")
    status, text = said([*ASK, "--profile", "helped"], capsys)
    assert status == 1
    assert text.startswith(
        "tailrace: Cannot get AWS credentials; check the programs and files that your AWS configuration names:"
    )
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ValidationError", "Cannot find the {}, because AssumeRole failed: ValidationError: its own words"),
        ("AccessDenied", "These credentials lack permission for AssumeRole, which is needed to find the {}."),
    ],
)
def test_a_role_that_cannot_be_assumed_is_one_sentence(
    cloudformation: CloudFormation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    """It is neither a missing stack nor a right that DynamoDB wants; the region need not be in the profile."""
    cloudformation.code = code
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloudformation.url)
    monkeypatch.delenv("AWS_REGION")
    lines = ["[profile role]", "role_arn = arn:aws:iam::000000000000:role/r", "credential_source = Environment"]
    (tmp_path / "config").write_text("\n".join(lines), encoding="utf-8")
    for find, what in ((find_stack, "stack 'there' in eu-west-1"), (sign_in, "table 't'")):
        with pytest.raises(CommandError) as raised:
            find("there" if find is find_stack else what, REGION, "role")
        assert str(raised.value) == sentence.format(what)


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
    monkeypatch.setattr(cloudformation, "answer", lambda _body: (200, page))
    status, text = said([*ask, "--endpoint-url", cloudformation.url], capsys)
    assert (status, text.count("\n")) == (1, 1)
    assert text.startswith(f"tailrace: {cloudformation.url} does not respond as AWS does: check --endpoint-url")


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

"""How credentials are found and refreshed; every failure is one sentence."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials

from cli.credentials import freeze
from cli.errors import CommandError
from cli.stacks import find_stack, sign_in
from tests.unit.cli.cloudformation import ASK, CloudFormation, said
from tests.unit.cli.conftest import REGION


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


@pytest.mark.parametrize(
    ("later", "advice"),
    [
        ("echo no JSON", "check the programs and files that your AWS configuration names"),
        ("echo []", "check the programs and files that your AWS configuration names"),
        ("exit 1", "sign in again (`aws sso login`)"),
    ],
)
def test_credentials_that_cannot_be_refreshed_are_one_sentence(  # noqa: PLR0917 - what varies
    cloudformation: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    later: str,
    advice: str,
) -> None:
    """They were good when the stack was found."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    keys = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": soon}
    script = tmp_path / "helper"
    script.write_text(f"test -e {tmp_path}/over || exec echo '{json.dumps(keys)}'; {later}", encoding="utf-8")
    (tmp_path / "config").write_text(f"[profile helped]\ncredential_process = sh {script}\n", encoding="utf-8")
    found = cloudformation.answer

    def answer(body: str) -> tuple[int, str]:
        (tmp_path / "over").touch()
        monkeypatch.setattr(RefreshableCredentials, "refresh_needed", lambda *_arguments, **_options: True)
        return found(body)

    monkeypatch.setattr(cloudformation, "answer", answer)
    cloudformation.outputs = {"HistoryFunction": "there-history"}
    status, text = said(["status", "--stack", "there", "--profile", "helped"], capsys)
    assert (status, text.count("\n")) == (1, 1)
    assert text.startswith(f"tailrace: Cannot get AWS credentials; {advice}:")


@pytest.mark.parametrize(("minutes", "calls"), [(1, 3), (9, 3), (14, 3), (60, 2)])
def test_short_lived_credentials_are_not_refreshed_for_each_call(minutes: int, calls: int) -> None:
    """A program that provides them may take a second, and ask for a code. The SDK refreshes at every access."""
    now, refreshed = datetime.now(UTC), 0

    def refresh() -> dict[str, str]:
        nonlocal refreshed
        refreshed += 1
        expires = (now + timedelta(minutes=minutes)).isoformat()
        return {"access_key": f"a{refreshed}", "secret_key": "s", "token": "t", "expiry_time": expires}

    credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "custom-process")
    credentials._time_fetcher = lambda: now  # type: ignore[attr-defined]
    for _ in range(20):
        for _ in range(2):
            freeze(credentials)
            credentials.get_frozen_credentials()
    assert refreshed == (1 if minutes == 60 else 2)
    now += timedelta(minutes=minutes) * 0.8
    assert freeze(credentials).access_key == f"a{calls}"
    now += timedelta(minutes=minutes) * 0.4
    freeze(credentials)
    assert refreshed == calls

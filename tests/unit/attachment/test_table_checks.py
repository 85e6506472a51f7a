"""What keeps a stack from reading an existing table: its status, its encryption, missing rights; all as sentences."""

from copy import replace
from typing import Any

import pytest

from tailrace.attachment.facts import Denied, Described, Finding
from tailrace.attachment.table_checks import check_table, in_one_text
from tests.unit.attachment.tables import (
    ARN,
    FINE,
    KEY,
    OTHER_KEY,
    PIPELINE,
    PLAIN,
    STREAM,
    WANTED,
    errors,
    only,
    table,
    warnings,
)


def test_nothing_is_found_at_a_table_that_fits() -> None:
    assert check_table(PIPELINE, WANTED, FINE) == []
    assert check_table(PIPELINE, replace(WANTED, stream_arn=None, key_arn=None, writes=True), FINE) == []


def test_there_is_no_such_table() -> None:
    text = only(errors(WANTED, Described()))
    assert "no table 'shop' in region eu-west-1 of account 111122223333" in text
    assert "no table 'shop' in this region" in only(errors(replace(WANTED, table_arn="", stream_arn=None), Described()))


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "ARCHIVING", "ARCHIVED", "SOMETHING_NEW"])
def test_a_table_that_is_not_active(status: str) -> None:
    assert status in only(errors(WANTED, table(TableStatus=status)))


def test_a_table_that_is_updated_can_be_read() -> None:
    assert errors(WANTED, table(TableStatus="UPDATING")) == []
    assert "being updated" in warnings(WANTED, table(TableStatus="UPDATING"))[0]


@pytest.mark.parametrize(
    "changed",
    [{"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}, {"SSEDescription": {"InaccessibleEncryptionDateTime": 1}}],
)
def test_a_table_whose_key_is_out_of_reach(changed: dict[str, Any]) -> None:
    sse = {"SSEType": "KMS", "Status": "ENABLED", "KMSMasterKeyArn": KEY} | changed.get("SSEDescription", {})
    text = only(errors(replace(WANTED, key_arn=KEY), table(**changed | {"SSEDescription": sse})))
    assert f"cannot use the key {KEY}" in text


def encrypted(manager: str | None = None, **others: Any) -> Described:
    sse = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}
    return replace(table(SSEDescription=sse), key_manager=manager, **others)


SCAN = [Denied("dynamodb:Scan", ARN)]


def test_a_customer_managed_key_that_the_stack_is_not_given() -> None:
    assert f"ItemsTableKeyArn={KEY}" in only(errors(WANTED, encrypted("CUSTOMER")))
    assert f"ItemsTableKeyArn={KEY}" in only(errors(WANTED, encrypted(None, denied=SCAN)))
    assert errors(WANTED, encrypted("AWS")) == []
    assert errors(WANTED, encrypted()) == []  # it could read
    assert errors(replace(WANTED, key_arn=KEY), encrypted("CUSTOMER")) == []
    assert errors(replace(WANTED, key_arn=None), encrypted("CUSTOMER")) == []


def test_another_key_than_the_table_has() -> None:
    text = only(errors(replace(WANTED, key_arn=OTHER_KEY), encrypted()))
    assert text.endswith(f"set it to {KEY}.")
    assert errors(replace(WANTED, key_arn=KEY), FINE) == []
    assert "leave ItemsTableKeyArn empty" in warnings(replace(WANTED, key_arn=KEY), FINE)[0]


def test_a_key_whose_policy_denies_it() -> None:
    text = only(errors(replace(WANTED, key_arn=KEY), encrypted(None, denied=SCAN)))
    assert f"lacks dynamodb:Scan on {ARN}, or kms:Decrypt on {KEY}" in text


@pytest.mark.parametrize("action", ["dynamodb:DescribeTable", "dynamodb:DescribeStream", "dynamodb:Scan"])
def test_a_missing_right_names_action_and_resource(action: str) -> None:
    described = replace(FINE, denied=[Denied(action, ARN)])
    if action == "dynamodb:DescribeTable":
        described = replace(described, table=None)
    text = only(errors(WANTED, described))
    assert text == f"The stack's history function lacks {action} on {ARN}: look for what denies it."


def test_every_missing_right_is_told() -> None:
    denied = [
        Denied("dynamodb:DescribeTable", ARN),
        Denied("dynamodb:Scan", ARN),
        Denied("dynamodb:DescribeStream", STREAM),
    ]
    assert len(errors(WANTED, Described(denied=denied))) == 3


@pytest.mark.parametrize("action", ["dynamodb:DescribeTimeToLive", "kms:DescribeKey"])
def test_a_right_that_only_the_check_needs(action: str) -> None:
    described = replace(FINE, time_to_live=None, denied=[Denied(action, ARN)])
    assert errors(WANTED, described) == []
    assert f"lacks {action} on {ARN}, so" in only(warnings(WANTED, described))


def test_a_global_table_is_read_with_a_warning() -> None:
    described = table(Replicas=[{"RegionName": "us-east-1"}, {"RegionName": "eu-central-1"}])
    assert errors(WANTED, described) == []
    text = only(warnings(WANTED, described))
    assert "replicas in eu-central-1, us-east-1" in text
    assert "conditional write" not in text
    assert "conditional write" in warnings(replace(WANTED, writes=True), described)[0]
    assert warnings(WANTED, table(Replicas=[])) == []


def test_everything_that_is_wrong_is_told_errors_first() -> None:
    described = replace(
        table(
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            Replicas=[{"RegionName": "us-east-1"}],
        ),
        time_to_live={"TimeToLiveStatus": "ENABLED", "AttributeName": "end"},
    )
    found = check_table(PLAIN, WANTED, described)
    assert [finding.is_error for finding in found] == [True, True, True, False]


def test_sentences_are_cut_at_their_ends() -> None:
    findings = [Finding("A" * 50 + "."), Finding("B" * 50 + "."), Finding("C" * 50 + ".")]
    assert in_one_text(findings, 1000, "rest.") == " ".join(finding.text for finding in findings)
    assert in_one_text(findings, 130, "rest.") == f"{findings[0].text} {findings[1].text} 1 more: rest."
    assert in_one_text(findings, 70, "rest.") == f"{findings[0].text} 2 more: rest."
    assert in_one_text(findings, 30, "rest.") == "A" * 20 + " … rest."
    assert in_one_text([Finding("ü" * 500)], 30, "rest.") == "ü" * 10 + " … rest."
    assert len(in_one_text([Finding("\ud800" * 500)], 30, "rest.").encode()) <= 30

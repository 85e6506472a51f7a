"""Who may do what: each function only what it does, and nobody from outside anything."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.architecture.stack import (
    FUNCTIONS,
    STAGES,
    as_list,
    function_id,
    mapping_of,
    properties,
    referred,
    resources,
    statements,
    template,
    variables,
)

Statement = Mapping[str, Any]
CASES = [pytest.param(stage, given, id=f"{stage}-{given['Sid']}") for stage in STAGES for given in statements(stage)]

BY_NAME = {
    "SeeDeployments": ":function:${AWS::StackName}-aggregate",
    "ContinueFile": ":function:${AWS::StackName}-load",
    "RunJobs": ":stateMachine:${AWS::StackName}-history",
    "SendToQueues": ":${AWS::StackName}_*",
    "CountMessages": ":${AWS::StackName}_*",
}
"""Rights to what is named instead of referred to: a reference would be circular, and routes are made in a loop."""


@pytest.mark.parametrize(("stage", "statement"), CASES)
def test_a_statement_names_its_actions_and_its_resources(stage: str, statement: Statement) -> None:
    """No wildcard among the actions; a wildcard in a resource only within a prefix of one bucket or table."""
    assert all(
        re.fullmatch(r"(dynamodb|lambda|s3|sqs|states):[A-Za-z]+", action) for action in as_list(statement["Action"])
    ), stage
    for resource in as_list(statement["Resource"]):
        text = resource.get("Fn::Sub", "")
        by_name = statement["Sid"] in BY_NAME and text.endswith(BY_NAME[statement["Sid"]])
        assert by_name or len(referred(resource)) == 1
        assert by_name or "*" not in text or text.endswith("/*")


@pytest.mark.parametrize(("stage", "statement"), CASES)
def test_objects_are_reached_by_prefix(stage: str, statement: Statement) -> None:
    """A function that writes quarantine/ cannot overwrite what another one keeps in the same bucket."""
    if not any(action in ("s3:GetObject", "s3:PutObject") for action in as_list(statement["Action"])):
        return
    for resource in as_list(statement["Resource"]):
        assert re.search(
            r"/(inbox|checkpoints|receipts|archive|quarantine|oversize|aws/lambda|journal|jobs|reports|expired)/\*$",
            resource["Fn::Sub"],
        ), stage


@pytest.mark.parametrize("stage", STAGES)
def test_a_role_covers_what_the_settings_name_and_nothing_else(stage: str) -> None:
    """Every resource in the environment is used, and every right is to one of them, the source or the destination."""
    named = referred(variables(stage))
    mapping = mapping_of(stage)
    ends = [mapping[1]["EventSourceArn"], mapping[1].get("DestinationConfig")] if mapping else []
    served = referred(ends)
    reached = referred([given["Resource"] for given in statements(stage)])
    assert reached == named | served


@pytest.mark.parametrize("stage", ["api", "load", "ingest", "archive", "catalog"])
def test_a_stage_counts_under_its_own_name_only(stage: str) -> None:
    """None of them could make a reader of the stream look further, or another stage busier, than it is."""
    to_progress = [given for given in statements(stage) if referred(given["Resource"]) == {"ProgressTable"}]
    (writing,) = [given for given in to_progress if as_list(given["Action"]) != ["dynamodb:Query"]]
    assert writing["Action"] == "dynamodb:UpdateItem"
    assert writing["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [stage]}}


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_a_role_is_made_of_statements_only(stage: str) -> None:
    """Neither managed policies nor SAM's policy templates nor events, which all bring rights of their own."""
    function = properties(function_id(stage))
    assert all(set(policy) == {"Statement"} for policy in function["Policies"])
    assert not {"Events", "Role", "FunctionUrlConfig"} & function.keys()


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_a_function_writes_no_log_but_its_own(stage: str) -> None:
    """The managed policy that SAM attaches to each role allows every log group of the account."""
    found = template()["Resources"][f"{stage.capitalize()}LogRights"]
    assert found["Properties"]["Roles"] == [{"Ref": f"{function_id(stage)}Role"}]
    (statement,) = found["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "logs:*")
    group = {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"}
    own = properties(function_id(stage))["LoggingConfig"]["LogGroup"]
    assert statement["NotResource"] == [
        {"Fn::Join": [":", [group, own]]},
        {"Fn::Join": [":", [group, own, "*"]]},
    ]
    assert found.get("Condition") == template()["Resources"][function_id(stage)].get("Condition")


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_a_function_does_not_create_its_log_again(stage: str) -> None:
    """Lambda writes last lines after the stack's end, and a stack of the same name could not create the log.

    https://github.com/aws/aws-cdk/issues/11549
    """
    (denied,) = statements(stage, "Deny")
    assert (denied["Action"], denied["Resource"]) == ("logs:CreateLogGroup", "*")


def test_nothing_is_public() -> None:
    """No bucket, no function address, no open route; and queues have no policy but the one that denies (below)."""
    for name in resources("AWS::S3::Bucket"):
        block = properties(name)["PublicAccessBlockConfiguration"]
        assert block == dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
        )
        assert properties(name)["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for kind in ("AWS::Lambda::Url", "AWS::SQS::QueueInlinePolicy", "AWS::Serverless::HttpApi", "AWS::Serverless::Api"):
        assert not resources(kind)


@pytest.mark.parametrize("name", sorted(resources("AWS::S3::Bucket")))
def test_buckets_refuse_what_is_not_encrypted_on_the_way(name: str) -> None:
    """The one statement of a bucket's policy denies everything without TLS."""
    (policy,) = [
        found["Properties"]
        for found in resources("AWS::S3::BucketPolicy").values()
        if referred(found["Properties"]["Bucket"]) == {name}
    ]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@pytest.mark.parametrize("name", sorted(resources("AWS::SQS::Queue")))
def test_queues_refuse_what_is_not_encrypted_on_the_way(name: str) -> None:
    """The one statement of a queue's one policy denies everything without TLS, and so gives nobody a right.

    One policy, since another for the same queue would overwrite it. SQS refuses a statement that names several
    queues; "*" is the queue that the policy is written to.
    """
    (policy,) = [
        found["Properties"]
        for found in resources("AWS::SQS::QueuePolicy").values()
        if {"Ref": name} in found["Properties"]["Queues"]
    ]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == "*"


@pytest.mark.parametrize("name", sorted(resources("AWS::Lambda::Permission")))
def test_only_this_stack_invokes_its_functions(name: str) -> None:
    """A permission names the caller's own resource, and for S3 the account (a bucket's name could change hands)."""
    permission = properties(name)
    assert permission["Principal"] in ("s3.amazonaws.com", "apigateway.amazonaws.com")
    assert referred(permission["SourceArn"]) <= {"ArchiveBucket", "FailuresBucket", "HttpApi"}
    assert referred(permission["SourceArn"])
    if permission["Principal"] == "s3.amazonaws.com":
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_the_state_machine_may_run_its_parts_and_watch_them() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html, for a distributed Map.

    The guide names executions as <machine>:*, and the ARN of a part is <machine>/<map run>:<id>.
    """
    (policy,) = properties("HistoryMachine")["Policies"]
    allowed = {one["Sid"]: one for one in policy["Statement"] if "Sid" in one}
    machine = properties("HistoryMachine")["Name"]["Fn::Sub"]
    account = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
    assert allowed["RunParts"]["Action"] == "states:StartExecution"
    assert allowed["RunParts"]["Resource"] == {"Fn::Sub": f"{account}:stateMachine:{machine}"}
    assert allowed["WatchParts"]["Action"] == ["states:DescribeExecution", "states:StopExecution"]
    assert allowed["WatchParts"]["Resource"] == [
        {"Fn::Sub": f"{account}:execution:{machine}{end}"} for end in (":*", "/*")
    ]

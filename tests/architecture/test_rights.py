"""Who may do what: each function only what it does, and nobody from outside anything."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.architecture.stack import (
    STAGES,
    as_list,
    function_id,
    mapping_of,
    properties,
    referred,
    resources,
    statements,
    variables,
)

Statement = Mapping[str, Any]
CASES = [pytest.param(stage, given, id=f"{stage}-{given['Sid']}") for stage in STAGES for given in statements(stage)]


@pytest.mark.parametrize(("stage", "statement"), CASES)
def test_a_statement_names_its_actions_and_its_resources(stage: str, statement: Statement) -> None:
    """No wildcard among the actions; a wildcard in a resource only within a prefix of one bucket or table."""
    assert statement["Effect"] == "Allow"
    assert all(re.fullmatch(r"(dynamodb|s3|sqs):[A-Za-z]+", action) for action in as_list(statement["Action"])), stage
    for resource in as_list(statement["Resource"]):
        assert len(referred(resource)) == 1
        text = resource.get("Fn::Sub", "")
        assert "*" not in text or text.endswith("/*")


@pytest.mark.parametrize(("stage", "statement"), CASES)
def test_objects_are_reached_by_prefix(stage: str, statement: Statement) -> None:
    """A function that writes quarantine/ cannot overwrite what another one keeps in the same bucket."""
    if not any(action in ("s3:GetObject", "s3:PutObject") for action in as_list(statement["Action"])):
        return
    for resource in as_list(statement["Resource"]):
        assert re.search(r"/(inbox|receipts|archive|quarantine|oversize|aws/lambda)/\*$", resource["Fn::Sub"]), stage


@pytest.mark.parametrize("stage", STAGES)
def test_a_role_covers_what_the_settings_name_and_nothing_else(stage: str) -> None:
    """Every resource in the environment is used, and every right is to one of them, the source or the destination."""
    named = referred(variables(stage))
    mapping = mapping_of(stage)
    ends = [mapping[1]["EventSourceArn"], mapping[1].get("DestinationConfig")] if mapping else []
    served = referred(ends)
    reached = referred([given["Resource"] for given in statements(stage)])
    assert reached == named | served


@pytest.mark.parametrize("stage", STAGES)
def test_a_role_is_made_of_statements_only(stage: str) -> None:
    """Neither managed policies nor SAM's policy templates nor events, which all bring rights of their own."""
    function = properties(function_id(stage))
    assert all(set(policy) == {"Statement"} for policy in function["Policies"])
    assert not {"Events", "Role", "FunctionUrlConfig"} & function.keys()


def test_nothing_is_public() -> None:
    """No bucket, no function address, no queue policy, no open route."""
    for name in resources("AWS::S3::Bucket"):
        block = properties(name)["PublicAccessBlockConfiguration"]
        assert block == dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
        )
        assert properties(name)["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for kind in ("AWS::Lambda::Url", "AWS::SQS::QueuePolicy", "AWS::Serverless::HttpApi", "AWS::Serverless::Api"):
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


@pytest.mark.parametrize("name", sorted(resources("AWS::Lambda::Permission")))
def test_only_this_stack_invokes_its_functions(name: str) -> None:
    """A permission names the caller's own resource, and for S3 the account (a bucket's name could change hands)."""
    permission = properties(name)
    assert permission["Principal"] in ("s3.amazonaws.com", "apigateway.amazonaws.com")
    assert referred(permission["SourceArn"]) <= {"ArchiveBucket", "HttpApi"}
    assert referred(permission["SourceArn"])
    if permission["Principal"] == "s3.amazonaws.com":
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


@pytest.mark.parametrize("name", sorted(resources("AWS::ApiGatewayV2::Route")))
def test_every_route_asks_for_a_signature(name: str) -> None:
    """Also in the emulator: what is tried there is what is deployed."""
    route = properties(name)
    assert route["AuthorizationType"] == "AWS_IAM"
    assert referred(route["Target"]) == {"ApiIntegration"}


def test_the_api_is_throttled_and_logs_who_asked() -> None:
    """One caller cannot use up the account's functions, and every request leaves a line."""
    (stage,) = resources("AWS::ApiGatewayV2::Stage").values()
    settings = stage["Properties"]["DefaultRouteSettings"]
    assert 0 < settings["ThrottlingRateLimit"] <= settings["ThrottlingBurstLimit"] <= 5000
    assert referred(stage["Properties"]["AccessLogSettings"]["DestinationArn"]) == {"ApiAccessLog"}

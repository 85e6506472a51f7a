"""What a deployment may choose: a key of its own, how long data lives, tracing; nothing of it by default."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.architecture.parameters import deployed, of_type, refused
from tests.architecture.stack import (
    FUNCTIONS,
    PAGE,
    ROOT,
    STAGES,
    function_id,
    referred,
    resources,
    statements,
    template,
)

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
WITH_KEY = deployed(KmsKeyArn=KEY, JwtIssuer="https://issuer.example", DashboardClientId="page")
DATA = ("ItemsTable", "AggregatesTable", "CatalogTable")
BUCKETS = sorted(resources("AWS::S3::Bucket"))
QUEUES = sorted(resources("AWS::SQS::Queue"))
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def default_encryption(bucket: Mapping[str, Any]) -> tuple[str, str | None, bool]:
    """Return how a bucket encrypts: the algorithm, the key, and whether objects share a data key."""
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    given = rule["ServerSideEncryptionByDefault"]
    return given["SSEAlgorithm"], given.get("KMSMasterKeyID"), rule["BucketKeyEnabled"]


def test_one_key_encrypts_everything_that_can_have_one() -> None:
    """Tables, queues, logs, buckets."""
    for table in of_type(WITH_KEY, "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    for queue in of_type(WITH_KEY, "AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == KEY
        assert "SqsManagedSseEnabled" not in queue
    for bucket in of_type(WITH_KEY, "AWS::S3::Bucket").values():
        assert default_encryption(bucket) == ("aws:kms", KEY, True)
    for group in of_type(WITH_KEY, "AWS::Logs::LogGroup").values():
        assert group["KmsKeyId"] == KEY
    assert template()["Globals"]["Function"]["KmsKeyArn"]["Fn::If"][:2] == ["HasKey", {"Ref": "KmsKeyArn"}]


def test_without_a_key_the_services_use_their_own() -> None:
    """No resource names one, and no role has a right to any."""
    assert "kms" not in json.dumps(deployed(), default=str).lower().replace("kmsmasterkeyid", "")
    for bucket in of_type(deployed(), "AWS::S3::Bucket").values():
        assert default_encryption(bucket) == ("AES256", None, False)
    for table in of_type(deployed(), "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": False}


def services(stage: str) -> set[str]:
    """Return the services that a stage has rights to."""
    actions = re.findall(r"\b(dynamodb|s3|sqs):", json.dumps(statements(stage), default=str))
    return set(actions)


def test_every_role_that_touches_data_may_use_the_key_and_no_other_role() -> None:
    """Through the services only: nobody may decrypt what they have copied."""
    rights = WITH_KEY["KeyRights"]["Properties"]
    assert referred_roles(rights) == {f"{function_id(stage)}Role" for stage in FUNCTIONS if services(stage)}
    assert f"{function_id(PAGE)}Role" not in referred_roles(rights)
    (statement,) = rights["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Resource"] == KEY
    via = [name["Fn::Sub"].split(".")[0] for name in statement["Condition"]["StringEquals"]["kms:ViaService"]]
    assert set(via) == {service for stage in STAGES for service in services(stage)}


def referred_roles(policy: Mapping[str, Any]) -> set[str]:
    """Return the roles that a policy is for: SAM makes them, with the function's name."""
    return {role["Ref"] for role in policy["Roles"]}


def test_history_has_the_key_before_it_writes_the_first_rows() -> None:
    """The reference makes CloudFormation wait for the policy; a DependsOn could not have a condition."""
    assert WITH_KEY["ControlRows"]["Properties"]["After"] == {"Ref": "KeyRights"}
    assert not referred(deployed()["ControlRows"]["Properties"]["After"])


def test_the_documented_key_policy_lets_in_every_service_that_encrypts() -> None:
    """CloudWatch Logs and its delivery act by themselves; the others act for whoever calls them."""
    (text,) = re.findall(r"```json\n(\{\n.*?\"Sid\": \"Logs\".*?)```", OPERATING, re.DOTALL)
    policy = json.loads(text)
    via = {
        service.split(".")[0]
        for statement in policy["Statement"]
        for service in statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", [])
    }
    assert {"dynamodb", "s3", "sqs", "lambda"} <= via
    acting = {str(statement["Principal"].get("Service", "")) for statement in policy["Statement"]}
    assert any(service.startswith("logs.") for service in acting)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({}, ""),
        ({"CorsOrigins": "https://a.example, https://b.example,https://a.example"}, ""),
        ({"CorsOrigins": ",https://a.example"}, "CorsOrigins has an empty member"),
        ({"CorsOrigins": "https://a.example, "}, "CorsOrigins has an empty member"),
        ({"JwtIssuer": "https://a.example", "JwtAudience": "page, jobs"}, ""),
        ({"JwtIssuer": "https://a.example", "JwtAudience": "page,,jobs"}, "JwtAudience has an empty member"),
        ({"JwtIssuer": "https://a.example", "JwtAudience": " , "}, "JwtIssuer requires JwtAudience"),
        ({"JwtAudience": "page"}, "JwtAudience requires JwtIssuer"),
    ],
)
def test_a_list_is_used_as_it_is_given_or_refused(chosen: dict[str, str], reason: str) -> None:
    """With an empty member first, no origin was allowed, without a sign; an empty audience is nobody's."""
    found = refused(**chosen)
    assert [text.startswith(reason) for text in found] == ([True] if reason else [])


@pytest.mark.parametrize("name", [*DATA, *BUCKETS, *QUEUES])
def test_a_trial_leaves_nothing(name: str) -> None:
    """Only if it is said."""
    assert template()["Parameters"]["RetainData"]["Default"] == "true"
    trial = deployed(RetainData="false")[name]
    assert (trial["DeletionPolicy"], trial["UpdateReplacePolicy"]) == ("Delete", "Delete")


def test_tables_with_data_can_be_protected() -> None:
    """Not by default: a first deployment that fails could not remove them."""
    for chosen, expected in (("true", True), ("false", False)):
        tables = of_type(deployed(DeletionProtection=chosen), "AWS::DynamoDB::Table")
        assert {name: tables[name]["DeletionProtectionEnabled"] for name in DATA} == dict.fromkeys(DATA, expected)
    assert template()["Parameters"]["DeletionProtection"]["Default"] == "false"


def expiring(**chosen: str) -> Iterator[tuple[str, str, Any]]:
    """Yield what buckets delete by themselves: bucket, prefix, days."""
    for name, bucket in of_type(deployed(**chosen), "AWS::S3::Bucket").items():
        for rule in bucket["LifecycleConfiguration"]["Rules"]:
            if "ExpirationInDays" in rule:
                assert rule["Status"] == "Enabled"
                yield name, rule["Prefix"], rule["ExpirationInDays"]


@pytest.mark.parametrize(
    ("parameter", "prefixes"),
    [
        ("InboxDays", {("ArchiveBucket", "inbox/"), ("ArchiveBucket", "receipts/")}),
        ("ArchiveDays", {("ArchiveBucket", "archive/")}),
        ("FailuresDays", {("FailuresBucket", "quarantine/"), ("FailuresBucket", "aws/lambda/")}),
    ],
)
def test_what_grows_for_ever_can_have_an_end(parameter: str, prefixes: set[tuple[str, str]]) -> None:
    """And has none by default."""
    found = set(expiring(**{parameter: "77"})) - set(expiring())
    assert found == {(bucket, prefix, "77") for bucket, prefix in prefixes}
    assert template()["Parameters"][parameter]["Default"] == 0


def test_versions_and_reports_have_an_end_that_can_be_chosen() -> None:
    """Both have one by default."""
    assert ("HistoryBucket", "reports/", "9") in set(expiring(ReportsDays="9"))
    for name in BUCKETS:
        rules = deployed(OverwrittenDays="9")[name]["Properties"]["LifecycleConfiguration"]["Rules"]
        general = [rule.get("NoncurrentVersionExpiration") for rule in rules if "Prefix" not in rule]
        assert [one for one in general if one is not None] == [{"NoncurrentDays": "9"}]
        # of two ends, S3 takes the earlier one: no other is for what cannot be made again
        shorter = {rule["Prefix"] for rule in rules if "Prefix" in rule and "NoncurrentVersionExpiration" in rule}
        assert shorter <= {"checkpoints/", "journal/", "jobs/"}


def test_access_logs_go_to_a_bucket_of_the_users() -> None:
    """Each bucket under a prefix of its own."""
    buckets = of_type(deployed(AccessLogBucket="logs-of-mine"), "AWS::S3::Bucket")
    prefixes = {str(bucket["LoggingConfiguration"]["LogFilePrefix"]) for bucket in buckets.values()}
    assert len(prefixes) == len(buckets)
    assert all("LoggingConfiguration" not in bucket for bucket in of_type(deployed(), "AWS::S3::Bucket").values())


def test_tracing_is_off_unless_it_is_asked_for() -> None:
    """For the functions and the state machine together; SAM knows Disabled, and adds the permission with Active."""
    assert template()["Globals"]["Function"]["Tracing"] == {"Ref": "Tracing"}
    assert template()["Parameters"]["Tracing"]["Default"] == "Disabled"
    for chosen, expected in (("Disabled", False), ("Active", True)):
        machine = deployed(Tracing=chosen)["HistoryMachine"]["Properties"]
        assert machine["Tracing"] == {"Enabled": expected}
        # https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
        assert ("xray:PutTraceSegments" in str(machine["Policies"])) is expected


def test_the_state_machine_takes_from_the_stack_what_is_a_text() -> None:
    """SAM fills in a function within quotation marks: Step Functions refuses a number that became a text."""
    definition = template()["Resources"]["HistoryMachine"]["Properties"]["Definition"]
    filled = dict(filled_in("Definition", definition))
    assert {name for name in filled if not name.endswith(".$")} == {"Resource"}
    assert filled["concurrency.$"] == {"Fn::Sub": "States.MathAdd(${HistoryConcurrency}, 0)"}
    assert definition["States"]["Advance"]["ResultPath"] == "$.step"
    assert definition["States"]["Parts"]["MaxConcurrencyPath"] == "$.step.concurrency"
    assert "MaxConcurrency" not in definition["States"]["Parts"]


def filled_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what CloudFormation fills in, and the name of the member where it stands."""
    match value:
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Sub": _} | {"Fn::If": _}:
            yield name, value
        case dict():
            for key, inner in value.items():
                yield from filled_in(key, inner)
        case list():
            for inner in value:
                yield from filled_in(name, inner)


def test_a_deployment_does_not_wait_for_an_hour_for_a_function_that_cannot_start() -> None:
    """An hour is the default; a stack whose layer cannot be imported would take two of them to fail."""
    checks = [one for one in template()["Resources"].values() if one["Type"].startswith("Custom::")]
    assert [one["Properties"]["ServiceTimeout"] for one in checks] == [900] * 3


def test_every_parameter_is_explained() -> None:
    """In the template; and those that need a decision, in the guide."""
    for name, parameter in template()["Parameters"].items():
        assert parameter["Description"], name
    for name in ("KmsKeyArn", "RetainData", "DeletionProtection", "AccessLogBucket", "InboxDays", "Tracing"):
        assert f"`{name}`" in OPERATING, name


def test_the_environments_of_samconfig_differ_in_values_only() -> None:
    """`sam validate --config-env prod` asked AWS, and failed without a region, because it lacked lint."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    default = config["default"]
    for name in ("dev", "prod"):
        assert config[name].keys() == default.keys()
        for command in ("build", "validate"):
            assert config[name][command] == default[command]
        for one in config[name]["deploy"]["parameters"]["parameter_overrides"].split():
            assert one.partition("=")[0] in template()["Parameters"]

"""Roles: the flow runs with policies enforced, each function is denied what is not its own, and no right is left over.

The emulator runs each function with its role's credentials and writes every decision down
(local/emulation/policies.py). What only Lambda does with a role, reading sources and writing to failure
destinations, is done here with the role.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.stack import Stack, enforcing_stack
from tests.architecture.stack import STAGES, function_id, mapping_of
from tests.openapi.conformance import FLIGHT
from tests.review.enforced_flow import (
    DELAYED,
    SETTLED_S,
    eventually,
    objects,
    put_directly,
    use_api,
    use_inbox,
    use_intake,
)

DENIED = {"AccessDenied", "AccessDeniedException"}

type Decision = Mapping[str, Any]


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies") / "decisions.jsonl"


@pytest.fixture(scope="module")
def stack(decisions: Path) -> Iterator[Stack]:
    """Run the whole flow with policies enforced."""
    with enforcing_stack(decisions) as running:
        use_inbox(running)
        use_intake(running)
        use_api(running)
        put_directly(running, "direct", DELAYED)
        put_directly(running, "invalid", {"carrier": 1})
        running.wait_until_settled(SETTLED_S)
        put_directly(running, "later", FLIGHT)  # a batch of its own, for rows that aggregate knows by now
        running.wait_until_settled(SETTLED_S)
        eventually(lambda: objects(running, "ArchiveBucket", "receipts/") == 2)
        eventually(lambda: objects(running, "ArchiveBucket", "archive/") > 0)
        catalog = running.outputs["CatalogTable"]
        eventually(lambda: running.client("dynamodb").scan(TableName=catalog)["Count"] > 0)
        yield running


@pytest.fixture(scope="module")
def as_role(stack: Stack) -> Callable[[str, str], Any]:
    """Return a function that makes a client with the permissions of a stage's function."""

    def client(stage: str, service: str) -> Any:
        function = stack.client("lambda").get_function_configuration(FunctionName=stack.resources[function_id(stage)])
        given = stack.client("sts").assume_role(RoleArn=function["Role"], RoleSessionName="test")["Credentials"]
        untyped: Any = boto3
        return untyped.client(
            service,
            endpoint_url=stack.endpoint,
            region_name="us-east-1",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    return client


def made(decisions: Path) -> list[Decision]:
    """Return the decisions about the functions themselves."""
    found = [json.loads(line) for line in decisions.read_text().splitlines()]
    return [one for one in found if one["session"] != "test"]


def test_everything_arrives_and_no_function_lacks_a_right(stack: Stack, decisions: Path) -> None:
    """A verification, itself under its role, finds every row as the items are."""
    verified = stack.history().verify()
    assert verified["counts"]["rows"] > 0
    assert verified["counts"].get("different", 0) == 0
    assert not [one for one in made(decisions) if not one["allowed"]]
    assert {one["session"] for one in made(decisions)} == {f"tailrace-{stage}" for stage in STAGES}
    assert objects(stack, "FailuresBucket", "quarantine/") == 3


def test_rows_that_a_function_knows_are_written_in_batches(stack: Stack, decisions: Path) -> None:
    """The production write path: UpdateItem for a row that is new to the process, then PartiQL."""
    actions = {one["action"] for one in made(decisions) if one["session"] == "tailrace-aggregate"}
    assert {"dynamodb:UpdateItem", "dynamodb:PartiQLUpdate"} <= actions


FORBIDDEN: dict[str, tuple[str, Callable[[Any, Mapping[str, str]], Any]]] = {
    "load": ("dynamodb", lambda c, out: c.scan(TableName=out["ItemsTable"])),
    "ingest": ("dynamodb", lambda c, out: c.update_item(TableName=out["ProgressTable"], Key=row("fanout", "x"))),
    "fanout": ("dynamodb", lambda c, out: c.put_item(TableName=out["ItemsTable"], Item={"pk": {"S": "flights#x"}})),
    "archive": ("s3", lambda c, out: c.put_object(Bucket=out["ArchiveBucket"], Key="receipts/x", Body=b"")),
    "catalog": ("s3", lambda c, out: c.get_object(Bucket=out["ArchiveBucket"], Key="inbox/flights/some.jsonl")),
    "aggregate": (
        "dynamodb",
        lambda c, out: c.put_item(TableName=out["AggregatesTable"], Item=row("origin_days", "x")),
    ),
    "history": ("dynamodb", lambda c, out: c.put_item(TableName=out["ItemsTable"], Item={"pk": {"S": "flights#x"}})),
    "api": ("s3", lambda c, out: c.get_object(Bucket=out["FailuresBucket"], Key="quarantine/x")),
}
"""An action for each function that its job does not need, often in a table or bucket that it does use."""


def row(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def test_every_stage_has_something_forbidden() -> None:
    """A new stage needs its own."""
    assert FORBIDDEN.keys() == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_not_its_own_is_denied(stack: Stack, as_role: Callable[[str, str], Any], stage: str) -> None:
    """By the policy: the same call is allowed to the account."""
    service, attempt = FORBIDDEN[stage]
    with pytest.raises(ClientError) as raised:
        attempt(as_role(stage, service), stack.resources)
    assert raised.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("stage", ["load", "ingest", "archive", "catalog", "api"])
def test_a_stage_reports_its_own_throughput_only(stack: Stack, as_role: Callable[[str, str], Any], stage: str) -> None:
    """The same call, with its own name and with another's."""
    table = as_role(stage, "dynamodb")
    table.update_item(TableName=stack.resources["ProgressTable"], Key=row(stage, "test"))
    with pytest.raises(ClientError) as raised:
        table.update_item(TableName=stack.resources["ProgressTable"], Key=row("aggregate", "test"))
    assert raised.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("stage", ["ingest", "archive"])
def test_lambda_may_read_the_queues_with_the_role(stack: Stack, as_role: Callable[[str, str], Any], stage: str) -> None:
    """And no other queue."""
    sqs, own = as_role(stage, "sqs"), "IntakeQueue" if stage == "ingest" else "ArchiveQueue"
    sqs.get_queue_attributes(QueueUrl=stack.outputs[own], AttributeNames=["All"])
    sqs.receive_message(QueueUrl=stack.outputs[own])
    with pytest.raises(ClientError) as raised:
        sqs.receive_message(QueueUrl=stack.outputs["DisruptionsQueue"])
    assert raised.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("stage", ["fanout", "aggregate"])
def test_lambda_may_read_the_stream_and_put_failures_aside_with_the_role(
    stack: Stack, as_role: Callable[[str, str], Any], stage: str
) -> None:
    """Discarded batches go to their prefix, and nowhere else."""
    found = mapping_of(stage)
    assert found is not None
    streams, stream = as_role(stage, "dynamodbstreams"), stack.outputs["ItemsTableStream"]
    (shard, *_) = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    assert streams.get_records(ShardIterator=iterator)["Records"]
    s3, bucket = as_role(stage, "s3"), stack.outputs["FailuresBucket"]
    s3.put_object(Bucket=bucket, Key=f"aws/lambda/{stage}/test", Body=b"{}")
    s3.list_objects_v2(Bucket=bucket)
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="elsewhere/test", Body=b"{}")
    assert raised.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize("stage", ["load", "catalog"])
def test_lambda_may_send_failed_events_with_the_role(
    stack: Stack, as_role: Callable[[str, str], Any], stage: str
) -> None:
    """SAM adds this right for the failure destination."""
    as_role(stage, "sqs").send_message(QueueUrl=stack.outputs["AsyncFailuresQueue"], MessageBody="{}")


@pytest.mark.parametrize(
    ("stage", "statement", "allowed"),
    [
        ("aggregate", "UPDATE \"{}\" SET n = 1 WHERE pk = 'p' AND sk = 's'", True),
        ("history", "UPDATE \"{}\" SET n = 1 WHERE pk = 'p' AND sk = 's'", True),
        ("aggregate", "DELETE FROM \"{}\" WHERE pk = 'p' AND sk = 's'", False),
        ("aggregate", 'SELECT * FROM "{}"', False),
        ("api", "UPDATE \"{}\" SET n = 1 WHERE pk = 'p' AND sk = 's'", False),
    ],
)
def test_partiql_is_tried_against_its_action(
    stack: Stack, as_role: Callable[[str, str], Any], stage: str, statement: str, allowed: bool
) -> None:
    """Rows that exist are written by statements, for which each verb has an action of its own."""
    text = statement.format(stack.resources["AggregatesTable"])
    try:
        as_role(stage, "dynamodb").batch_execute_statement(Statements=[{"Statement": text}])
        code = ""
    except ClientError as error:
        code = error.response["Error"]["Code"]
    assert (code not in DENIED) is allowed


ON_AWS = "on AWS, Lambda does this with the role; its managed policies for these sources ask for it"
UNUSED = {
    "aggregate ListStreams dynamodb:ListStreams": ON_AWS,
    "fanout ListStreams dynamodb:ListStreams": ON_AWS,
    "archive ReadArchiveQueue sqs:ChangeMessageVisibility": ON_AWS,
    "archive ReadArchiveQueue sqs:DeleteMessage": ON_AWS,
    "ingest ReadIntake sqs:ChangeMessageVisibility": ON_AWS,
    "ingest ReadIntake sqs:DeleteMessage": ON_AWS,
    "api StoreResponses dynamodb:GetItem": "reads the entry of a request whose response does not fit",
    "archive ReadOversize s3:GetObject": "reads changes that do not fit into a message; no flight is that large",
    "catalog DetectMissingObject s3:ListBucket": "tells a missing object from a forbidden one; S3 asks for it",
    "load ContinueFile lambda:InvokeFunction": "a file that takes longer than one invocation goes on in the next",
    "load DetectMissingReceipt s3:ListBucket": "tells a missing receipt from a forbidden one; S3 asks for it",
    "load WriteItems dynamodb:PutItem": "writes items whose key another collection may use, too, on a condition",
    "history ReadProgress dynamodb:UpdateItem": "marks what a build has covered; there is nothing to build",
    "history RunJobs states:ListExecutions": "finds the execution of a job that is resumed",
}
"""What a role allows and nothing here has called, each with its use."""


def policies(stack: Stack, stage: str) -> list[Mapping[str, Any]]:
    """Return the statements of the deployed role, without those that Lambda itself uses."""
    iam = stack.client("iam")
    function = stack.client("lambda").get_function_configuration(FunctionName=stack.resources[function_id(stage)])
    role = function["Role"].rsplit("/", 1)[-1]
    found = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        given = document["Statement"]
        found += given if isinstance(given, list) else [given]
    return found


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_no_role_has_a_right_that_nothing_uses(stack: Stack, decisions: Path) -> None:
    """All calls of all functions, and of Lambda with their roles, against the deployed documents."""
    # history reads a discarded batch when S3 notifies it
    eventually(lambda: "history ReadDiscardedBatches s3:GetObject" not in unused(stack, decisions))
    assert sorted(unused(stack, decisions)) == sorted(UNUSED)


def unused(stack: Stack, decisions: Path) -> set[str]:
    """Return the rights that no call has used, each as stage, statement and action."""
    called = [json.loads(line) for line in decisions.read_text().splitlines() if json.loads(line)["allowed"]]
    found = set()
    for stage in STAGES:
        role = stack.client("lambda").get_function_configuration(FunctionName=stack.resources[function_id(stage)])[
            "Role"
        ]
        own = [one for one in called if one["role"] == role.rsplit("/", 1)[-1]]
        for statement in policies(stack, stage):
            if statement["Effect"] == "Deny":  # no right
                continue
            for action in listed(statement["Action"]):
                if not any(
                    one["action"] == action
                    and any(fnmatchcase(one["resource"], r) for r in listed(statement["Resource"]))
                    for one in own
                ):
                    found.add(f"{stage} {statement.get('Sid', '')} {action}")
    return found

"""Checks the table that a stack is attached to, when the stack is deployed, and before: ``tailrace check``."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tailrace.attachment.facts import Actor, Denied, Described, Wanted
from tailrace.attachment.stream_checks import is_stream_of
from tailrace.attachment.table_checks import check_table, in_one_text
from tailrace.aws.runtime.errors import has_code, map_aws_errors
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import UnfitTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
"""The codes of services for what the caller may not do."""

_GONE = ("ResourceNotFoundException", "NotFoundException")

PAUSES_S = (2.0, 4.0, 8.0, 16.0)
"""A role's new permissions take some seconds to apply everywhere:
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency"""

_MAX_BYTES = 2000
"""The most bytes of a reason: CloudFormation takes 4 KB with the rest of the answer."""

_HISTORY = Actor(
    "The stack's history function lacks",
    "the template grants it, so look for a policy of the table or the key, a permissions boundary or a service control "
    "policy that denies it",
)


class _Calls:
    """Makes calls that may be denied, or ask for what does not exist."""

    def __init__(self) -> None:
        self.denied: list[Denied] = []

    def ask(self, action: str, resource: str, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the response; None if the call is denied, or there is nothing with that name.

        Raises:
            Transient: the service cannot answer now.
            Permanent: it rejects the call for another reason.
        """
        with map_aws_errors():
            try:
                return call()
            except ClientError as error:
                if has_code(error, *DENIED):
                    self.denied.append(Denied(action, resource))
                elif not has_code(error, *_GONE):
                    raise
        return None


def describe(
    dynamodb: "DynamoDBClient",
    streams: "DynamoDBStreamsClient",
    wanted: Wanted,
    *,
    kms: Callable[[], Any] | None = None,
    reads: bool = True,
) -> Described:
    """Ask DynamoDB about a table and the stream that is wanted of it.

    Args:
        dynamodb: a client of DynamoDB.
        streams: a client of its streams.
        wanted: which table, and which stream.
        kms: returns a client of KMS, to ask who manages the table's key.
        reads: whether to read an item, which shows that it is allowed, and that the table's key may be used.

    Raises:
        Transient: the service cannot answer now.
        Permanent: it rejects a call for a reason other than a missing permission.
    """
    calls, name = _Calls(), wanted.table
    found = calls.ask("dynamodb:DescribeTable", wanted.table_arn, lambda: dynamodb.describe_table(TableName=name))
    table = found["Table"] if found else None
    if found is None and not calls.denied:
        return Described()
    arn = str((table or {}).get("TableArn") or wanted.table_arn)
    ttl = calls.ask("dynamodb:DescribeTimeToLive", arn, lambda: dynamodb.describe_time_to_live(TableName=name))
    if reads:
        calls.ask("dynamodb:Scan", arn, lambda: dynamodb.scan(TableName=name, Limit=1))
    known = Described(table)
    stream, stream_is_gone = _stream(calls, streams, wanted, arn, known.latest_stream)
    manager = None
    if (key := known.key_arn) is not None and kms is not None:
        metadata = calls.ask("kms:DescribeKey", key, lambda: kms().describe_key(KeyId=key))
        manager = (metadata or {}).get("KeyMetadata", {}).get("KeyManager")
    return Described(
        table=table,
        stream=stream,
        stream_is_gone=stream_is_gone,
        time_to_live=(ttl or {}).get("TimeToLiveDescription"),
        key_manager=manager,
        denied=tuple(calls.denied),
    )


def _stream(
    calls: _Calls, streams: "DynamoDBStreamsClient", wanted: Wanted, table_arn: str, latest: str | None
) -> tuple[Mapping[str, Any] | None, bool]:
    """Return the description of the stream wanted, and whether there is none; another table's is not asked for."""
    arn = latest if wanted.stream_arn is None else wanted.stream_arn
    if arn is None or (wanted.stream_arn is not None and not is_stream_of(wanted, table_arn)):
        return None, False
    before = len(calls.denied)
    found = calls.ask("dynamodb:DescribeStream", arn, lambda: streams.describe_stream(StreamArn=arn, Limit=1))
    return (found or {}).get("StreamDescription"), found is None and len(calls.denied) == before


def check_attached(
    pipeline: Pipeline,
    properties: Mapping[str, Any],
    dynamodb: "DynamoDBClient",
    streams: "DynamoDBStreamsClient",
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Check the table that CloudFormation's resource names; return what to know about it.

    Raises:
        UnfitTable: the stack cannot read the table; the message says why, and what to do.
        Transient: the service cannot answer now.
        Permanent: it rejects a call.
    """
    wanted = Wanted(
        table=properties["Table"],
        table_arn=properties["TableArn"],
        stream_arn=properties["StreamArn"],
        key_arn=properties["KeyArn"],
        writes=properties["WriteEntrances"] == "on",
        actor=_HISTORY,
    )
    described = _described_with_patience(dynamodb, streams, wanted, PAUSES_S, sleep)
    findings = check_table(pipeline, wanted, described)
    rest = f"`tailrace check --table {wanted.table}` shows all."
    if errors := [finding for finding in findings if finding.is_error]:
        raise UnfitTable(in_one_text(errors, _MAX_BYTES, rest))
    return in_one_text(findings, _MAX_BYTES, rest) if findings else "fits"


def _described_with_patience(
    dynamodb: "DynamoDBClient",
    streams: "DynamoDBStreamsClient",
    wanted: Wanted,
    pauses_s: Sequence[float],
    sleep: Callable[[float], None],
) -> Described:
    for pause_s in pauses_s:
        described = describe(dynamodb, streams, wanted)
        if not described.denied:
            return described
        sleep(pause_s)
    return describe(dynamodb, streams, wanted)

"""Records that a local stream mapping discards reach the failure destination in Lambda's format."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from local.deployment.mappings import EventSourceMapping
from local.mapping import DiscardedRecords, Failed, Returned, StreamRecord, StreamSettings
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.stream import StreamPoller

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/2026-11-23T16:44:08.249Z"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:tailrace-fanout"
BUCKET = "arn:aws:s3:::the-failures"
DISCARDED = DiscardedRecords(
    "RetryAttemptsExhausted",
    (StreamRecord("07", 1795452248.0, 9, '{"ö":1}'.encode()),),
    "shardId-1",
    STREAM,
    {"state": {}},
    3,
    "Unhandled",
    "the-request",
)


@pytest.fixture(autouse=True)
def _cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client("s3").create_bucket(Bucket="the-failures")
        yield


def client(service: str) -> Any:
    untyped: Any = boto3  # its overloads require a literal service name
    return untyped.client(service, region_name="us-east-1")


def mapping(properties: dict[str, object]) -> EventSourceMapping:
    return EventSourceMapping("FanoutMapping", "the-mapping", "tailrace-fanout", FUNCTION, STREAM, 60, properties)


def objects() -> dict[str, Any]:
    s3: S3Client = client("s3")
    listed = s3.list_objects_v2(Bucket="the-failures").get("Contents", [])
    return {
        entry["Key"]: json.loads(s3.get_object(Bucket="the-failures", Key=entry["Key"])["Body"].read())
        for entry in listed
    }


def test_a_bucket_gets_the_record_with_the_event() -> None:
    FailureDestination(mapping({}), BUCKET, client).send(DISCARDED, 1795452300)
    ((key, record),) = objects().items()
    assert re.fullmatch(
        r"aws/lambda/the-mapping/shardId-1/2026/11/23/2026-11-23T16\.45\.00-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        key,
    )
    assert json.loads(record["payload"]) == {"Records": [{"ö": 1}], "state": {}}
    assert record["requestContext"] == {
        "requestId": "the-request",
        "functionArn": FUNCTION,
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["DDBStreamBatchInfo"]["startSequenceNumber"] == "07"
    stored = client("s3").head_object(Bucket="the-failures", Key=key)
    assert stored["ContentType"] == "application/octet-stream"  # recorded: see RECORD_CONTENT_TYPE


def test_a_queue_gets_the_record_without_the_event() -> None:
    sqs: SQSClient = client("sqs")
    url = sqs.create_queue(QueueName="failures")["QueueUrl"]
    FailureDestination(mapping({}), "arn:aws:sqs:us-east-1:0:failures", client).send(DISCARDED, 0)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert "payload" not in record


def test_a_topic_gets_the_record_without_the_event() -> None:
    sqs: SQSClient = client("sqs")
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns = client("sns")
    topic = sns.create_topic(Name="failures")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    FailureDestination(mapping({}), topic, client).send(DISCARDED, 0)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert "payload" not in record


def test_without_a_destination_discarded_records_are_lost() -> None:
    FailureDestination(mapping({}), None, client).send(DISCARDED, 0)
    assert objects() == {}


def test_a_missing_destination_is_a_clear_error() -> None:
    with pytest.raises(CallFailed, match="NoSuchBucket"):
        FailureDestination(mapping({}), "arn:aws:s3:::nowhere", client).send(DISCARDED, 0)


# --- the poller -------------------------------------------------------------------------------------------------------


class TwoRecords:
    """A stream of two records, one of which passes the filter."""

    def call(self, _service: str, action: str, **_parameters: object) -> dict[str, object]:
        match action:
            case "DescribeStream":
                return {"StreamDescription": {"Shards": [{"ShardId": "shardId-9"}]}}
            case "GetShardIterator":
                return {"ShardIterator": "start"}
        changes = [
            {"Keys": {"pk": {"S": f"flights#{n}"}}, "SequenceNumber": f"{n}", "ApproximateCreationDateTime": 1795452248}
            for n in (1, 2)
        ]
        records = [{"eventID": change["SequenceNumber"], "dynamodb": change} for change in changes]
        return {"Records": records, "NextShardIterator": "next"}


def poller(arn: str) -> StreamPoller:
    properties: dict[str, object] = {
        "StartingPosition": "TRIM_HORIZON",
        "MaximumRetryAttempts": 0,
        "FilterCriteria": {"Filters": [{"Pattern": '{"dynamodb": {"Keys": {"pk": {"S": ["flights#2"]}}}}'}]},
        "DestinationConfig": {"OnFailure": {"Destination": arn}},
    }
    deployed, settings = mapping(properties), StreamSettings.parse(properties)
    destination = FailureDestination(deployed, settings.on_failure, client)
    return StreamPoller(deployed, settings, cast("EmulatorClient", TwoRecords()), destination, shards=1)


def test_the_poller_sends_discarded_records_and_skips_filtered_ones() -> None:
    one = poller(BUCKET)
    one.poll()
    ((call, body),) = one.due_invocations(1795452249)
    assert [record["eventID"] for record in json.loads(body)["Records"]] == ["2"]
    assert one.handle_result(call, Failed("boom", "the-request"), 1795452250) == 0
    assert one.pending() == 1  # its record is not in the bucket yet
    one._send_undelivered()
    assert one.pending() == 0
    (record,) = objects().values()
    assert record["payload"].encode() == body
    assert record["requestContext"]["requestId"] == "the-request"
    assert (one.statistics.filtered, one.statistics.discarded) == (1, 1)


def test_nothing_is_lost_while_the_destination_fails() -> None:
    one = poller("arn:aws:s3:::later")
    one.poll()
    ((call, _),) = one.due_invocations(1795452249)
    one.handle_result(call, Failed("boom"), 1795452250)
    with pytest.raises(CallFailed):
        one.poll()
    assert one.pending() == 1
    client("s3").create_bucket(Bucket="later")
    one._send_undelivered()
    assert one.pending() == 0


def test_processed_records_are_not_sent_to_the_destination() -> None:
    one = poller(BUCKET)
    one.poll()
    ((call, _),) = one.due_invocations(1795452249)
    assert one.handle_result(call, Returned(None), 1795452250) == 1
    assert (one.pending(), objects()) == (0, {})

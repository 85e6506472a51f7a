"""The records of failed invocations: what a failure destination receives, and under which key."""

import json

import pytest

from local.mapping import Failed, StreamSettings, invocation_record, object_key
from tests.unit.local.mapping.shards import (
    MINUTE,
    SOURCE,
    discarded_records,
    made,
    partial_failure,
    record,
    records,
    shard,
)
from tests.unit.local.mapping.shards import sequence as number

FUNCTION = "arn:aws:lambda:eu-west-1:1:function:fanout"


def test_a_queue_or_topic_gets_the_metadata_of_the_invocation() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(maximum_retry_attempts=0))
    one.add([record(7, 1573690399), record(9, 1573690401)], 1573690401)
    discarded = one.complete(made(one, 1573690401), Failed("boom", "the-request"), 1573690401).discarded
    assert discarded is not None
    found = invocation_record(discarded, function_arn=FUNCTION, request_id="none", now=1573690429.717)
    assert found == {
        "requestContext": {
            "requestId": "the-request",
            "functionArn": FUNCTION,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2019-11-14T00:13:49.717Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": number(7),
            "endSequenceNumber": number(9),
            "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:13:21Z",
            "batchSize": 2,
            "streamArn": SOURCE,
        },
    }
    assert list(found) == ["requestContext", "responseContext", "version", "timestamp", "DDBStreamBatchInfo"]


def test_a_bucket_also_gets_the_whole_event() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    one = shard(StreamSettings(maximum_retry_attempts=0))
    one.add(records([0]), 0)
    discarded = one.complete(made(one, 0), Failed("boom"), 0).discarded
    assert discarded is not None
    event = json.dumps({"Records": [sent.content for sent in discarded.records]})
    found = invocation_record(discarded, function_arn=FUNCTION, request_id="none", now=0, payload=event)
    assert found["payload"] == '{"Records": ["record 0"]}'
    fields = ["requestContext", "responseContext", "version", "payload", "timestamp", "DDBStreamBatchInfo"]
    assert list(found) == fields  # the order of the recorded object: test_windows.py


def test_a_function_that_returned_has_no_error() -> None:
    """https://github.com/localstack/localstack/blob/12badc45e83a30b9d69a5ed15d98545286ba87f3/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_dynamodbstreams.snapshot.json"""
    one = shard(StreamSettings(report_failures=True, maximum_retry_attempts=0))
    one.add(records([0]), 0)
    discarded = one.complete(made(one, 0), partial_failure(""), 0).discarded
    assert discarded is not None
    found = invocation_record(discarded, function_arn=FUNCTION, request_id="none", now=0)
    assert found["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None}


@pytest.mark.parametrize(("failures", "count"), [(0, 1), (1, 1), (3, 3), (8, 8)])
def test_expired_records_have_the_count_of_their_calls_and_no_response_context(failures: int, count: int) -> None:
    """https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_kinesis.snapshot.json

    Recorded in November 2025 (expire-while-retrying): 8. Of a record that expired before any call: 1, here and in
    https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json
    """
    one = shard(MINUTE)
    one.add(records([0]), 0)
    for call in range(failures):
        one.complete(made(one, call * 8), Failed("boom", "a-request"), 0)
    found = invocation_record(discarded_records(one, 60), function_arn=FUNCTION, request_id="none", now=60)
    assert list(found) == ["requestContext", "version", "timestamp", "DDBStreamBatchInfo"]
    assert found["requestContext"] == {
        "requestId": "a-request" if failures else "none",
        "functionArn": FUNCTION,
        "condition": "RecordAgeExceeded",
        "approximateInvokeCount": count,
    }


def test_the_record_names_the_version_that_an_alias_ran() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json

    Recorded: supplemental_runs[0], an object in a bucket. functionArn is the alias's, executedVersion is "1".
    """
    one = shard(StreamSettings(maximum_retry_attempts=0))
    one.add(records([0]), 0)
    discarded = one.complete(made(one, 0), Failed("boom", "a-request", "1"), 0).discarded
    assert discarded is not None
    found = invocation_record(discarded, function_arn=f"{FUNCTION}:live", request_id="none", now=0)
    assert found["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}


def test_the_objects_key_contains_mapping_shard_and_time() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    key = object_key("the-mapping", "shardId-1", now=1573690429.717, random_uuid="any")
    assert key == "aws/lambda/the-mapping/shardId-1/2019/11/14/2019-11-14T00.13.49-any"

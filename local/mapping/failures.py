"""The record of what a stream's mapping has given up, as a failure destination receives it.

services-dynamodb-errors gives its shape: a queue or a topic gets the metadata, a bucket the whole event with it. The
page shows RetryAttemptsExhausted only. Recorded was that the other condition is RecordAgeExceeded, with nothing of any
calls there were, and that functionError is null where the function answered
(https://github.com/localstack/localstack/tree/main/tests/aws/services/lambda_/event_source_mapping).
"""

from datetime import UTC, datetime

from local.mapping.records import GivenUp

RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
AGE_EXCEEDED = "RecordAgeExceeded"


def invocation_record(
    given_up: GivenUp[object], *, function_arn: str, request_id: str, now: float, payload: str | None = None
) -> dict[str, object]:
    """The JSON document for the destination.

    `payload` is the event as text, for a bucket only. `request_id` stands in where the function was never called.
    """
    exhausted = given_up.condition == RETRIES_EXHAUSTED
    record: dict[str, object] = {
        "requestContext": {
            "requestId": given_up.request_id or request_id,
            "functionArn": function_arn,
            "condition": given_up.condition,
            "approximateInvokeCount": given_up.calls if exhausted else 1,
        }
    }
    if exhausted:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": given_up.error,
        }
    record |= {"version": "1.0", "timestamp": _iso(now, "milliseconds"), "DDBStreamBatchInfo": _batch_info(given_up)}
    return record if payload is None else record | {"payload": payload}


def object_key(mapping_uuid: str, shard_id: str, *, now: float, random_uuid: str) -> str:
    """Where a bucket keeps the record."""
    at = datetime.fromtimestamp(now, UTC)
    return f"aws/lambda/{mapping_uuid}/{shard_id}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{random_uuid}"


def _batch_info(given_up: GivenUp[object]) -> dict[str, object]:
    info: dict[str, object] = {"shardId": given_up.shard_id}
    if given_up.records:  # none in the final call of a tumbling window
        first, last = given_up.records[0], given_up.records[-1]
        info |= {
            "startSequenceNumber": first.sequence,
            "endSequenceNumber": last.sequence,
            "approximateArrivalOfFirstRecord": _arrival(first.arrived),
            "approximateArrivalOfLastRecord": _arrival(last.arrived),
        }
    return info | {"batchSize": len(given_up.records), "streamArn": given_up.source_arn}


def _arrival(seconds: float) -> str:
    return _iso(seconds, "seconds" if seconds == int(seconds) else "milliseconds")


def _iso(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")

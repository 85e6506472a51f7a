"""The invocation record that a failure destination receives for a stream's discarded records.

services-dynamodb-errors gives its shape: a queue or topic gets the metadata, a bucket also the whole event. The page
shows only the condition RetryAttemptsExhausted. Recordings of the service show the rest: the other condition,
RecordAgeExceeded, which has no responseContext whether or not the function was called, and counts at least one call; a
functionError of null if the function returned; and timeWindowInfo for a tumbling window, whose final call has no
records to report (docs/local.md).
"""

from datetime import UTC, datetime

from local.mapping.records import DiscardedRecords

RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
AGE_EXCEEDED = "RecordAgeExceeded"

WINDOW_INFO = ("window", "isFinalInvokeForWindow", "isWindowTerminatedEarly")
"""The fields of a tumbling window's event that its record repeats."""


def invocation_record(
    discarded: DiscardedRecords[object], *, function_arn: str, request_id: str, now: float, payload: str | None = None
) -> dict[str, object]:
    """The JSON document for the destination.

    `payload` is the event as text, for a bucket only. `request_id` is used if the function was never called.
    """
    exhausted = discarded.condition == RETRIES_EXHAUSTED
    record: dict[str, object] = {
        "requestContext": {
            "requestId": discarded.request_id or request_id,
            "functionArn": function_arn,
            "condition": discarded.condition,
            "approximateInvokeCount": max(discarded.calls, 1),
        }
    }
    if exhausted:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": discarded.version,
            "functionError": discarded.error,
        }
    record["version"] = "1.0"
    if payload is not None:
        record["payload"] = payload
    record |= {"timestamp": _iso(now, "milliseconds"), "DDBStreamBatchInfo": _batch_info(discarded)}
    window = {name: discarded.fields[name] for name in WINDOW_INFO if name in discarded.fields}
    return record | {"timeWindowInfo": window} if window else record


def object_key(mapping_uuid: str, shard_id: str, *, now: float, random_uuid: str) -> str:
    """The key of the record's object in a bucket."""
    at = datetime.fromtimestamp(now, UTC)
    return f"aws/lambda/{mapping_uuid}/{shard_id}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{random_uuid}"


def _batch_info(discarded: DiscardedRecords[object]) -> dict[str, object]:
    batch_info: dict[str, object] = {"shardId": discarded.shard_id}
    if discarded.records:  # the final invocation of a tumbling window has none
        first, last = discarded.records[0], discarded.records[-1]
        batch_info |= {
            "startSequenceNumber": first.sequence,
            "endSequenceNumber": last.sequence,
            "approximateArrivalOfFirstRecord": _arrival(first.arrived),
            "approximateArrivalOfLastRecord": _arrival(last.arrived),
            "batchSize": len(discarded.records),
        }
    return batch_info | {"streamArn": discarded.source_arn}


def _arrival(seconds: float) -> str:
    return _iso(seconds, "seconds" if seconds == int(seconds) else "milliseconds")


def _iso(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")

"""Tumbling windows."""

import math

import pytest

from local.mapping import (
    Backoff,
    Failed,
    Returned,
    StreamInvocation,
    StreamRecord,
    StreamSettings,
    StreamShard,
    invocation_record,
)

START = 1_767_225_600  # 2026-01-01T00:00:00Z
SETTINGS = StreamSettings(tumbling_window_s=60, report_failures=True)

Shard = StreamShard[str]


def shard(settings: StreamSettings = SETTINGS) -> Shard:
    return StreamShard(
        settings, shard_id="shardId-1", source_arn="arn:stream", now=START, backoff=Backoff(initial_s=1, max_s=8)
    )


def record(number: int, second: int) -> StreamRecord[str]:
    return StreamRecord(f"{number:021d}", START + second, 100, "")


def made(one: Shard, second: float) -> StreamInvocation[str]:
    call = one.next_invocation(START + second)
    assert isinstance(call, StreamInvocation)
    return call


def test_every_call_names_its_window_shard_source_and_state() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 61)], START + 61)
    assert made(one, 61).fields == {
        "window": {"start": "2026-01-01T00:01:00Z", "end": "2026-01-01T00:02:00Z"},
        "state": {},
        "shardId": "shardId-1",
        "eventSourceARN": "arn:stream",
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }


def test_a_windows_fields_are_in_lambdas_order() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_windows.json

    Recorded: payload_fields. The guide's example has the window first.
    """
    one = shard()
    one.add([record(1, 0)], START)
    names = "shardId eventSourceARN window state isFinalInvokeForWindow isWindowTerminatedEarly"
    assert list(made(one, 0).fields) == names.split()


def test_without_a_tumbling_window_the_event_holds_only_records() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard(StreamSettings())
    one.add([record(1, 0)], START)
    assert made(one, 0).fields == {}


def test_the_returned_state_is_passed_to_the_next_call() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 0)], START)
    one.complete(made(one, 0), Returned({"state": {"sum": 1}}), START)
    one.add([record(2, 1)], START + 1)
    assert made(one, 1).fields["state"] == {"sum": 1}


@pytest.mark.parametrize("value", [None, {}, {"batchItemFailures": []}, {"state": None}, "state"])
def test_a_response_without_state_is_a_failure(value: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 0)], START)
    assert one.complete(made(one, 0), Returned(value), START).acknowledged == 0
    assert made(one, 1).attempt == 2


def test_a_batch_holds_records_of_one_window_only() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 58), record(2, 59), record(3, 60)], START + 60)
    assert len(made(one, 60).records) == 2


def test_a_window_ends_with_a_final_call_and_the_next_begins_with_no_state() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 59), record(2, 60)], START + 60)
    one.complete(made(one, 60), Returned({"state": {"sum": 1}}), START + 60)
    final = made(one, 60)
    assert final.records == ()
    assert final.fields["isFinalInvokeForWindow"] is True
    assert final.fields["state"] == {"sum": 1}
    one.complete(final, Returned({"state": {}}), START + 60)
    following = made(one, 60)
    assert [int(sent.sequence) for sent in following.records] == [2]
    assert following.fields["state"] == {}
    assert following.fields["isFinalInvokeForWindow"] is False


@pytest.mark.parametrize("idle_s", [22, 48, 112])
def test_the_final_call_of_an_idle_window_comes_with_the_next_record(idle_s: int) -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_windows.json

    Recorded: after windows of 10 s, no final call for 48 and 112 s, and then with the next record, ahead of it; also
    after 22 s or more in dynamodb_source.json (tumbling).
    """
    one = shard()
    one.add([record(1, 59)], START + 59)
    one.complete(made(one, 59), Returned({"state": {"count": 1}}), START + 59)
    later = 60 + idle_s
    one.mark_caught_up(START + later)
    assert one.next_invocation(START + later) is None
    one.add([record(2, later)], START + later)
    final = made(one, later)
    assert (final.records, final.fields["isFinalInvokeForWindow"], final.fields["state"]) == ((), True, {"count": 1})
    one.complete(final, Returned({"state": {}}), START + later)
    following = made(one, later)
    assert ([int(sent.sequence) for sent in following.records], following.fields["state"]) == ([2], {})


def test_a_window_without_new_records_is_over_after_two_minutes() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html: "up to 2 minutes"."""
    one = shard()
    one.add([record(1, 30)], START + 30)
    one.complete(made(one, 30), Returned({"state": {}}), START + 30)
    assert one.next_time() == START + 180
    one.mark_caught_up(START + 179)
    assert one.next_invocation(START + 181) is None  # records of the window may still be unread
    one.mark_caught_up(START + 180)
    assert made(one, 181).fields["isFinalInvokeForWindow"] is True


@pytest.mark.parametrize("bucket", [True, False])
def test_the_failure_record_of_a_final_call_names_its_window_and_no_records(*, bucket: bool) -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_windows.json

    Recorded: the object of the case final_failure, whose function is an alias of version 1.
    """
    one = shard(StreamSettings(tumbling_window_s=60, maximum_retry_attempts=0))
    one.add([record(1, 59), record(2, 60)], START + 60)
    one.complete(made(one, 60), Returned({"state": {"count": 1}}), START + 60)
    discarded = one.complete(made(one, 60), Failed("boom", "the-request", "1"), START + 60).discarded
    assert discarded is not None
    arn = "arn:aws:lambda:us-east-1:000000000000:function:windows:final_failure"
    payload = "the event" if bucket else None
    found = invocation_record(discarded, function_arn=arn, request_id="none", now=START + 60, payload=payload)
    expected = {
        "requestContext": {
            "requestId": "the-request",
            "functionArn": arn,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"},
        "version": "1.0",
        "payload": "the event",
        "timestamp": "2026-01-01T00:01:00.000Z",
        "DDBStreamBatchInfo": {"shardId": "shardId-1", "streamArn": "arn:stream"},
        "timeWindowInfo": {
            "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"},
            "isFinalInvokeForWindow": True,
            "isWindowTerminatedEarly": False,
        },
    }
    names = [name for name in expected if bucket or name != "payload"]
    assert list(found) == names
    assert found == {name: expected[name] for name in names}


def test_the_failure_record_of_a_windows_records_names_both() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_windows.json

    Recorded for the final call only.
    """
    one = shard(StreamSettings(tumbling_window_s=60, maximum_retry_attempts=0))
    one.add([record(1, 59)], START + 60)
    discarded = one.complete(made(one, 60), Failed("boom"), START + 60).discarded
    assert discarded is not None
    found = invocation_record(discarded, function_arn="arn", request_id="none", now=START + 60)
    assert found["timeWindowInfo"] == {
        "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"},
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }
    info = found["DDBStreamBatchInfo"]
    assert isinstance(info, dict)
    assert info["batchSize"] == 1


def test_a_failed_final_call_is_retried_before_the_next_window() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 59), record(2, 60)], START + 60)
    one.complete(made(one, 60), Returned({"state": {"sum": 1}}), START + 60)
    one.complete(made(one, 60), Failed("boom"), START + 60)
    again = made(one, 61)
    assert again.fields["isFinalInvokeForWindow"] is True
    assert again.fields["state"] == {"sum": 1}


def test_a_failed_call_does_not_change_the_state() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 0)], START)
    response = {"state": {"sum": 9}, "batchItemFailures": [{"itemIdentifier": ""}]}
    one.complete(made(one, 0), Returned(response), START)
    assert made(one, 1).fields["state"] == {}


def test_the_state_of_acknowledged_records_is_passed_with_the_rest_of_the_batch() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 0), record(2, 0)], START)
    response = {"state": {"sum": 1}, "batchItemFailures": [{"itemIdentifier": record(2, 0).sequence}]}
    one.complete(made(one, 0), Returned(response), START)
    again = made(one, 1)
    assert [int(sent.sequence) for sent in again.records] == [2]
    assert again.fields["state"] == {"sum": 1}


def test_a_state_that_is_too_large_terminates_the_window_early() -> None:
    """https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_windows.json

    Recorded (oversized): 0.38 s later a final call with both flags and the whole state, without waiting for a record.
    """
    one = shard(StreamSettings(tumbling_window_s=60, state_limit=20))
    one.add([record(1, 0)], START)
    one.complete(made(one, 0), Returned({"state": {"names": "x" * 20}}), START)
    assert one.next_time() == -math.inf
    final = made(one, 1)
    assert final.fields["isFinalInvokeForWindow"] is True
    assert final.fields["isWindowTerminatedEarly"] is True
    assert (final.records, final.fields["state"]) == ((), {"names": "x" * 20})


def test_records_after_an_early_end_continue_the_window_without_state() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html: the types of its event imply it."""
    one = shard(StreamSettings(tumbling_window_s=60, state_limit=20))
    one.add([record(1, 0)], START)
    call = made(one, 0)
    one.complete(call, Returned({"state": {"names": "x" * 20}}), START)
    one.complete(made(one, 1), Returned({"state": {}}), START + 1)
    one.add([record(2, 2)], START + 2)
    following = made(one, 2).fields
    assert (following["window"], following["state"]) == (call.fields["window"], {})
    assert (following["isFinalInvokeForWindow"], following["isWindowTerminatedEarly"]) == (False, False)


@pytest.mark.parametrize("text", ["x", "é" * 9])
def test_a_state_of_exactly_one_megabyte_is_allowed(text: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    frame = len('{"names": ""}')
    for more, early in ((0, False), (1, True)):
        one = shard()
        one.add([record(1, 0)], START)
        state = {"names": text + "x" * (1024 * 1024 - frame - len(text.encode()) + more)}
        one.complete(made(one, 0), Returned({"state": state}), START)
        one.add([record(2, 1)], START + 1)
        assert made(one, 1).fields["isWindowTerminatedEarly"] is early


def test_the_end_of_the_shard_closes_the_window() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 0), record(2, 1)], START + 1)
    one.mark_ended()
    call = made(one, 1)
    assert (len(call.records), call.fields["isFinalInvokeForWindow"]) == (2, False)
    one.complete(call, Returned({"state": {"sum": 2}}), START + 1)
    assert one.next_time() == -math.inf
    final = made(one, 1)
    assert (final.records, final.fields["isFinalInvokeForWindow"], final.fields["state"]) == ((), True, {"sum": 2})
    one.complete(final, Returned({"state": {}}), START + 1)
    assert (one.next_invocation(START + 1), one.next_time()) == (None, None)


def test_the_state_counts_towards_the_payload() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard(StreamSettings(tumbling_window_s=60, payload_limit=700))
    one.add([record(1, 0)], START)
    one.complete(made(one, 0), Returned({"state": {"names": "x" * 300}}), START)
    one.add([record(2, 1), record(3, 1)], START + 1)
    assert len(made(one, 1).records) == 1

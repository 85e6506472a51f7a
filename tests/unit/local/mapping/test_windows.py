"""Tumbling windows."""

from dataclasses import replace

import pytest

from local.mapping import Backoff, Failed, Returned, StreamInvocation, StreamRecord, StreamSettings, StreamShard

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
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 0)], START)
    names = "window state shardId eventSourceARN isFinalInvokeForWindow isWindowTerminatedEarly"
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


def test_the_final_call_is_made_once_the_tip_was_reached_after_the_windows_end() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard()
    one.add([record(1, 30)], START + 30)
    one.complete(made(one, 30), Returned({"state": {}}), START + 30)
    assert one.next_time() == START + 60
    one.mark_caught_up(START + 59)
    assert one.next_invocation(START + 61) is None  # records of the window may still be unread
    one.mark_caught_up(START + 61)
    assert made(one, 61).fields["isFinalInvokeForWindow"] is True


def test_a_filtered_later_record_also_ends_a_window() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    one = shard()
    one.add([record(1, 59), replace(record(2, 59), passes=False)], START + 61)
    one.complete(made(one, 61), Returned({"state": {}}), START + 61)
    assert one.next_invocation(START + 61) is None
    one.add([replace(record(3, 60), passes=False)], START + 61)
    assert made(one, 61).fields["isFinalInvokeForWindow"] is True


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
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    one = shard(StreamSettings(tumbling_window_s=60, state_limit=20))
    one.add([record(1, 0)], START)
    one.complete(made(one, 0), Returned({"state": {"names": "x" * 20}}), START)
    final = made(one, 1)
    assert final.fields["isFinalInvokeForWindow"] is True
    assert final.fields["isWindowTerminatedEarly"] is True


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


def test_a_state_of_exactly_one_megabyte_is_allowed() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""
    frame = len('{"names": ""}')
    for more, early in ((0, False), (1, True)):
        one = shard()
        one.add([record(1, 0)], START)
        state = {"names": "x" * (1024 * 1024 - frame + more)}
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

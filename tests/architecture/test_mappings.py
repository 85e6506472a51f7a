"""The properties of the source mappings, above all those that exactness rests on (see docs/architecture.md)."""

from typing import Any

import pytest

from tailrace.backfill.admission import is_too_old
from tests.architecture.stack import mapping_of, properties, referred, template

STREAM_HOURS = 24
LONGEST_WINDOW_S = 900
STREAM_READERS = ("fanout", "aggregate")
MAPPED = ("ingest", "archive", *STREAM_READERS)


def mapping(stage: str) -> Any:
    """Return the properties of a stage's mapping."""
    found = mapping_of(stage)
    assert found is not None
    return found[1]


def window_s(given: Any) -> int:
    """Return the length of a mapping's tumbling windows, as it is by default."""
    match given["TumblingWindowInSeconds"]:
        case {"Fn::If": ["WritesBehind", {"Ref": "WriteBehindSeconds"}, int(length)]}:
            return length
        case length:
            return int(length)


def test_the_windows_of_aggregate_are_as_long_as_changes_may_wait() -> None:
    """Lambda allows windows of up to 15 minutes; without write-behind, the longest costs the fewest invocations."""
    given = mapping("aggregate")["TumblingWindowInSeconds"]
    assert given == {"Fn::If": ["WritesBehind", {"Ref": "WriteBehindSeconds"}, LONGEST_WINDOW_S]}
    assert template()["Conditions"]["WritesBehind"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "WriteBehindSeconds"}, "0"]}]
    }
    parameter = template()["Parameters"]["WriteBehindSeconds"]
    assert (parameter["Default"], parameter["MinValue"], parameter["MaxValue"]) == (0, 0, LONGEST_WINDOW_S)
    assert properties("AggregateFunction")["Environment"]["Variables"]["WRITE_BEHIND_SECONDS"] == {
        "Fn::Sub": "${WriteBehindSeconds}"
    }


def test_the_stream_tells_old_and_new() -> None:
    """A retraction is computed from the old image."""
    assert properties("ItemsTable")["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


@pytest.mark.parametrize("stage", STREAM_READERS)
def test_stream_readers_read_all_and_know_the_shard(stage: str) -> None:
    """From the oldest record, in order, with the shard's id in the event, and with partial batch responses.

    A filter is not only unwanted: Lambda refuses it beside a tumbling window.
    """
    given = mapping(stage)
    assert given["EventSourceArn"] == {"Fn::GetAtt": ["ItemsTable", "StreamArn"]}
    assert given["StartingPosition"] == "TRIM_HORIZON"
    assert 0 < window_s(given) <= LONGEST_WINDOW_S
    assert given["ParallelizationFactor"] == 1
    assert given["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "FilterCriteria" not in given


@pytest.mark.parametrize("stage", STREAM_READERS)
def test_what_nears_the_streams_end_is_kept_whole(stage: str) -> None:
    """Before the stream drops a record it goes to the failures bucket; with no age it would vanish unseen."""
    given = mapping(stage)
    assert (STREAM_HOURS - 2) * 3600 <= given["MaximumRecordAgeInSeconds"] < STREAM_HOURS * 3600
    assert given["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailuresBucket", "Arn"]}}}


def test_what_the_mapping_has_let_pass_is_not_too_old_to_be_added() -> None:
    """Clocks differ and an invocation takes its time, and what is too old is left out without a word."""
    half_an_hour = 1800
    assert not is_too_old(0, mapping("aggregate")["MaximumRecordAgeInSeconds"] + half_an_hour)


def test_aggregate_never_gives_up_a_batch_before_that() -> None:
    """A batch given up is a gap that the marks of later batches would skip for good; a split could overtake itself."""
    given = mapping("aggregate")
    assert given["MaximumRetryAttempts"] == -1
    assert given["BisectBatchOnFunctionError"] is False


def test_fanout_narrows_a_failure_down_and_then_moves_on() -> None:
    """A batch that cannot be delivered holds up the shard for a bounded number of attempts."""
    given = mapping("fanout")
    assert given["BisectBatchOnFunctionError"] is True
    assert 0 < given["MaximumRetryAttempts"] <= 100


@pytest.mark.parametrize("stage", STREAM_READERS)
def test_batching_keeps_the_lag_small(stage: str) -> None:
    """Large batches where there is much to do, and a second at most of waiting for more."""
    given = mapping(stage)
    assert given["BatchSize"] >= 1000
    window = given["MaximumBatchingWindowInSeconds"]
    if stage == "aggregate":
        assert window == {"Ref": "AggregateWindowSeconds"}
        window = template()["Parameters"]["AggregateWindowSeconds"]["Default"]
    # Lambda asks for a second at least with more than ten records (botocore's model, CreateEventSourceMapping)
    assert window == 1
    assert template()["Parameters"]["AggregateWindowSeconds"]["MinValue"] == 1


@pytest.mark.parametrize(("stage", "queue"), [("ingest", "IntakeQueue"), ("archive", "ArchiveQueue")])
def test_queue_readers_answer_for_each_message(stage: str, queue: str) -> None:
    """A message that fails comes again alone."""
    given = mapping(stage)
    assert given["EventSourceArn"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert given["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_fifo_mapping_has_the_limits_of_fifo() -> None:
    """Ten messages at most, and no batching window."""
    given = mapping("ingest")
    assert given["BatchSize"] <= 10
    assert "MaximumBatchingWindowInSeconds" not in given


@pytest.mark.parametrize("stage", ["ingest", "archive"])
def test_a_full_queue_leaves_concurrency_to_others(stage: str) -> None:
    """All functions of an account share it; what a queue has waited for can wait, a stream forgets."""
    assert mapping(stage)["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "QueueConcurrency"}}
    given = template()["Parameters"]["QueueConcurrency"]
    assert (given["MinValue"], given["MaxValue"]) == (2, 1000)
    assert given["Default"] <= 200


def test_files_wait_for_each_other_only_where_that_is_asked_for() -> None:
    """A new account has no concurrency to reserve, so by default nothing is; 0 would stop the function."""
    reserved = properties("LoadFunction")["ReservedConcurrentExecutions"]
    assert reserved == {"Fn::If": ["LimitsLoad", {"Ref": "LoadConcurrency"}, {"Ref": "AWS::NoValue"}]}
    assert template()["Parameters"]["LoadConcurrency"]["Default"] == 0
    limits = template()["Conditions"]["LimitsLoad"]
    assert limits == {"Fn::Not": [{"Fn::Equals": [{"Ref": "LoadConcurrency"}, "0"]}]}


def test_a_large_batch_of_messages_has_a_window() -> None:
    """Lambda refuses more than ten messages with a window of zero."""
    assert mapping("archive")["MaximumBatchingWindowInSeconds"] == {"Ref": "ArchiveWindowSeconds"}
    assert template()["Parameters"]["ArchiveWindowSeconds"]["MinValue"] >= 1


@pytest.mark.parametrize("stage", MAPPED)
def test_mappings_rest_where_the_stack_is_emulated(stage: str) -> None:
    """There, and only there, the local pollers take their place."""
    assert mapping(stage)["Enabled"] == {"Fn::If": ["IsEmulated", False, True]}
    assert template()["Conditions"]["IsEmulated"] == {"Fn::Equals": [{"Ref": "Emulated"}, "true"]}
    assert template()["Parameters"]["Emulated"]["Default"] == "false"


@pytest.mark.parametrize(("stage", "prefix"), [("load", "inbox/"), ("catalog", "archive/")])
def test_objects_invoke_load_and_catalog(stage: str, prefix: str) -> None:
    """Each prefix of the archive bucket invokes its function, which S3 is allowed to, and a failure is kept."""
    function = f"{stage.capitalize()}Function"
    notifications = properties("ArchiveBucket")["NotificationConfiguration"]["LambdaConfigurations"]
    (found,) = [given for given in notifications if referred(given["Function"]) == {function}]
    assert found["Event"] == "s3:ObjectCreated:*"
    assert found["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": prefix}]
    assert f"{stage.capitalize()}Permission" in template()["Resources"]["ArchiveBucket"]["DependsOn"]
    failure = properties(function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert referred(failure["Destination"]) == {"AsyncFailuresQueue"}

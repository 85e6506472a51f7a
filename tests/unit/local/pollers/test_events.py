"""Local events have the form of Lambda's: with-ddb and with-sqs, example events.

Recordings of such events: https://github.com/localstack/localstack/tree/main/tests/aws/services/lambda_/event_source_mapping
"""

import json
import re
from collections import Counter

from local.mapping import Filter, QueueSettings
from local.pollers.events import payload, queue_message, stream_record, virtual_shard, virtual_shard_ids

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/2026-11-23T16:44:08.249Z"


def raw_record(key: str) -> dict[str, object]:
    change = {"Keys": {"pk": {"S": key}}, "SequenceNumber": "0001", "ApproximateCreationDateTime": 1795452248}
    return {"eventID": "1", "eventName": "INSERT", "dynamodb": change}


def test_a_stream_record_has_its_source_and_size() -> None:
    record = stream_record(raw_record("flights#ä"), STREAM)
    assert json.loads(record.content)["eventSourceARN"] == STREAM
    assert (record.sequence, record.arrived, record.size) == ("0001", 1795452248.0, len(record.content))
    assert (record.key, record.passes) == ('{"pk":{"S":"flights#ä"}}', True)


def test_the_time_of_a_change_has_a_decimal_point() -> None:
    """Recorded: test_dynamodb_event_filter reads a float from every event."""
    assert b'"ApproximateCreationDateTime":1795452248.0' in stream_record(raw_record("flights#1"), STREAM).content


def test_an_expired_item_was_deleted_by_the_service() -> None:
    """with-ddb and ttl-expired-items: the Streams API and Lambda spell the same names differently."""
    identity = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    record = stream_record(raw_record("flights#1") | {"userIdentity": identity}, STREAM)
    expected = {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    assert json.loads(record.content)["userIdentity"] == expected


def test_a_message_uses_lambdas_field_names() -> None:
    """Recorded: test_message_body_and_attributes_passed_correctly."""
    received = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": "{}",
        "MD5OfBody": "x",
        "Attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g"},
        "MessageAttributes": {"kind": {"StringValue": "late", "DataType": "String"}},
        "MD5OfMessageAttributes": "y",
    }
    message = queue_message(received, "arn:aws:sqs:us-east-1:000000000000:intake.fifo", 7, QueueSettings())
    assert (message.id, message.receipt, message.group, message.hidden_until) == ("m", "r", "g", 7)
    assert json.loads(message.content) == {
        "messageId": "m",
        "receiptHandle": "r",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g"},
        "messageAttributes": {
            "kind": {"stringValue": "late", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
        },
        "md5OfBody": "x",
        "md5OfMessageAttributes": "y",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:intake.fifo",
        "awsRegion": "us-east-1",
    }


def test_a_message_without_attributes_has_a_null_digest_if_the_mapping_has_a_window() -> None:
    """Recorded: test_sqs_event_source_mapping has a window, test_redrive_policy_with_failing_lambda has none."""
    received = {"MessageId": "m", "ReceiptHandle": "r", "Body": "go", "MD5OfBody": "x"}
    windows = [QueueSettings(batching_window_s=window) for window in (0, 1)]
    events = [json.loads(queue_message(received, "arn:aws:sqs:us-east-1:0:intake", 7, one).content) for one in windows]
    assert [event["messageAttributes"] for event in events] == [{}, {}]
    assert "md5OfMessageAttributes" not in events[0]
    assert events[1]["md5OfMessageAttributes"] is None


def test_records_and_messages_know_whether_they_pass_the_filter() -> None:
    record_filter = Filter.parse(
        {"Filters": [{"Pattern": '{"eventName": ["REMOVE"]}'}, {"Pattern": '{"body": ["go"]}'}]}
    )
    assert not record_filter.passes(stream_record(raw_record("flights#1"), STREAM).content)
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "go", "MD5OfBody": "x"}
    settings = QueueSettings(filter=record_filter)
    assert queue_message(message, "arn:aws:sqs:us-east-1:000000000000:intake", 7, settings).passes
    assert not queue_message(message | {"Body": "stop"}, "arn:aws:sqs:us-east-1:0:intake", 7, settings).passes


def test_a_payload_holds_the_records_and_the_other_fields() -> None:
    assert json.loads(payload([b'{"a":1}', b'{"b":2}'])) == {"Records": [{"a": 1}, {"b": 2}]}
    assert json.loads(payload([], {"state": {}})) == {"Records": [], "state": {}}


def test_virtual_shards_have_ids_of_dynamodbs_format_that_differ_between_shards() -> None:
    """As the id in DescribeStream's example: the time it was opened, and eight hex digits."""
    first, second = (f"shardId-00000001795452248249-0000000{number}" for number in (1, 2))
    ids = [*virtual_shard_ids(first, 4), *virtual_shard_ids(second, 4)]
    assert len(set(ids)) == 8
    assert all(re.fullmatch(r"shardId-00000001795452248249-[0-9a-f]{8}", name) for name in ids)
    assert virtual_shard_ids(first, 4) == ids[:4]


def test_a_single_virtual_shard_is_the_shard() -> None:
    assert virtual_shard_ids("shardId-00000001795452248249-00000001", 1) == ["shardId-00000001795452248249-00000001"]


def test_an_item_stays_in_its_virtual_shard_and_items_are_distributed() -> None:
    counts = Counter(
        virtual_shard(stream_record(raw_record(f"flights#{number}"), STREAM).key, 4) for number in range(400)
    )
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 50
    assert virtual_shard("flights#7", 4) == virtual_shard("flights#7", 4)


def test_half_of_a_surrogate_pair_in_a_state_stays_an_escape_sequence() -> None:
    """A function in JavaScript that cuts a text returns it. It has no UTF-8, and ended the poller with an error."""
    fields = {"state": json.loads(r'{"name": "Zoë \ud83d"}')}
    event = payload([], fields)
    assert event == r'{"Records":[],"state":{"name":"Zoë \ud83d"}}'.encode()
    assert json.loads(event) == {"Records": [], **fields}

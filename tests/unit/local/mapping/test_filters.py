"""Filter criteria: patterns, and the handling of records and messages that do not match."""

import json

import pytest

from local.mapping import Filter, MappingError, Message, QueueMapping, QueueSettings, Returned, StreamRecord
from local.mapping import StreamSettings as Settings
from tests.unit.local.mapping.patterns import fits
from tests.unit.local.mapping.shards import made, numbers, sequence, shard


def test_all_fields_of_a_pattern_must_match_and_other_fields_are_ignored() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    pattern = {"place": ["New York"], "day": ["Monday"]}
    assert fits(pattern, {"place": "New York", "day": "Monday", "more": 1})
    assert not fits(pattern, {"place": "New York", "day": "Sunday"})
    assert not fits(pattern, {"place": "New York"})


def test_or_matches_if_any_of_its_objects_does() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    pattern = {"kind": ["order"], "$or": [{"place": ["New York"]}, {"amount": [{"numeric": [">", 5]}]}]}
    assert fits(pattern, {"kind": "order", "place": "New York"})
    assert fits(pattern, {"kind": "order", "amount": 6})
    assert not fits(pattern, {"kind": "order", "amount": 5})
    assert not fits(pattern, {"amount": 6})
    nested = {"a": {"$or": [{"b": [1]}, {"c": [2], "$or": [{"d": [3]}, {"e": [4]}]}]}}
    assert [fits(nested, {"a": a}) for a in ({"b": 1}, {"c": 2, "e": 4}, {"c": 2})] == [True, True, False]


def test_an_event_passes_if_any_pattern_matches() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    wanted = Filter.parse({"Filters": [{"Pattern": '{"a": [1]}'}, {"Pattern": '{"b": [2]}'}]})
    assert [wanted.passes(event) for event in ('{"a": 1}', '{"b": 2}', '{"a": 2}')] == [True, True, False]


@pytest.mark.parametrize("criteria", [None, {}, {"Filters": []}])
def test_without_patterns_everything_passes(criteria: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    assert Filter.parse(criteria).passes("{}")


def test_any_value_of_a_list_may_match() -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html"""
    assert fits({"tags": ["b"]}, {"tags": ["a", "b"]})
    assert not fits({"tags": ["c"]}, {"tags": ["a", "b"]})
    assert fits({"items": {"id": [2]}}, {"items": [{"id": 1}, {"id": 2}]})
    assert fits({"tags": [{"anything-but": "a"}]}, {"tags": ["a", "b"]})


def test_fields_within_a_list_must_match_in_the_same_element() -> None:
    """https://github.com/aws/event-ruler#json-array-matching"""
    pattern = {"items": {"id": [2], "kind": ["b"]}}
    assert fits(pattern, {"items": [{"id": 1}, {"id": 2, "kind": "b"}]})
    assert not fits(pattern, {"items": [{"id": 2, "kind": "a"}, {"id": 1, "kind": "b"}]})
    assert not fits({"a": {"b": [1], "c": [2]}}, {"a": [[{"b": 1}], [{"c": 2}]]})


def test_a_field_is_absent_from_a_list_only_if_no_element_has_it() -> None:
    """https://github.com/aws/event-ruler#exists-matching"""
    pattern = {"items": {"id": [{"exists": False}]}}
    assert not fits(pattern, {"items": [{"id": 1}, {"kind": "b"}]})
    assert [fits(pattern, {"items": items}) for items in ([], [{"kind": "b"}], "b", None)] == [True] * 4
    # Another field has already selected the element.
    assert fits({"items": {"a": [1], "id": [{"exists": False}]}}, {"items": [{"id": 1}, {"a": 1}]})


def test_an_empty_list_has_no_value() -> None:
    """https://github.com/localstack/localstack/blob/4a177292127c52c929b577a9a58372468b6426bd/tests/aws/services/events/event_pattern_templates/exists_list_empty_NEG.json5"""
    assert not fits({"tags": [{"exists": True}]}, {"tags": []})
    assert not fits({"tags": [None]}, {"tags": []})
    assert fits({"tags": [{"exists": False}]}, {"tags": []})


def test_a_name_with_dots_is_a_path() -> None:
    """https://github.com/localstack/localstack/blob/d87aa8a3051112f6b5d8b1f94f1492e0844195f2/tests/aws/services/events/event_pattern_templates/dot_joining_pattern.json5"""
    assert fits({"detail": {"state.status": ["running"]}}, {"detail": {"state": {"status": "running"}}})
    assert fits({"detail": {"state": {"status": ["running"]}}}, {"detail": {"state.status": "running"}})


@pytest.mark.parametrize(
    ("pattern", "passing"),
    [
        ({"eventName": ["INSERT"], "eventSource": ["aws:dynamodb"]}, [1]),
        ({"eventName": ["INSERT", "MODIFY"]}, [1, 2]),
        ({"dynamodb": {"NewImage": {"kind": {"S": [{"exists": True}]}}}}, [1]),
        ({"dynamodb": {"NewImage": {"kind": [{"exists": False}]}}}, [1, 2]),
        ({"dynamodb": {"NewImage": {"kind": {"S": [{"prefix": "us-1"}]}}}}, [1]),
        ({"dynamodb": {"NewImage": {"many": {"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}}}}, [1]),
        ({"dynamodb": {"NewImage": {"none": {"S": [{"anything-but": ["x"]}, {"exists": False}]}}}}, [1, 2]),
        ({"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 0]}]}}, [1, 2]),
    ],
)
def test_records_pass_as_in_recordings(pattern: object, passing: list[int]) -> None:
    """https://github.com/localstack/localstack/blob/12badc45e83a30b9d69a5ed15d98545286ba87f3/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_dynamodbstreams.snapshot.json"""
    changes = [("INSERT", {"kind": {"S": "us-1-x"}, "many": {"N": "42"}}), ("MODIFY", {"many": {"N": "101"}})]
    events = [
        {
            "eventName": name,
            "eventSource": "aws:dynamodb",
            "dynamodb": {"ApproximateCreationDateTime": 1733418659.0, "NewImage": image},
        }
        for name, image in changes
    ]
    assert [number for number, event in enumerate(events, 1) if fits(pattern, event)] == passing


@pytest.mark.parametrize(
    "pattern",
    [
        "not JSON",
        "[]",
        '"text"',
        '{"a": 1}',
        '{"a": []}',
        '{"a": [[1]]}',
        '{"a": [{"like": "x"}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"exists": 1}]}',
        '{"a": [{"anything-but": ["x", 1]}]}',
        '{"a": [{"anything-but": ["x", null]}]}',
        '{"a": [{"anything-but": {"prefix": "x"}}]}',
        '{"a": [{"wildcard": "x*"}]}',
        "{}",
        '{"a": {}}',
        "null",
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": ["~", 1]}]}',
        '{"a": [{"numeric": [[], 1]}]}',
        '{"a": [{"numeric": [">", "1"]}]}',
        '{"a": [{"numeric": [">", 0, ">", 0]}]}',
        '{"a": [{"numeric": [">", 0, "<"]}]}',
        '{"a": [{"numeric": ["<", 10, ">", 5]}]}',
        '{"a": [{"numeric": [">", 5, "<", 5]}]}',
        '{"a": [{"numeric": ["=", 1, "=", 2]}]}',
        '{"a": [{"numeric": ["<", 5000000001]}]}',
        '{"a": [{"prefix": "x", "suffix": "y"}]}',
        '{"$or": [{"a": [1]}]}',
    ],
)
def test_a_pattern_that_lambda_rejects_is_rejected(pattern: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html

    The forms of a range, and that anything-but takes either strings or numbers, are defined by
    https://github.com/aws/event-ruler and recorded in
    https://github.com/localstack/localstack/blob/02df38ccae453fd8fad93c9cb159e368d8fd0d1c/tests/aws/services/events/test_events_patterns.snapshot.json
    """
    with pytest.raises(MappingError):
        Filter.parse({"Filters": [{"Pattern": pattern}]})


@pytest.mark.parametrize("pattern", [{"body": {"a": [1]}}, "[]", None])
def test_a_pattern_is_a_text(pattern: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html: YAML without quotation marks is an object."""
    with pytest.raises(MappingError, match="Pattern must be a text that holds a JSON object, not "):
        Filter.parse({"Filters": [{"Pattern": pattern}]})


def test_a_pattern_with_too_many_combinations_is_rejected() -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""
    choice = {"$or": [{"x": [1]}, {"y": [1]}]}
    fits({str(n): choice for n in range(9)}, {})
    with pytest.raises(MappingError, match="combinations"):
        fits({str(n): choice for n in range(10)}, {})


def test_more_than_ten_patterns_are_rejected() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    with pytest.raises(MappingError, match="at most 10 Filters"):
        Filter.parse({"Filters": [{"Pattern": '{"a": [1]}'}] * 11})


def test_a_pattern_of_more_than_4096_characters_is_rejected() -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html"""
    pattern = '{"a": ["%s"]}'
    longest = 4096 - len(pattern % "")
    Filter.parse({"Filters": [{"Pattern": pattern % ("x" * longest)}]})
    with pytest.raises(MappingError, match="at most 4096 characters"):
        Filter.parse({"Filters": [{"Pattern": pattern % ("x" * (longest + 1))}]})


# --- a stream's records -----------------------------------------------------------------------------------------------


def test_filtered_records_count_as_settled() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    one = shard(Settings())
    one.add([StreamRecord(sequence(n), 0, 100, str(n), passes=n % 2 == 1) for n in range(5)], 0)
    assert (one.checkpoint, one.settled, one.pending) == (sequence(0), 1, 2)
    call = made(one, 0)
    assert numbers(call) == [1, 3]
    one.complete(call, Returned(None), 0)
    assert (one.checkpoint, one.settled, one.pending) == (sequence(4), 5, 0)


def test_only_records_that_pass_fill_a_batch() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    one = shard(Settings(batch_size=2, batching_window_s=300))
    one.add([StreamRecord(sequence(n), 0, 100, str(n), passes=n in {0, 3}) for n in range(3)], 0)
    assert one.next_invocation(0) is None
    one.add([StreamRecord(sequence(3), 0, 100, "3")], 1)
    assert numbers(one.next_invocation(1)) == [0, 3]


# --- a queue's messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ({"body": ["go"]}, "go", True),
        ({"body": ["go"]}, "stop", False),
        ({"body": ["go"]}, '{"go": 1}', False),
        ({"body": {"go": [1]}}, "go", False),
        ({"body": {"go": [1]}}, '{"go": 1}', True),
        ({"body": {"go": [1]}}, '{"go": 2}', False),
        ({"messageId": ["m"]}, "go", True),
        ({"messageId": ["m"]}, '{"go": 1}', True),
        ({"messageId": ["n"]}, "go", False),
    ],
)
def test_a_body_matches_only_as_the_type_that_the_pattern_expects(pattern: object, body: str, *, passes: bool) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html"""
    wanted = Filter.parse({"Filters": [{"Pattern": json.dumps(pattern)}]})
    assert wanted.passes_message(json.dumps({"messageId": "m", "body": body})) is passes


def test_filtered_messages_are_deleted_and_never_delivered() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html"""
    queue: QueueMapping[str] = QueueMapping(QueueSettings(), now=0)
    sent = [Message(name, name, None, 30, 100, name, passes=name == "b") for name in "abc"]
    assert [gone.id for gone in queue.add(sent, 0).delete] == ["a", "c"]
    call = queue.next_invocation(0)
    assert call is not None
    assert [message.id for message in call.messages] == ["b"]
    assert queue.pending == 1


def test_a_message_of_any_depth_is_filtered() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    deep = Filter.parse({"Filters": [{"Pattern": '{"body": {"a": ["x"]}}'}]})
    assert not deep.passes_message(json.dumps({"body": "[" * 100_000}))
    for depth in (500, 2_000, 9_000, 20_000):
        lists = "[" * depth + '"y"' + "]" * depth
        assert not deep.passes_message(json.dumps({"body": f'{{"a": {lists}}}'}))
        assert not deep.passes_message(json.dumps({"body": lists}))


@pytest.mark.parametrize(
    "number", ["1e9999999999999999999", "-1e-9999999999999999999", "1e9999999", "-1e9999999", "1e-9999999", "1" * 5000]
)
def test_a_number_of_any_size_is_filtered(number: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html

    Before, 1e9999999 in a message ended the stack.
    """
    positive = Filter.parse({"Filters": [{"Pattern": '{"body": {"a": [{"numeric": ["=", 1]}, 1]}}'}]})
    assert not positive.passes_message(json.dumps({"body": f'{{"a": {number}}}'}))

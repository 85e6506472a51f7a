"""Decoding an encoded value gives the value back."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.aggregation.marks import encode_sequence
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.json_types import deep_copy
from tailrace.encoding.keys import group_texts, row_key
from tailrace.encoding.tagged_json import dumps, loads
from tests import strategies

items = st.dictionaries(strategies.awkward_texts, strategies.values, max_size=4)


def in_lambda_event(image: dict[str, Any]) -> Any:
    """Return the image as a Lambda event carries it: JSON, with binary values in base64."""
    return json.loads(json.dumps(image, default=lambda binary: base64.b64encode(binary).decode()))


@given(items)
def test_dynamodb_json_round_trips_through_boto3(item: dict[str, Any]) -> None:
    assert decode_item(encode_item(item)) == item


@given(items)
def test_dynamodb_json_round_trips_through_a_lambda_event(item: dict[str, Any]) -> None:
    assert decode_item(in_lambda_event(encode_item(item))) == item


@given(strategies.values)
def test_tagged_json_preserves_every_digit_set_and_byte(value: Any) -> None:
    text = dumps(value)
    assert loads(text) == value
    assert loads(text.encode()) == value


@given(strategies.values)
def test_tagged_json_contains_only_characters_that_sqs_accepts(value: Any) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    assert all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" for c in dumps(value))


@given(st.lists(strategies.awkward_texts, min_size=1, max_size=4))
def test_group_texts_round_trip_through_a_row_key(texts: list[str]) -> None:
    first, *rest = texts
    if rest == ["-"]:
        rest = ["--"]  # only the definition can distinguish a lone "-" as second group from no second group
    assert group_texts(*row_key("orders", 3, [first, *rest])) == (first, *rest)


@given(st.integers(0, 10**40 - 1), st.integers(0, 10**40 - 1))
def test_padded_sequence_numbers_sort_as_numbers(a: int, b: int) -> None:
    assert (encode_sequence(a) < encode_sequence(b)) == (a < b)


def mutable_parts(value: Any) -> list[Any]:
    """Return all parts of a value that code could change."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = [value] if isinstance(value, dict | list | set | bytearray) else []
    return own + [part for one in inner for part in mutable_parts(one)]


@given(strategies.values | st.builds(bytearray, st.binary()))
def test_a_copy_is_equal_and_shares_nothing_that_can_change(value: Any) -> None:
    copy = deep_copy(value)
    assert repr(copy) == repr(value) or copy == value  # a set has no order
    assert type(copy) is type(value)
    assert not {id(part) for part in mutable_parts(copy)} & {id(part) for part in mutable_parts(value)}

"""What is encoded is decoded as it was."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.aggregation.marks import encode_sequence
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.keys import group_texts, row_key
from tailrace.encoding.tagged_json import dumps, loads
from tests import strategies

items = st.dictionaries(strategies.awkward_texts, strategies.values, max_size=4)


def as_lambda_sends_it(image: dict[str, Any]) -> Any:
    """Return the image after its journey through a Lambda event: JSON, with binary as base64."""
    return json.loads(json.dumps(image, default=lambda binary: base64.b64encode(binary).decode()))


@given(items)
def test_dynamodb_json_round_trips_as_the_client_sends_it(item: dict[str, Any]) -> None:
    assert decode_item(encode_item(item)) == item


@given(items)
def test_dynamodb_json_round_trips_as_lambda_sends_it(item: dict[str, Any]) -> None:
    assert decode_item(as_lambda_sends_it(encode_item(item))) == item


@given(strategies.values)
def test_envelopes_keep_every_digit_set_and_byte(value: Any) -> None:
    text = dumps(value)
    assert loads(text) == value
    assert loads(text.encode()) == value


@given(strategies.values)
def test_messages_hold_only_characters_that_a_queue_takes(value: Any) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    assert all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" for c in dumps(value))


@given(st.lists(strategies.awkward_texts, min_size=1, max_size=4))
def test_a_rows_key_gives_its_groups_back(texts: list[str]) -> None:
    first, *rest = texts
    if rest == ["-"]:
        rest = ["--"]  # a lone "-" as second group is told apart by the aggregate's definition only
    assert group_texts(*row_key("orders", 3, [first, *rest])) == (first, *rest)


@given(st.integers(0, 10**40 - 1), st.integers(0, 10**40 - 1))
def test_padded_sequence_numbers_sort_as_numbers(a: int, b: int) -> None:
    assert (encode_sequence(a) < encode_sequence(b)) == (a < b)

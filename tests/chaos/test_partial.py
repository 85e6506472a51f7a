"""Batch calls that are carried out in part: what is left out is named as the service names it."""

import json
from typing import Any

import pytest

from tests.chaos.proxy.calls import Call
from tests.chaos.proxy.faults import seeded
from tests.chaos.proxy.partial import cut

KEYS = [{"pk": {"S": str(number)}} for number in range(5)]
PUTS = [{"PutRequest": {"Item": key}} for key in KEYS]
ENTRIES = [{"Id": str(number), "MessageBody": "x"} for number in range(5)]


def cut_call(service: str, action: str, request: Any, seed: int) -> tuple[Any, Any] | None:
    found = cut(Call("load", service, action), json.dumps(request).encode(), seeded(seed))
    return None if found is None else (json.loads(found[0]), found[1]({}))


@pytest.mark.parametrize("seed", range(20))
def test_each_entry_is_sent_or_named(seed: int) -> None:
    sent, answer = cut_call("dynamodb", "BatchWriteItem", {"RequestItems": {"t": PUTS}}, seed) or ({}, {})
    assert sent["RequestItems"]["t"]
    assert answer["UnprocessedItems"]["t"]
    together = sent["RequestItems"]["t"] + answer["UnprocessedItems"]["t"]
    assert sorted(together, key=str) == PUTS
    request = {"RequestItems": {"t": {"Keys": KEYS, "ConsistentRead": True}}}
    sent, answer = cut_call("dynamodb", "BatchGetItem", request, seed) or ({}, {})
    assert sent["RequestItems"]["t"]["ConsistentRead"] is answer["UnprocessedKeys"]["t"]["ConsistentRead"] is True
    assert sorted(sent["RequestItems"]["t"]["Keys"] + answer["UnprocessedKeys"]["t"]["Keys"], key=str) == KEYS
    sent, answer = cut_call("sqs", "SendMessageBatch", {"QueueUrl": "q", "Entries": ENTRIES}, seed) or ({}, {})
    names = [entry["Id"] for entry in sent["Entries"]] + [entry["Id"] for entry in answer["Failed"]]
    assert sorted(names) == ["0", "1", "2", "3", "4"]
    assert not any(entry["SenderFault"] for entry in answer["Failed"])


def test_one_of_several_tables_is_left_out() -> None:
    request = {"RequestItems": {"a": {"Keys": KEYS[:1]}, "b": {"Keys": KEYS[1:2]}}}
    for seed in range(5):
        sent, answer = cut_call("dynamodb", "BatchGetItem", request, seed) or ({}, {})
        assert sent["RequestItems"] | answer["UnprocessedKeys"] == request["RequestItems"]
        assert len(sent["RequestItems"]) == len(answer["UnprocessedKeys"]) == 1


def test_a_single_entry_is_never_left_out() -> None:
    """No service answers with an empty list of what it left out."""
    assert cut_call("dynamodb", "BatchWriteItem", {"RequestItems": {"t": PUTS[:1]}}, 1) is None
    assert cut_call("sqs", "DeleteMessageBatch", {"QueueUrl": "q", "Entries": ENTRIES[:1]}, 1) is None

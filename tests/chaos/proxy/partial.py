"""Batch calls that a service carries out in part: some entries are taken out of the request and named in the answer."""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.chaos.proxy.calls import Call

type Json = dict[str, Any]
type Complete = Callable[[Json], Json]
"""Completes an answer with what was left out of the request."""


def cut(call: Call, body: bytes, rng: random.Random) -> tuple[bytes, Complete] | None:
    """Return a request with some of its entries, and what completes its answer; None if it has no entries."""
    request = json.loads(body)
    match (call.service, call.action):
        case ("dynamodb", "BatchWriteItem"):
            return _cut_tables(request, rng, "UnprocessedItems")
        case ("dynamodb", "BatchGetItem"):
            return _cut_tables(request, rng, "UnprocessedKeys")
        case ("sqs", "SendMessageBatch" | "DeleteMessageBatch"):
            return _cut_entries(request, rng)
        case ("streams", "GetRecords"):
            return _encoded(request | {"Limit": rng.randint(1, 7)}), lambda answer: answer
    return None


def _cut_tables(request: Json, rng: random.Random, unprocessed: str) -> tuple[bytes, Complete] | None:
    """Leave out some entries of the only table, or one of several tables."""
    asked: Json = request["RequestItems"]
    if len(asked) > 1:
        left = rng.choice(sorted(asked))
        some = {table: entries for table, entries in asked.items() if table != left}
        return _encoded(request | {"RequestItems": some}), lambda answer: answer | {unprocessed: {left: asked[left]}}
    ((table, entries),) = asked.items()
    found = _split(entries if isinstance(entries, list) else entries["Keys"], rng)
    if found is None:
        return None

    def shaped(some: list[Any]) -> Json:
        return {table: some if isinstance(entries, list) else entries | {"Keys": some}}

    rest, sent = (shaped(part) for part in found)
    return _encoded(request | {"RequestItems": sent}), lambda answer: answer | {unprocessed: rest}


def _cut_entries(request: Json, rng: random.Random) -> tuple[bytes, Complete] | None:
    found = _split(request["Entries"], rng)
    if found is None:
        return None
    left, sent = found
    fault = {"SenderFault": False, "Code": "InternalError", "Message": "injected"}

    def complete(answer: Json) -> Json:
        failed = [{"Id": entry["Id"], **fault} for entry in left]
        return answer | {"Failed": [*answer.get("Failed", []), *failed]}

    return _encoded(request | {"Entries": sent}), complete


def _split(entries: list[Any], rng: random.Random) -> tuple[list[Any], list[Any]] | None:
    """Return entries that are left out and those that are sent, one of each at least; None of a single entry."""
    if len(entries) < 2:
        return None
    left = set(rng.sample(range(len(entries)), rng.randint(1, len(entries) - 1)))
    return (
        [entry for place, entry in enumerate(entries) if place in left],
        [entry for place, entry in enumerate(entries) if place not in left],
    )


def _encoded(request: Json) -> bytes:
    return json.dumps(request).encode()

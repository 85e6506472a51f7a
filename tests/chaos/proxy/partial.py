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
            return json.dumps(request | {"Limit": rng.randint(1, 7)}).encode(), lambda answer: answer
    return None


def _cut_tables(request: Json, rng: random.Random, unprocessed: str) -> tuple[bytes, Complete] | None:
    (table, asked), *more = request["RequestItems"].items()
    entries = asked if isinstance(asked, list) else asked["Keys"]
    if more or not entries:
        return None
    left, sent = _split(entries, rng, at_least=1)

    def shaped(some: list[Any]) -> Json:
        return {table: some if isinstance(asked, list) else asked | {"Keys": some}}

    def complete(answer: Json) -> Json:
        return answer | {unprocessed: shaped(left)}

    return json.dumps(request | {"RequestItems": shaped(sent)}).encode(), complete


def _cut_entries(request: Json, rng: random.Random) -> tuple[bytes, Complete] | None:
    left, sent = _split(request["Entries"], rng, at_least=1)
    fault = {"SenderFault": False, "Code": "InternalError", "Message": "injected"}

    def complete(answer: Json) -> Json:
        failed = [{"Id": entry["Id"], **fault} for entry in left]
        return answer | {"Failed": [*answer.get("Failed", []), *failed]}

    return json.dumps(request | {"Entries": sent}).encode(), complete


def _split(entries: list[Any], rng: random.Random, at_least: int) -> tuple[list[Any], list[Any]]:
    """Return entries that are left out and those that are sent: one at least, since an empty batch is an error."""
    if len(entries) == 1:
        return [], entries
    number = rng.randint(at_least, len(entries) - 1)
    left = set(rng.sample(range(len(entries)), number))
    return (
        [entry for place, entry in enumerate(entries) if place in left],
        [entry for place, entry in enumerate(entries) if place not in left],
    )

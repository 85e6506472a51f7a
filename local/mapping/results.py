"""What a function answered, and what that means for its batch.

services-ddb-batchfailurereporting and services-sqs-errorhandling give nearly the same conditions. A success is
an empty or null `batchItemFailures`, and an empty or null answer. A failure of the whole batch is an
`itemIdentifier` that is empty, null or under another name. For a queue it is also one of no message in the
batch, and an answer that is not such a structure at all; the page of streams is silent on these two, and they
are taken the same way there.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Returned:
    """The function ran to its end. `value` is its answer, decoded from JSON, `request_id` names the invocation."""

    value: object = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, ran out of time or of memory, or its process died."""

    error: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """The function was not run: no concurrency was left, or Lambda could not be reached."""

    error: str = ""


type InvocationResult = Returned | Failed | Throttled


def reported_failures(value: object, known: Container[str]) -> frozenset[str] | None:
    """The identifiers that an answer reports, or None when the whole batch has failed.

    `known` are the identifiers of the batch: sequence numbers or message ids.
    """
    if not value:
        return frozenset()
    if not isinstance(value, Mapping):
        return None
    entries = value.get("batchItemFailures")
    if not entries:
        return frozenset()
    if not isinstance(entries, list):
        return None
    found = set()
    for entry in entries:
        identifier = entry.get("itemIdentifier") if isinstance(entry, Mapping) else None
        if not isinstance(identifier, str) or identifier not in known:
            return None
        found.add(identifier)
    return frozenset(found)

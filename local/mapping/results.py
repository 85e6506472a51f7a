"""A function's result, and what it means for the batch.

services-ddb-batchfailurereporting and services-sqs-errorhandling state nearly the same conditions. The batch succeeds
if the response or its `batchItemFailures` is empty or null. The whole batch fails if an `itemIdentifier` is empty, null
or misnamed. For a queue, it also fails if an identifier is not in the batch or the response is malformed; the page on
streams does not cover these two cases, and they are handled the same way here. The first was recorded (docs/local.md).
"""

from collections.abc import Container, Mapping

from msgspec import Struct

LATEST_VERSION = "$LATEST"
"""The version of a function that is not published."""


class Returned(Struct, frozen=True):
    """The function returned.

    `value` is its response, decoded from JSON; `request_id` identifies the invocation, `version` the code that ran.
    """

    value: object = None
    request_id: str | None = None
    version: str = LATEST_VERSION


class Failed(Struct, frozen=True):
    """The function raised, timed out, ran out of memory, or its process died."""

    error: str = ""
    request_id: str | None = None
    version: str = LATEST_VERSION


class Throttled(Struct, frozen=True):
    """The function did not run: the concurrency limit was reached, or Lambda was unreachable."""

    error: str = ""


type InvocationResult = Returned | Failed | Throttled


def reported_failures(value: object, known: Container[str]) -> frozenset[str] | None:
    """The identifiers that a response reports as failed, or None if the whole batch has failed.

    `known` holds the batch's identifiers: sequence numbers or message ids.
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

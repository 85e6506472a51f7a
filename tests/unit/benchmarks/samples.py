"""Changes of the week that the peers can handle too."""

import json
from functools import cache
from typing import Any

from benchmarks.changes import event, records
from pipeline.definition import pipeline
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import derive_effect

SAMPLE_SIZE = 6_000


def is_valid(record: dict[str, Any]) -> bool:
    """Tell whether a change is valid: the peers cannot handle the few broken ones."""
    change = decode_record(record, None)
    assert isinstance(change, Change)
    effect = derive_effect(change, pipeline)
    return effect.new is not None and (change.old is None or effect.old is not None)


@cache
def valid_changes() -> list[dict[str, Any]]:
    """Return the first changes of the week, without broken ones."""
    return [record for record in records()[:SAMPLE_SIZE] if is_valid(record)]


@cache
def event_text() -> str:
    """Return an event of the last valid changes of the week."""
    return event([record for record in records()[-600:] if is_valid(record)])


@cache
def parsed_event() -> Any:
    """Return the same event, parsed."""
    return json.loads(event_text())

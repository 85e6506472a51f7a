"""The benchmark's changes: a week of New York's flights, as Lambda delivers them to a function."""

import json
from functools import cache

from local.demo.flights import read_flights
from local.demo.timeline import Timetable, timeline
from local.deployment.emulator import ROOT
from tailrace.aggregation.counted_images import CountedImages
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.plan import PLANS
from tailrace.aws.aggregates.commit import Committer
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.json_types import Json

SAMPLE_FILE = ROOT / "local/demo/data/flights-2013-01-01-07.csv.gz"
SHARD = "shardId-00000001700000000000-0a1b2c3d"
STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/items/stream/2024-01-01T00:00:00.000"
MAX_EVENT_BYTES = 6_000_000
"""Lambda's largest payload: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_FIRST = 400_000_000_000_000_000_000


@cache
def records() -> tuple[Json, ...]:
    """Return the week's changes as stream records: flights are scheduled, depart and land."""
    state: dict[str, Json] = {}
    stream: list[Json] = []
    for event in timeline(read_flights(SAMPLE_FILE).flights):
        for item_id, item in event.items if isinstance(event, Timetable) else [(event.id, event.item)]:
            stream.append(_record(len(stream), item_id, state.get(item_id), item))
            state[item_id] = item
    return tuple(stream)


def _record(number: int, item_id: str, old: Json | None, new: Json) -> Json:
    key = {"pk": f"flights#{item_id}"}
    images = {} if old is None else {"OldImage": encode_item(key | old)}
    body = {
        "ApproximateCreationDateTime": 1_700_000_000.0,
        "Keys": encode_item(key),
        "NewImage": encode_item(key | new),
        "SequenceNumber": str(_FIRST + 7 * number),
        "SizeBytes": 600,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT" if old is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": body | images,
        "eventSourceARN": STREAM,
    }


def event(batch: list[Json]) -> str:
    """Return a batch's event as JSON text, which benchmarks parse anew for each invocation, as the runtime does."""
    window = {"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:15:00Z"}
    fields = {"window": window, "state": {}, "shardId": SHARD, "eventSourceARN": STREAM}
    return json.dumps({"Records": batch, **fields, "isFinalInvokeForWindow": False, "isWindowTerminatedEarly": False})


def events(size: int | None, maximum: int) -> list[str]:
    """Return up to ``maximum`` events of ``size`` changes each; None: as many as fit into 6 MB."""
    found: list[str] = []
    all_records = list(records())
    start = 0
    while start < len(all_records) and len(found) < maximum:
        batch_size = size or _fitting_count(all_records[start:])
        found.append(event(all_records[start : start + batch_size]))
        start += batch_size
    return found


def latest_batches(size: int | None, maximum: int) -> tuple[list[Json], list[str]]:
    """Return the records before the week's last full batches, and those batches, whose flights are mostly known.

    Without a size, all batches have the largest size at which each fits into 6 MB.
    """
    all_records = list(records())
    batch_size = size or min(_fitting_count(all_records[start:]) for start in range(0, len(all_records) // 2, 1_000))
    maximum = min(maximum, len(all_records) // batch_size)
    before = all_records[: len(all_records) - maximum * batch_size]
    return before, [
        event(all_records[len(all_records) - turn * batch_size :][:batch_size]) for turn in range(maximum, 0, -1)
    ]


def reset_caches(pipeline: Pipeline, before: list[Json]) -> CountedImages:
    """Reset the fold's caches to the state after ``before``, and return what is then known of images.

    Otherwise a second measurement of the same changes would find all of them cached.
    """
    PLANS.pop(pipeline, None)
    images = CountedImages()
    fold_records(before, pipeline, images=images)
    return images


def _fitting_count(batch: list[Json]) -> int:
    total = 1_000
    for number, record in enumerate(batch):
        total += len(json.dumps(record)) + 2
        if total > MAX_EVENT_BYTES:
            return number
    return len(batch)


def forget_absorbed(committer: Committer) -> None:
    """Let a process know which rows exist, but not what they have absorbed: the same batch is written once more."""
    committer.known.rows.update(dict.fromkeys(committer.known.rows, -1))

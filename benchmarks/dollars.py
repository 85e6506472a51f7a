"""(f) The cost of a million changes on AWS, from measurements and the list prices in `cli/plan/prices.json`.

Excludes upstream's writes to the items table and the routes' subscribers; Lambda reads the stream for free.
"""

import json
import math
import time
from dataclasses import dataclass

from benchmarks.changes import events
from benchmarks.report import RESULTS, Result, Show
from benchmarks.stage import CountingClient, stage
from cli.plan.sources import read_prices
from pipeline.definition import pipeline
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.packing import pack
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch

_BATCH = 1_000
_MEMORY_GB = 1769 / 1024  # of each stage, at most
_ROWS_BY_HAND = 5  # three aggregates, old and new image; an insert has no old one
_CHANGES_IN_OBJECT = 10_000  # the archive batches for a minute
_ARCHIVE_S = 0.2  # to read, sort and compress a message of 256 KB
_SQS_CHUNK = 65_536
_CALL_S = 0.005  # latency of a call to DynamoDB, SQS or S3
_MILLION = 1_000_000
_WALL = "handler, wall time per change, batch of 1,000"  # in µs, which are seconds for a million
_CARRIED_WALL = "handler, wall time per change, batch of 6 MB"
_CARRIED = "a window of 60 s at 914 changes a second"


@dataclass(slots=True)
class StageCounts:
    """The stages' work for the week's changes."""

    changes: int = 0
    batches: int = 0
    write_units: int = 0
    messages: int = 0
    chunks: int = 0
    fanout_s: float = 0.0


def run(show: Show) -> list[Result]:
    """Return dollars per million changes by stage, and the cost of the hand-written handler for comparison."""
    price = read_prices().dollars
    show("(f) counting")
    counted = _count()
    wall, carrying = _measured("a", _WALL), _measured("a", _CARRIED_WALL)
    carried_units = _measured("w", f"write units per 1,000 changes, {_CARRIED}")["value"] / 1000
    second = price["lambda_gb_second"] * _MEMORY_GB
    each = _MILLION / counted.changes
    invocations = each * counted.batches * price["lambda_request"]
    rows = each * counted.write_units * price["dynamodb_write_unit"]
    aggregates = rows + invocations + wall["value"] * second
    # the batches of 6 MB are fewer; their requests are counted as if they were not
    carried = _MILLION * carried_units * price["dynamodb_write_unit"] + invocations + carrying["value"] * second
    by_hand = _MILLION * _ROWS_BY_HAND * price["dynamodb_write_unit"] + wall["beside"] * second
    fanout = each * (
        counted.fanout_s * second
        + counted.batches * price["lambda_request"]
        + 2 * counted.chunks * price["sqs_request_64_kb"]  # sent and received
    )
    objects = counted.changes / _CHANGES_IN_OBJECT
    archive = each * (
        objects * (price["s3_put"] + price["dynamodb_write_unit"] + 2 * price["lambda_request"])
        + counted.messages * _ARCHIVE_S * second
    )
    title = "dollars per million changes"
    return [
        Result("f", f"{title}: aggregates", aggregates, "$", by_hand),
        Result("f", f"{title}: fanout and the archive's queue", fanout, "$"),
        Result("f", f"{title}: archive and catalog", archive, "$"),
        Result("f", f"{title}: total", aggregates + fanout + archive, "$"),
        Result("f", f"{title}: aggregates, {_CARRIED}", carried, "$"),
        Result("f", f"{title}: total, {_CARRIED}", carried + fanout + archive, "$", target="0.10 $"),
    ]


def _count() -> StageCounts:
    client = CountingClient()
    aggregate = stage(client)
    counted, images = StageCounts(), PreparedImages(pipeline)
    for text in events(_BATCH, 1_000):
        event = json.loads(text)
        aggregate(event)
        begin = time.process_time()
        out = dispatch(parse_raw_batch(event), pipeline, images)
        bodies = [body for body, _ in pack([outgoing.text for outgoing in out.archive])]
        counted.fanout_s += time.process_time() - begin + _CALL_S * len(bodies)
        counted.chunks += sum(math.ceil(len(body.encode()) / _SQS_CHUNK) for body in bodies)
        counted.messages += len(bodies)
        counted.changes += len(event["Records"])
        counted.batches += 1
    counted.write_units = client.counts["units"]
    return counted


def _measured(part: str, what: str) -> dict[str, float]:
    """Return a result of the last run of another part, by how its title begins."""
    path = RESULTS / "figures.json"
    figures = json.loads(path.read_text())["parts"] if path.exists() else {}
    for one in figures.get(part, {}).get("results", ()):
        if one["what"].startswith(what):
            return {"value": one["value"], "beside": one["beside"]}
    raise SystemExit(f"make bench: part f needs the results of part {part}; run PARTS={part} first")

"""(a) The aggregate handler against the tutorial's, on a DynamoDB with 5 ms latency; and the writer alone."""

import gc
import json
import os
import time
from collections.abc import Callable, Sequence
from copy import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

import boto3

from benchmarks.changes import SHARD, events, forget_absorbed, latest_batches, records, reset_caches
from benchmarks.peers import tutorial
from benchmarks.report import Result, Show
from benchmarks.server import stub_dynamodb
from local.in_memory import Database
from pipeline.definition import pipeline
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage, mark_attribute
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.feeder import assemble_feeder, fingerprints
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.garbage import collect_seldom
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.backfill.generations import created
from tailrace.queries.freshness import AGGREGATE

_SIZES = {"100": 100, "1,000": 1_000, "6 MB": None}
_ROUNDS = 3
# The tutorial makes sequential calls, so a part of a batch gives the same cost per change as the whole.
_MAX_TUTORIAL_RECORDS = 200


def run(show: Show) -> list[Result]:
    """Measure CPU and wall time per change of both handlers, alternating batch by batch."""
    with stub_dynamodb(control("aggregates")) as address:
        environment = {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
            "POWERTOOLS_METRICS_DISABLED": "true",
            "POWERTOOLS_METRICS_NAMESPACE": "Tailrace",
        }
        os.environ.update(environment)
        ours, theirs = product(), _by_hand()
        results = [result for name, size in _SIZES.items() for result in _compare(name, size, ours, theirs, show)]
        return [*results, *_writer(show)]


def control(table: str) -> bytes:
    """Return the answer to a read of the control rows: every generation is live."""
    database: Any = Database()
    database.create(table, "pk", "sk")
    rows = [created(name, version, meaning) for (name, version), meaning in fingerprints(pipeline).items()]
    ControlTable(database, table).create(rows, since_creation=True)
    return json.dumps({"Responses": {table: database.rows(table)}}).encode()


def product() -> Aggregator:
    """Assemble the stage as its function does."""
    collect_seldom()
    dynamodb = client("dynamodb")
    committer = Committer(dynamodb, "aggregates", clock=_now)
    lineages = Lineages(dynamodb, lambda: client("dynamodbstreams"), "aggregates", _now)
    feeder = assemble_feeder(dynamodb, lambda: client("s3"), "aggregates", "progress", "history", lineages, _now)
    return Aggregator(pipeline, committer, lineages, feeder, ProgressWriter(dynamodb, "progress", AGGREGATE, _now))


def _by_hand() -> Callable[[Any], object]:
    dynamodb = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    return lambda event: tutorial.handler(event, dynamodb)


def _now() -> datetime:
    return datetime.now(UTC)


def _timed(handler: Callable[[Any], object], event: Any) -> tuple[float, float]:
    """Return microseconds of CPU and wall time per change."""
    changes = len(event["Records"])
    wall, cpu = time.perf_counter(), time.process_time()
    handler(event)
    return (time.process_time() - cpu) / changes * 1e6, (time.perf_counter() - wall) / changes * 1e6


def _compare(
    name: str, size: int | None, ours: Aggregator, theirs: Callable[[Any], object], show: Show
) -> list[Result]:
    before, texts = latest_batches(size, _ROUNDS)
    for text in texts:
        ours(json.loads(text))  # in steady state, the rows exist already
    product: list[tuple[float, float]] = []
    by_hand: list[tuple[float, float]] = []
    for number, text in enumerate(texts, 1):
        show(f"(a) batches of {name}: {number} of {len(texts)}")
        ours = replace(ours, images=reset_caches(pipeline, before))
        forget_absorbed(ours.committer)
        product += [_timed(ours, json.loads(one)) for one in texts]
        part = json.loads(text)
        part["Records"] = part["Records"][-_MAX_TUTORIAL_RECORDS:]
        by_hand.append(_timed(theirs, part))
    return results(name if size else f"{name} ({len(json.loads(texts[0])['Records']):,} changes)", product, by_hand)


def results(batch: str, product: Sequence[tuple[float, float]], by_hand: Sequence[tuple[float, float]]) -> list[Result]:
    """Return the medians of CPU and wall time, given those of each call."""
    found = []
    for index, what in enumerate(("CPU", "wall")):
        one, other = (median(times[index] for times in run) for run in (product, by_hand))
        title = f"handler, {what} time per change, batch of {batch}"
        found.append(Result("a", title, one, "µs", beside=other, target=_TARGETS.get((batch, what), "")))
    return found


_TARGETS = {("1,000", "CPU"): "40 times less", ("1,000", "wall"): "100 times less"}


def _writer(show: Show) -> list[Result]:
    show("(a) the writer alone")
    records()
    # keep the benchmark's own data out of garbage collections
    gc.collect()
    gc.freeze()
    rows = _many_rows(2_000)
    lineage = Lineage(mark_attribute(SHARD))
    committer = Committer(client("dynamodb"), "aggregates", clock=_now)
    committer.commit(rows, lineage)
    times = []
    for _ in range(25):
        forget_absorbed(committer)
        begin = time.process_time()
        committer.commit(rows, lineage)
        times.append((time.process_time() - begin) / len(rows) * 1e6)
    return [Result("a", "writer, CPU time per touched known row", median(times), "µs", target="90 µs")]


def _many_rows(maximum: int) -> list[RowChange]:
    rows = fold_records(json.loads(events(None, 1)[0])["Records"], pipeline).rows
    many: list[RowChange] = []
    while len(many) < maximum:
        turn = len(many)
        many += [_with_key_suffix(row, turn) for row in rows]
    return many[:maximum]


def _with_key_suffix(row: RowChange, turn: int) -> RowChange:
    return RowChange(row.layout, (row.key[0], f"{row.key[1]}~{turn}"), row.labels, row.expires_at, row.steps)

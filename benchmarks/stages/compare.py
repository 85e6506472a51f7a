"""(h) The other stages compared with hand-written ones, aws-lambda-stream and Powertools' batch processor.

All of them talk to a stub of AWS with 5 ms latency. What counts is CPU time per change.
"""

import gc
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

import boto3

from benchmarks.changes import event, forget_absorbed, latest_batches, reset_caches
from benchmarks.handlers import control, product
from benchmarks.peers import in_node, powertools
from benchmarks.peers import stages as by_hand
from benchmarks.report import Result, Show
from benchmarks.server import stub_dynamodb
from benchmarks.stages import entrances
from benchmarks.stages.alternating import Variant, alternate, timed
from pipeline.definition import pipeline
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.garbage import collect_seldom
from tailrace.aws.stages.archive import Archiver
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.encoding.json_types import Json
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.packing import pack
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.queries.freshness import FANOUT

_BATCH = 1_000
_ROUNDS = 7
_TARGET = "3 times less"


@dataclass(frozen=True, slots=True)
class Changes:
    """The events of the changes before the measured ones, with which processes warm up, and of the measured ones."""

    before: list[Json]
    texts: list[str]

    @property
    def earlier(self) -> list[str]:
        """The events of the changes before."""
        return [event(self.before[start : start + _BATCH]) for start in range(0, len(self.before), _BATCH)]


def run(show: Show) -> list[Result]:
    """Measure each stage and its counterparts, alternating batch by batch."""
    if not in_node.is_installed():
        raise SystemExit("make bench: first run `python3 local/environments/setup.py aws-lambda-stream`")
    with stub_dynamodb(control("aggregates")) as address:
        os.environ |= {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
            "POWERTOOLS_METRICS_DISABLED": "true",
            "POWERTOOLS_METRICS_NAMESPACE": "Tailrace",
        }
        changes = Changes(*latest_batches(_BATCH, _ROUNDS))
        # keep the benchmark's own data out of garbage collections
        gc.collect()
        gc.freeze()
        entered = [*entrances.load(show, changes.texts), *entrances.ingest(show, changes.texts)]
        collect_seldom()  # as the functions below do, and to the benefit of what is compared with them
        return [*_flow(show, changes, address), *_rows(show, changes, address), *entered]


def _now() -> datetime:
    return datetime.now(UTC)


def _flow(show: Show, changes: Changes, address: str) -> list[Result]:
    """Measure fanout and archive, each alone and both together."""
    fanned = _fanout(show, changes, address)
    archived = _archive(show, changes, address)
    library, both = in_node.name(), fanned["ours"] + archived["ours"]
    fanout, archive = (f"{stage}, CPU time per change, batch of 1,000" for stage in ("fanout", "archive"))
    together = "fanout and archive together, CPU time per change, batch of 1,000"
    return [
        Result("h", fanout, fanned["ours"], "µs", fanned["by hand"], target="60 µs"),
        Result("h", fanout, fanned["ours"], "µs", fanned["queues"], library),
        Result(
            "h",
            "of this, validating, transforming and routing images that the process does not know",
            fanned["cold"],
            "µs",
        ),
        Result("h", archive, archived["ours"], "µs", archived["by hand"], target="30 µs"),
        Result("h", archive, archived["ours"], "µs", archived["powertools"], powertools.NAME),
        Result("h", archive, archived["ours"], "µs", archived["node"], library),
        Result("h", together, both, "µs", fanned["queues"] + archived["node"], library, _TARGET),
        Result("h", together, both, "µs", fanned["bus"], f"{library}: to an event bus that archives", _TARGET),
    ]


def _fanout(show: Show, changes: Changes, address: str) -> dict[str, float]:
    queues = {name: f"{address}/1/{name}" for name in ("archive", "disruptions")}
    destinations = Destinations(queues["archive"], {"disruptions": queues["disruptions"]}, "failures")
    progress = ProgressWriter(client("dynamodb"), "progress", FANOUT, _now)
    stage = Fanout(pipeline, client("sqs"), lambda: client("s3"), destinations, progress)
    sqs: Any = boto3.client("sqs", region_name="us-east-1")
    with ExitStack() as running:
        route, publish = (
            running.enter_context(in_node.node_handler(handler, address)) for handler in ("route", "publish")
        )
        for text in changes.earlier:  # as in steady state, the process knows the week's flights
            show("(h) fanout: warming up")
            stage(json.loads(text))
            route(text)
            publish(text)

        def rounds() -> Iterator[list[Variant]]:
            for text in changes.texts:
                ours, theirs = json.loads(text), json.loads(text)
                yield [
                    partial(timed, partial(stage, ours)),
                    partial(timed, partial(by_hand.fan_out, theirs, sqs, *queues.values())),
                    partial(route, text),
                    partial(publish, text),
                ]

        found = alternate(show, "(h) fanout", rounds(), _BATCH)
    alone = PreparedImages(pipeline)
    batches = [parse_raw_batch(json.loads(text)) for text in changes.texts]
    cold = median(timed(partial(dispatch, batch, pipeline, alone)) for batch in batches)
    return dict(zip(("ours", "by hand", "queues", "bus"), found, strict=True)) | {"cold": cold / _BATCH}


def messages(text: str) -> Json:
    """Return the archive queue's event after `fanout` has handled an event of the stream."""
    found = dispatch(parse_raw_batch(json.loads(text)), pipeline, PreparedImages(pipeline))
    bodies = [body for body, _ in pack([outgoing.text for outgoing in found.archive])]
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


def _archive(show: Show, changes: Changes, address: str) -> dict[str, float]:
    stage = partial(Archiver(client("s3"), "archive", "failures"), remaining_time_ms=remaining_time_ms(None))
    s3: Any = boto3.client("s3", region_name="us-east-1")
    with in_node.node_handler("archive", address) as archive:
        for text in changes.earlier:
            show("(h) archive: warming up")
            archive(in_node.archive_event(json.loads(text)))

        def rounds() -> Iterator[list[Variant]]:
            for text in changes.texts:
                packed = messages(text)
                yield [
                    partial(timed, partial(stage, packed)),
                    partial(timed, partial(by_hand.archive, packed, s3)),
                    partial(timed, partial(powertools.archive, packed, s3)),
                    partial(archive, in_node.archive_event(json.loads(text))),
                ]

        found = alternate(show, "(h) archive", rounds(), _BATCH)
    return dict(zip(("ours", "by hand", "powertools", "node"), found, strict=True))


def _rows(show: Show, changes: Changes, address: str) -> list[Result]:
    """Measure the aggregate stage against a library that writes the newest image of each item."""
    stage = product()
    with in_node.node_handler("materialize", address) as materialize:
        for text in changes.earlier:
            show("(h) rows: warming up")
            materialize(text)
        for text in changes.texts:
            stage(json.loads(text))  # in steady state, the rows exist already
        stage = replace(stage, images=reset_caches(pipeline, changes.before))

        def rounds() -> Iterator[list[Variant]]:
            for text in changes.texts:
                forget_absorbed(stage.committer)
                yield [partial(timed, partial(stage, json.loads(text))), partial(materialize, text)]

        ours, theirs = alternate(show, "(h) rows", rounds(), _BATCH)
    title = "aggregate, CPU time per change, batch of 1,000"
    return [Result("h", title, ours, "µs", theirs, f"{in_node.name()}: a row for each item")]

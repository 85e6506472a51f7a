"""(g) A rebuild's work per item, next to a Polars recompute of the same, and what a job adds to each batch of changes.

The items are the week's flights, many times over under other ids. They come from a table in memory and pass through
files, so that each worker's memory can be measured: every part runs in a process of its own, as on Lambda.
"""

import json
import math
import multiprocessing
import os
import re
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.changes import events, records
from benchmarks.report import Result, Show
from benchmarks.rows import COLUMNS, rows
from benchmarks.stage import CountingClient, stage
from local.in_memory import Database
from pipeline.definition import pipeline
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.steps.base_pages import close_base
from tailrace.aws.jobs.steps.building import commit_base
from tailrace.aws.jobs.steps.gathering import compute_base
from tailrace.aws.jobs.steps.snapshot import close_snapshot, scan_segment
from tailrace.aws.jobs.timing import Timing
from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.generations import Generation, State, begin_build, begin_verify, created

_ITEMS = 1_000_000
_PARTITIONS = 2
_PAGE = 1_000
_PARTS = (("scan", scan_segment), ("base", compute_base), ("commit", commit_base))
_STATUS = Path("/proc/self/status")
_BATCHES = 20

type Json = dict[str, Any]


def run(show: Show) -> list[Result]:
    """Rebuild a million items, and measure batches with and without a job."""
    os.environ |= {"POWERTOOLS_LOG_LEVEL": "CRITICAL", "POWERTOOLS_METRICS_DISABLED": "true"}
    results: list[Result] = []
    with TemporaryDirectory(prefix="tailrace-history-") as folder:
        found = {name: _worked(show, name, folder) for name, _ in _PARTS}
        show("(g) Polars")
        polars = _polars(folder)
    seconds = sum(cpu for cpu, _ in found.values())
    title = f"rebuild of {_ITEMS:,} items"
    results.append(
        Result("g", f"{title}, items per second and core", _ITEMS / seconds, "/s", _ITEMS / polars, "Polars")
    )
    for name, (cpu, peak) in found.items():
        results.append(Result("g", f"{title}: {name}, CPU time per item", cpu / _ITEMS * 1e6, "µs"))
        results.append(Result("g", f"{title}: {name}, memory of a worker", peak, "MB", target="1,000 MB"))
    return [*results, *_journal(show)]


def _worked(show: Show, name: str, folder: str) -> tuple[float, float]:
    """Return the CPU seconds of all parts of a step, and the largest worker's memory in MB."""
    found = []
    for number in range(_PARTITIONS):
        show(f"(g) {name}: part {number + 1} of {_PARTITIONS}")
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(there, name, number, folder))
        process.start()
        found.append(here.recv())
        process.join()
    return sum(cpu for cpu, _ in found), max(peak for _, peak in found)


def _work(pipe: Any, name: str, number: int, folder: str) -> None:
    context, job = _job_context(folder), _job()
    if name == "base" and number == 0:
        close_snapshot(context, job)
    if name == "commit" and number == 0:
        close_base(context, job)
    began = time.process_time()
    dict(_PARTS)[name](context, job, number)
    spent = time.process_time() - began
    pipe.send((spent, _peak_mb()))


def _peak_mb() -> float:
    """Return the most memory that this process has had, in megabytes."""
    if not _STATUS.exists():  # macOS, which counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    # not ru_maxrss, which begins at that of the process that has started this one
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else math.nan


def _job() -> Job:
    data = {"partitions": _PARTITIONS, "segments": _PARTITIONS, "parents": {}, "firsts": {}, "throughs": {}}
    targets = tuple((one.name, one.version) for one in pipeline.aggregates)
    return Job("bench", "build", targets, "", data=data)


def _job_context(folder: str) -> JobContext:
    database: Any = Database()
    for table in ("aggregates", "progress"):
        database.create(table, "pk", "sk")
    control = ControlTable(database, "aggregates")
    control.create([], since_creation=True)
    boundary = Boundary("bench-0", 0, confirmed=True)
    for (name, version), meaning in fingerprints(pipeline).items():
        declared = Generation(name, version, State.DECLARED, meaning)
        control.replace(None, begin_build(declared, meaning, boundary, "1"))
    items: Any = _Items()
    files: Any = _Files(Path(folder))
    unused: Any = None
    committer = Committer(database, "aggregates", _now, executor=lambda _threads: ThreadPoolExecutor(1))
    return JobContext(
        pipeline=pipeline,
        dynamodb=items,
        s3=lambda: files,
        items_table="items",
        aggregates_table="aggregates",
        history_bucket="history",
        failures_bucket="failures",
        jobs=unused,
        control=control,
        progress=_NothingMiscounted(),  # type: ignore[arg-type]
        firsts=unused,
        journal=unused,
        expired=unused,
        lineages=unused,
        committer=committer,
        shards=unused,
        deployment=_OneRevision(),  # type: ignore[arg-type]
        timing=Timing(),
        clock=_now,
    )


class _NothingMiscounted:
    def is_miscounted(self) -> bool:
        return False


class _OneRevision:
    def revision(self) -> str:
        return "1"


def _now() -> datetime:
    return datetime.now(UTC)


class _Items:
    """A table of the week's flights, repeated under other ids, page by page."""

    def scan(self, *, Segment: int = 0, TotalSegments: int = 1, **request: Any) -> Json:  # noqa: N803
        start = request.get("ExclusiveStartKey", Segment * (_ITEMS // TotalSegments))
        end = min(start + _PAGE, (Segment + 1) * (_ITEMS // TotalSegments))
        flights = records()
        page: Json = {"Items": [_renamed(flights[number % len(flights)], number) for number in range(start, end)]}
        if end < (Segment + 1) * (_ITEMS // TotalSegments):
            page["LastEvaluatedKey"] = end
        return page


def _renamed(record: Json, number: int) -> Json:
    return {**record["dynamodb"]["NewImage"], "pk": {"S": f"flights#{number}"}}


@dataclass(frozen=True, slots=True)
class _Files:
    """A bucket in a folder."""

    folder: Path

    def put_object(self, *, Key: str, Body: bytes, **_options: Any) -> Json:  # noqa: N803
        path = self.folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)
        return {}

    def get_object(self, *, Key: str, **_options: Any) -> Json:  # noqa: N803
        return {"Body": (self.folder / Key).open("rb")}

    def list_objects_v2(self, *, Prefix: str, **_options: Any) -> Json:  # noqa: N803
        found = sorted((self.folder / Prefix).rglob("*")) if (self.folder / Prefix).is_dir() else []
        return {"Contents": [{"Key": str(one.relative_to(self.folder))} for one in found if one.is_file()]}


def _polars(folder: str) -> float:
    """Return the CPU seconds in which Polars groups the same items, read from the same files, on one thread."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl  # noqa: PLC0415 - installed for benchmarks only

    began = time.process_time()
    for path in Path(folder).glob("jobs/bench/items/*/*"):
        images = (json.loads(line)[1] for line in path.read_bytes().split(b"\n"))
        found = zip(*(row for image in images for row in _rows(image)), strict=True)
        columns = {name: list(values) for name, values in zip(COLUMNS, found, strict=True)}
        pl.DataFrame(columns).group_by("aggregate", "first", "second").sum()
    return time.process_time() - began


def _rows(image: Json) -> list[tuple[Any, ...]]:
    try:
        return list(rows({"dynamodb": {"NewImage": image}}))
    except (KeyError, ValueError):  # the week has some invalid flights
        return []


def _journal(show: Show) -> list[Result]:
    """Return what the control rows and a job's journal cost per batch of 1,000 changes."""
    show("(g) journal")
    written: list[int] = []

    class Bucket:
        def put_object(self, *, Body: bytes, **_options: Any) -> Json:  # noqa: N803
            written.append(len(Body))
            return {}

    handlers = []
    for with_job in (False, False, True):
        client = CountingClient()
        _set_up(client.database, with_job=with_job)
        handlers.append(stage(client, s3=Bucket))
    warming, idle, journaling = handlers
    texts = events(1_000, _BATCHES)
    for text in texts:  # the caches of the fold are the process's
        _timed(warming, text)
    pairs = [(_timed(idle, text), _timed(journaling, text)) for text in texts]
    extra = median(with_job - without for without, with_job in pairs)
    return [
        Result("g", "journal of a batch of 1,000 changes: CPU time per change", extra, "µs"),
        Result("g", "journal of a batch of 1,000 changes: size", median(written) / 1000, "KB"),
    ]


def _set_up(database: Any, *, with_job: bool) -> None:
    control = ControlTable(database, "aggregates")
    generations = [created(name, version, of) for (name, version), of in fingerprints(pipeline).items()]
    control.create(generations, since_creation=True)
    for one in generations if with_job else ():
        control.replace(one, begin_verify(one, Boundary("bench-0", 0, confirmed=True), "1", repairs=False))


def _timed(handler: Callable[[Any], object], text: str) -> float:
    event = json.loads(text)
    began = time.process_time()
    handler(event)
    return (time.process_time() - began) / len(event["Records"]) * 1e6

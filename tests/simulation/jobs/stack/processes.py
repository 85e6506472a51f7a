"""Processes of the aggregate stage and of jobs: the real code of both, which may die at each of its calls."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from msgspec.structs import replace

from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.backfill.feeder import assemble_feeder
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.deployment import Deployment
from tailrace.aws.jobs.job import JobTable
from tailrace.aws.jobs.shards import StreamShards
from tailrace.aws.jobs.timing import Timing
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tests.simulation.job_model import definition as model
from tests.simulation.jobs import kept
from tests.simulation.jobs.attached import ReadOnly
from tests.simulation.jobs.carrying import WINDOW_S, Windows
from tests.simulation.jobs.clients import Hooked
from tests.simulation.jobs.definition import CODES
from tests.simulation.jobs.stack.tables import Tables
from tests.simulation.world.serial_executor import SerialExecutor

_TIMEOUT_S = 120


class Died(BaseException):
    """A process has died at one of its calls."""


class Processes(Tables, ABC):
    """Starts processes of the definition that is deployed."""

    def __init__(
        self, seed: int, *, baskets: bool = False, attached: bool = False, carries: bool = False, keeps: bool = False
    ) -> None:
        super().__init__(seed, attached=attached)
        self.baskets = baskets
        self.keeps = keeps
        self.codes = kept.CODES if keeps else CODES if baskets else model.CODES
        self.code: model.Code = self.codes["first"]
        self.names = itertools.count()
        self.in_call = False
        self.died = 0
        self.dies = self.random.choice((0, 0, 0.002, 0.01))
        self.busy = self.random.choice((0.02, 0.1, 0.25))
        self.time_random = Random(seed)  # noqa: S311 - separate, so that the rest of a history stays the same
        self.ends_early = self.time_random.choice((0, 0.1, 0.3))
        self.rows_at_once = self.time_random.choice((4, 1_000, 1_000))
        self.windows = Windows(self) if carries else None

    @abstractmethod
    def act(self) -> None:
        """Let something happen beside the process under way."""

    def hook(self) -> None:
        """Stand between the calls of a process: it may die here, and others may act."""
        if self.random.random() < self.dies:
            self.died += 1
            raise Died
        if not self.in_call and self.random.random() < self.busy:
            self.in_call = True
            try:
                self.act()
            finally:
                self.in_call = False

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Let no process die in the block."""
        before, self.dies = self.dies, 0
        try:
            yield
        finally:
            self.dies = before

    def stage(self) -> Aggregator:
        """Return the stage in a new process."""
        dynamodb: Any = Hooked(self.dynamodb, self.hook)
        buckets: Any = Hooked(self.buckets, self.hook)
        committer = Committer(dynamodb, "aggregates", self.clock, executor=lambda _threads: SerialExecutor(0))
        streams: Any = self.windows or self
        lineages = Lineages(dynamodb, lambda: streams, "aggregates", self.clock)
        feeder = assemble_feeder(dynamodb, lambda: buckets, "aggregates", "progress", "history", lineages, self.clock)
        feeder = replace(feeder, expired=replace(feeder.expired, executor=lambda _threads: SerialExecutor(0)))
        progress = ProgressWriter(dynamodb, "progress", "aggregate", self.clock)
        write_behind_s = WINDOW_S if self.windows else 0
        return Aggregator(self.code.pipeline, committer, lineages, feeder, progress, write_behind_s)

    def job_context(self) -> JobContext:
        """Return what a job works with, in a new process."""
        dynamodb: Any = Hooked(ReadOnly(self.dynamodb, "items") if self.attached else self.dynamodb, self.hook)
        buckets: Any = Hooked(self.buckets, self.hook)
        streams: Any = self.attached or self
        lineages = Lineages(dynamodb, lambda: streams, "aggregates", self.clock)
        return JobContext(
            pipeline=self.code.pipeline,
            dynamodb=dynamodb,
            s3=lambda: buckets,
            items_table="items",
            aggregates_table="aggregates",
            history_bucket="history",
            failures_bucket="failures",
            jobs=JobTable(dynamodb, "aggregates", self.clock),
            control=ControlTable(dynamodb, "aggregates"),
            progress=ProgressRows(dynamodb, "progress"),
            firsts=BoundaryFirsts(dynamodb, "aggregates", self.clock),
            journal=JournalBucket(lambda: buckets, "history"),
            expired=ExpiredImages(lambda: buckets, "history", executor=lambda _threads: SerialExecutor(0)),
            lineages=lineages,
            committer=Committer(dynamodb, "aggregates", self.clock, executor=lambda _threads: SerialExecutor(0)),
            shards=StreamShards(dynamodb, "items", lineages),
            deployment=Deployment(lambda: self.functions, "aggregate"),
            timing=Timing(min_partitions=2, timeout_s=_TIMEOUT_S, rows_at_once=self.rows_at_once),
            clock=self.clock,
            attached_stream="stream" if self.attached else "",
            new_name=lambda: f"{next(self.names):012}",
            has_time=lambda: self.time_random.random() >= self.ends_early,
        )

    def deploy(self, name: str) -> None:
        """Deploy another definition; invocations of the earlier one have ended."""
        self.code = self.codes[name]
        self.functions.revision += 1
        self.functions.now = self.now
        self.note(f"deployed {name}")

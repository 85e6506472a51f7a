"""What the steps and parts of a job work with, and the checks that each of them makes before it continues."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.claim_rows import ClaimRows
from tailrace.aws.backfill.control import Control, ControlTable
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.jobs.deployment import Deployment
from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.job import Job, JobTable
from tailrace.aws.jobs.shards import StreamShards
from tailrace.aws.jobs.timing import Timing
from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.generations import Generation, GenerationId
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import RowKey
from tailrace.errors import Permanent, Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class JobEnded(Permanent):
    """A job cannot continue; the message says why."""


class JobContext(Struct, frozen=True):
    """The tables, buckets and definitions that a job works on."""

    pipeline: Pipeline
    dynamodb: "DynamoDBClient"
    s3: "Callable[[], S3Client]"
    items_table: str
    aggregates_table: str
    history_bucket: str
    failures_bucket: str
    jobs: JobTable
    control: ControlTable
    progress: ProgressRows
    firsts: BoundaryFirsts
    journal: JournalBucket
    expired: ExpiredImages
    lineages: Lineages
    committer: Committer
    shards: StreamShards
    deployment: Deployment
    timing: Timing
    clock: Callable[[], datetime]
    attached_stream: str = ""
    """The stream of the items table if it is not the stack's own. Then nothing may be written to the table."""
    new_name: Callable[[], str] = lambda: secrets.token_hex(6)
    """Returns a name that no other run of the same part has."""
    has_time: Callable[[], bool] = lambda: True
    """Whether the invocation has time to begin more work."""

    def within(self, has_time: Callable[[], bool]) -> "JobContext":
        """Return the context for one invocation."""
        return replace(self, has_time=has_time)

    @property
    def claims(self) -> ClaimRows:
        """What jobs have claimed of the stream."""
        return ClaimRows(self.dynamodb, self.aggregates_table)

    @property
    def now(self) -> int:
        """The second by this process's clock."""
        return int(self.clock().timestamp())

    def folder(self, job: Job) -> Folder:
        """Return a job's folder."""
        return Folder(self.s3, self.history_bucket, f"jobs/{job.id}")

    def control_rows(self) -> Control:
        """Return all control rows.

        Raises:
            Transient: the rows count another table. The deployment with this one will be refused, and this function has
                it until the rollback.
        """
        control = self.control.read()
        table = self.items_table if self.attached_stream else ""
        if control.counted is not None and control.counted.table != table:
            raise Transient("the rows count another table than the deployed one")
        return control

    def lines(self, job: Job, path: str) -> list[bytes]:
        """Return the lines of an object that an earlier step wrote into a job's folder.

        Raises:
            JobEnded: it is gone, or another release did that step.
        """
        lines = self.folder(job).lines_if_any(path)
        if lines is None:
            raise JobEnded("the files of this job no longer exist: run it again")
        return lines

    def generations(self, job: Job) -> list[Generation]:
        """Return the generations of a job as they are now.

        A deployment updates this function before the aggregate function, and rolls back only this function if it fails.

        Raises:
            JobEnded: the job's boundary is not theirs any more, or this process's definition means something else.
            Transient: see :meth:`control_rows`.
        """
        control = self.control_rows()
        found: list[Generation] = []
        for name in job.targets:
            generation = control.generations.get(name)
            if generation is None or generation.journal is None or generation.journal.id != boundary_id(job):
                reason = "" if generation is None else generation.reason
                raise JobEnded(f"{label(name)} was taken from this job{f': {reason}' if reason else ''}")
            if generation.fingerprint != self.fingerprint(name):
                raise JobEnded(f"another meaning of {label(name)} was deployed while the job ran: run it again")
            found.append(generation)
        return found

    def check(self, job: Job) -> list[Generation]:
        """Return the generations of a job, if no other code can have run since it began.

        Raises:
            JobEnded: see :meth:`generations`; or the function was deployed anew, or older code has run.
        """
        found = self.generations(job)
        revision = self.deployment.revision()
        if any(one.revision != revision for one in found):
            raise JobEnded("the aggregate function was deployed while the job ran: run it again")
        if self.progress.is_miscounted():
            raise JobEnded("a release older than the journal ran during the job: run the job again")
        return found

    def aggregate(self, name: GenerationId) -> Aggregate:
        """Return an aggregate of this process's definition.

        Raises:
            JobEnded: it has none with this name and version.
        """
        for one in self.pipeline.aggregates:
            if (one.name, one.version) == name:
                return one
        raise JobEnded(f"the definition has no {label(name)}")

    def fingerprint(self, name: GenerationId) -> str:
        """Return the fingerprint of an aggregate's meaning; raises like :meth:`aggregate`."""
        self.aggregate(name)
        return fingerprints(self.pipeline)[name]


def boundary_id(job: Job) -> str:
    """Return the id of a job's boundary: each attempt to begin has one of its own."""
    return f"{job.id}-{job.data.get('attempt', 0)}"


def job_of(boundary: Boundary) -> str:
    """Return the id of the job that has chosen a boundary; the inverse of :func:`boundary_id`."""
    return boundary.id.rpartition("-")[0]


def boundary_of(generation: Generation) -> Boundary:
    """Return the boundary of a generation's job.

    Raises:
        JobEnded: it has none.
    """
    if generation.journal is None:
        raise JobEnded(f"{label(generation.id)} has no job")
    return generation.journal


def label(name: GenerationId) -> str:
    """Return a generation's name for people: ``shops@2``."""
    return f"{name[0]}@{name[1]}"


def partition_of(text: str, partitions: int) -> int:
    """Return the partition of an item or row, by a hash that is the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % partitions


def is_sampled(key: RowKey, share: float) -> bool:
    """Tell whether a main row, with everything that belongs to it, is in a sample of a given share."""
    return share >= 1 or partition_of(f"sample\n{key[0]}\n{key[1]}", 1 << 32) < share * (1 << 32)


def spread(parts: Mapping[int, list[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the partitions that have lines."""
    yield from ((number, lines) for number, lines in sorted(parts.items()) if lines)


type Lines = dict[int, list[bytes]]
"""Lines by partition."""

type Json = dict[str, Any]

"""Jobs: one item for each build and verification, in the aggregates table, that records its progress.

Its keys are ``~jobs`` and the job's id, which begins with the time at which it began. All that a job must remember from
step to step is in the item and in its folder of the history bucket: an execution that dies is started again with the
job's id, and continues.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aws.backfill.job_status import JOBS
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill.generations import GenerationId
from tailrace.backfill.job_phases import SETTLING
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.errors import NotFound, Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RETENTION = timedelta(days=90)

type Kind = Literal["build", "verify"]
type JobState = Literal["running", "done", "failed"]


class Overtaken(Transient):
    """Another execution has written the job."""


class Job(Struct, frozen=True):
    """A build or a verification of some generations, which share one boundary.

    Attributes:
        id: names the job, its boundary and its folder.
        kind: what it does.
        targets: the generations.
        repairs: whether a verification repairs.
        sample: the share of the rows that a verification compares, from 0 (exclusive) to 1.
        step: the step that comes next.
        data: what the steps remember.
        state: whether it is under way; ``reason`` says why it failed.
        phase: the step under way, in words.
        done: the parts of the phase that are done.
        total: the parts of the phase; 0 where they cannot be counted.
        changes: how often the item was written.
        updated_at: when it was last written, or a part of the phase was done or continued; "" for a new one.
    """

    id: str
    kind: Kind
    targets: tuple[GenerationId, ...]
    began_at: str
    repairs: bool = False
    sample: float = 1.0
    step: str = "settle"
    data: Mapping[str, Any] = field(default_factory=dict)
    state: JobState = "running"
    reason: str = ""
    phase: str = SETTLING
    done: int = 0
    total: int = 0
    changes: int = 0
    updated_at: str = ""

    def remember(self, **data: Any) -> "Job":
        """Return the job with something to remember."""
        return replace(self, data={**self.data, **data})

    def go_to(self, step: str, phase: str | None = None, total: int = 0) -> "Job":
        """Return the job at another step; without a ``phase``, in the same phase, whose parts are done."""
        if phase is None:
            return replace(self, step=step)
        return replace(self, step=step, phase=phase, done=0, total=total)

    def covers(self, wanted: "Job") -> bool:
        """Tell whether the job does all that another one would."""
        is_as_thorough = self.sample >= wanted.sample and self.repairs >= wanted.repairs
        return self.kind == wanted.kind and is_as_thorough and set(self.targets) >= set(wanted.targets)


class JobTable(Struct, frozen=True):
    """Reads and writes jobs.

    Raises (each method):
        Transient: the table cannot be used now, or another execution has written the job.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]

    def create(self, job: Job) -> None:
        """Write a new job."""
        self._put(job, "attribute_not_exists(pk)", {})

    def read(self, name: str) -> Job:
        """Return a job.

        Raises:
            NotFound: no job has this id, or its row is damaged.
        """
        with map_aws_errors():
            answer = self.client.get_item(
                TableName=self.table, Key=encode_item({"pk": JOBS, "sk": name}), ConsistentRead=True
            )
        found = _job(answer["Item"]) if "Item" in answer else None
        if found is None:
            raise NotFound(f"there is no job {name!r}")
        return found

    def write(self, job: Job) -> Job:
        """Write a job if nobody else has since it was read, and return it as written.

        Raises:
            Overtaken: somebody else has.
        """
        after = replace(job, changes=job.changes + 1)
        self._put(after, "changes = :changes", {":changes": job.changes})
        return after

    def count_part(self, job: Job, *, is_done: bool = True) -> None:
        """Count a part of the phase, for readers of the progress; an unfinished one only updates the time."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key=encode_item({"pk": JOBS, "sk": job.id}),
                UpdateExpression="SET updated_at = :now ADD done :one",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=encode_item({":now": self._now(), ":one": int(is_done)}),
            )
        except (ClientError, BotoCoreError) as error:
            if not has_code(error, CONDITION_FAILED):  # somebody has deleted the job meanwhile
                raise translate(error) from error

    def all(self) -> Iterator[Job]:
        """Yield the jobs, the newest first; without those whose rows are damaged."""
        rows = partition_rows(self.client, self.table, JOBS, ScanIndexForward=False)
        return (job for job in map(_job, rows) if job is not None)

    def _put(self, job: Job, condition: str, values: Mapping[str, Any]) -> None:
        row = {
            "pk": JOBS,
            "sk": job.id,
            "kind": job.kind,
            "targets": [f"{name}@{version}" for name, version in job.targets],
            "repairs": job.repairs,
            "sample": str(job.sample),
            "step": job.step,
            "data": json.dumps(job.data),
            "state": job.state,
            "reason": job.reason,
            "phase": job.phase,
            "done": job.done,
            "total": job.total,
            "changes": job.changes,
            "began_at": job.began_at,
            "updated_at": self._now(),
            "expires_at": int((self.clock() + _RETENTION).timestamp()),
        }
        request: Any = {"TableName": self.table, "Item": encode_item(row), "ConditionExpression": condition}
        if values:
            request["ExpressionAttributeValues"] = encode_item(values)
        try:
            self.client.put_item(**request)
        except (ClientError, BotoCoreError) as error:
            if not has_code(error, CONDITION_FAILED):
                raise translate(error) from error
            if not self._has_ended_so(job, request["Item"]):
                raise Overtaken(f"another execution has written job {job.id}") from error

    def _has_ended_so(self, job: Job, row: Mapping[str, Any]) -> bool:
        """Tell whether an earlier attempt wrote a job's end, and its response was lost.

        Otherwise, a repeated call would find a job that has ended, and count nothing.
        """
        if job.state == "running":  # another execution may have taken the same step in the same second
            return False
        with map_aws_errors():
            found = self.client.get_item(
                TableName=self.table, Key={"pk": row["pk"], "sk": row["sk"]}, ConsistentRead=True
            )
        return found.get("Item") == row

    def _now(self) -> str:
        return self.clock().isoformat(timespec="seconds")


def _job(image: Mapping[str, Any]) -> Job | None:
    """Read a job's row; None if it is damaged, so that it ends no command for the others."""
    try:
        row = decode_item(image)
        targets = tuple((name, int(version)) for name, _, version in (one.rpartition("@") for one in row["targets"]))
        return Job(
            id=row["sk"],
            kind=row["kind"],
            targets=targets,
            began_at=row["began_at"],
            repairs=row["repairs"],
            sample=float(row["sample"]),
            step=row["step"],
            data=dict(json.loads(row["data"])),
            state=row["state"],
            reason=row["reason"],
            phase=row["phase"],
            done=int(row["done"]),
            total=int(row["total"]),
            changes=int(row["changes"]),
            updated_at=str(row.get("updated_at") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        logger().warning("the row of a job is damaged", extra={"job": image.get("sk", {}).get("S")})
        return None

"""How far a job is, as its row in the aggregates table tells operators and readers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

BUILD, VERIFY = "build", "verify"
RUNNING, DONE, FAILED = "running", "done", "failed"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The row of one job.

    Attributes:
        id: the job's id; a later job has a greater one.
        kind: :data:`BUILD` or :data:`VERIFY`.
        state: :data:`RUNNING`, :data:`DONE` or :data:`FAILED`.
        targets: the generations that it works on, each as ``name@version``.
        phase: what it is doing, for people.
        done: the parts of its work that are done.
        total: all parts of its work; 0 while that is unknown.
        began_at: when it began (ISO 8601).
        updated_at: when the row was last written (ISO 8601).
        reason: why it failed.
    """

    id: str
    kind: str
    state: str
    targets: tuple[str, ...] = ()
    phase: str = ""
    done: int = 0
    total: int = 0
    began_at: str = ""
    updated_at: str = ""
    reason: str = ""

    @property
    def fraction(self) -> Decimal | None:
        """The part of the work that is done, from 0 to 1; None while it is unknown."""
        if self.total <= 0:
            return None
        return round(min(max(Decimal(self.done) / self.total, Decimal(0)), Decimal(1)), 3)


def job_from_row(row: Mapping[str, Any]) -> JobStatus:
    """Read a job's row."""
    values: dict[str, Any] = {name: str(row.get(name) or "") for name in ("phase", "began_at", "updated_at", "reason")}
    values |= {name: int(row.get(name) or 0) for name in ("done", "total")}
    targets = tuple(sorted(map(str, row.get("targets") or ())))
    return JobStatus(row["sk"], str(row.get("kind")), str(row.get("state")), targets, **values)

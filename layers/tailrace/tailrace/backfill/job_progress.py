"""The progress of a job, as its row in the aggregates table shows it to operators and readers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

BUILD, VERIFY = "build", "verify"
RUNNING, DONE, FAILED = "running", "done", "failed"

_GATHERING = (
    "waiting for earlier invocations to end",
    "waiting for the boundary to pass",
    "reading the items",
    "waiting for the stream to pass the snapshot",
    "reading discarded batches",
    "reading the journal",
    "computing the base",
)
_PHASES = {
    BUILD: (*_GATHERING, "writing the base", "removing rows that are empty"),
    VERIFY: (
        *_GATHERING,
        "waiting for invocations from before the repair to end",
        "listing the rows",
        "reading the rows",
        "reading the journal again",
        "comparing the rows",
    ),
}
"""The phases in which each kind of job spends its time, in order. A phase's text may continue with what it awaits."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The row of one job.

    Attributes:
        id: the job's id; a later job has a greater one.
        kind: :data:`BUILD` or :data:`VERIFY`.
        state: :data:`RUNNING`, :data:`DONE` or :data:`FAILED`.
        targets: the generations that it works on, each as ``name@version``.
        phase: what it is doing, for people.
        done: the parts of the phase that are done.
        total: all parts of the phase; 0 where they cannot be counted.
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
        """The part of the work that is done, from 0 to 1, where each phase is an equal part; None while it is unknown.

        It never falls from one phase to the next. A job of another release may be in a phase that is not known here:
        then the part is that of this phase alone.
        """
        within = min(max(Decimal(self.done) / self.total, Decimal(0)), Decimal(1)) if self.total > 0 else None
        phases = _PHASES.get(self.kind, ())
        place = max((place for place, known in enumerate(phases) if self.phase.startswith(known)), default=None)
        if place is not None:
            within = (place + (within or 0)) / Decimal(len(phases))
        return None if within is None else round(within, 3)


def job_from_row(row: Mapping[str, Any]) -> JobStatus:
    """Read a job's row."""
    values: dict[str, Any] = {name: str(row.get(name) or "") for name in ("phase", "began_at", "updated_at", "reason")}
    values |= {name: int(row.get(name) or 0) for name in ("done", "total")}
    targets = tuple(sorted(map(str, row.get("targets") or ())))
    return JobStatus(row["sk"], str(row.get("kind")), str(row.get("state")), targets, **values)

"""The progress of a job, as its row in the aggregates table shows it to operators and readers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from tailrace.backfill.job_phases import BUILD_PHASES, VERIFY_PHASES

BUILD, VERIFY = "build", "verify"
RUNNING, FAILED = "running", "failed"

_PHASES = {BUILD: BUILD_PHASES, VERIFY: VERIFY_PHASES}


class JobStatus(Struct, frozen=True):
    """The row of one job.

    Attributes:
        id: the job's id; a later job has a greater one.
        kind: :data:`BUILD` or :data:`VERIFY`.
        state: :data:`RUNNING`, ``done`` or :data:`FAILED`.
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

"""What readers see: which generation of each aggregate, and whether its rows are exact."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from tailrace.backfill.generations import Generation, GenerationId, State, meaning_changed, shown
from tailrace.backfill.job_progress import BUILD, FAILED, RUNNING, JobStatus
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import NotBuilt

UNKNOWN = "unknown"
"""The state of every generation of a stack that has no control rows yet."""

_NO_CONTROL_ROWS = "the stack has not recorded the state of its aggregates yet"


class GenerationState(Struct, frozen=True):
    """What readers learn about a generation.

    Attributes:
        version: the aggregate's version.
        state: one of :class:`tailrace.backfill.generations.State`, or :data:`UNKNOWN`.
        exact: whether its rows are known to be exact.
        reason: why they are not, or why there are none; None if there is nothing to say.
        epoch: part of the keys of its rows.
        progress: that of its build, from 0 to 1; None while it is unknown.
    """

    version: int
    state: str
    exact: bool
    reason: str | None
    epoch: int = 0
    progress: Decimal | None = None

    def document(self) -> dict[str, Any]:
        """Return the JSON object for responses; ``progress`` only of a generation that is being built."""
        document = {"version": self.version, "state": self.state, "exact": self.exact, "reason": self.reason}
        return document | ({"progress": self.progress} if self.state == State.BUILDING else {})


class Shown(Struct, frozen=True):
    """The generation that a request reads: its definition and its state."""

    aggregate: Aggregate
    generation: GenerationState


class ReadersView(Struct, frozen=True):
    """The definition together with the control rows, as both were at one moment.

    Attributes:
        pipeline: the definition.
        generations: the control rows.
        pointers: by aggregate, the generation that readers are shown.
        exists: False in a stack without control rows; then the highest version of each aggregate is shown.
        jobs: the jobs' rows, newest first.
        meanings: what stands for the meaning of each aggregate of the definition; empty if it is unknown.
    """

    pipeline: Pipeline
    generations: Mapping[GenerationId, Generation] = field(default_factory=dict)
    pointers: Mapping[str, GenerationId] = field(default_factory=dict)
    exists: bool = False
    jobs: Sequence[JobStatus] = ()
    meanings: Mapping[GenerationId, str] = field(default_factory=dict)

    def shown(self, name: str) -> Shown | None:
        """Return the generation of an aggregate that readers are shown; None while there is none.

        Raises:
            NotFound: the definition has no such aggregate.
        """
        newest = self.pipeline.aggregate(name)
        if not self.exists:
            return Shown(newest, self._state(newest))
        found = shown(self.pointers.get(name), self.generations)
        versions = {aggregate.version: aggregate for aggregate in self.pipeline.aggregates if aggregate.name == name}
        if found is None or found.version not in versions:
            return None
        return Shown(versions[found.version], self._state(versions[found.version]))

    def require_shown(self, name: str) -> Shown:
        """Return the generation of an aggregate that readers are shown.

        Raises:
            NotFound: the definition has no such aggregate.
            NotBuilt: no generation of it can be shown; the message says what to do.
        """
        found = self.shown(name)
        if found is None:
            newest = self._state(self.pipeline.aggregate(name))
            raise NotBuilt(self._why_not_built(name, newest), newest.progress)
        return found

    def states(self, name: str) -> list[GenerationState]:
        """Return the state of each generation of an aggregate, the highest version first.

        These are the versions in the definition, and what is still fed or shown.
        """
        defined = {one.version: self._state(one) for one in self.pipeline.aggregates if one.name == name}
        others = {
            one.version: self._state_of(one)
            for one in self.generations.values()
            if one.aggregate == name and (one.state is not State.RETIRED or self.pointers.get(name) == one.id)
        }
        return [state for _, state in sorted((others | defined).items(), reverse=True)]

    def _state(self, aggregate: Aggregate) -> GenerationState:
        if not self.exists:
            return GenerationState(aggregate.version, UNKNOWN, exact=False, reason=_NO_CONTROL_ROWS)
        found = self.generations.get((aggregate.name, aggregate.version))
        if found is None:
            return GenerationState(aggregate.version, State.DECLARED, exact=False, reason=None)
        return self._state_of(found)

    def _state_of(self, generation: Generation) -> GenerationState:
        progress, reason, exact = None, _reason(generation), generation.exact
        known = generation.fingerprint
        if generation.state is State.LIVE and self.meanings.get(generation.id, known) != known:
            exact, reason = False, meaning_changed(generation.aggregate)
        if generation.state is State.BUILDING:
            job = self._build(generation)
            progress = job.fraction if job is not None and job.state == RUNNING else None
            reason = f"the build failed: {job.reason}" if job is not None and job.state == FAILED else None
        return GenerationState(generation.version, generation.state, exact, reason, generation.epoch, progress)

    def _build(self, generation: Generation) -> JobStatus | None:
        target = f"{generation.aggregate}@{generation.version}"
        return next((job for job in self.jobs if job.kind == BUILD and target in job.targets), None)

    def _why_not_built(self, name: str, newest: GenerationState) -> str:
        pointer = self.pointers.get(name)
        before = shown(pointer, self.generations)
        gone = "" if before is None else f"{name}@{before.version} is no longer in the definition, and "
        if newest.state == State.BUILDING and newest.reason is None:
            done = "" if newest.progress is None else f", {int(newest.progress * 100)}% done"
            return f"{gone}{name}@{newest.version} is being built{done}"
        if newest.state == State.LIVE:
            return f"{gone}{name}@{newest.version} is live: run `tailrace rebuild {name}` to show it"
        because = "" if newest.reason is None else f" ({newest.reason})"
        return f"{gone}{name}@{newest.version} is not built{because}: run `tailrace rebuild {name}`"


def _reason(generation: Generation) -> str | None:
    if generation.exact or generation.state is State.DECLARED:
        return None
    if generation.reason:
        return generation.reason
    match generation.state:
        case State.LIVE:
            return f"not verified: run `tailrace verify {generation.aggregate}`"
        case State.RETIRED:
            return "it is no longer kept up to date"
    return f"it was interrupted: run `tailrace rebuild {generation.aggregate}`"

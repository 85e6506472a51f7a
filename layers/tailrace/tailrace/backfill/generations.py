"""Generations: the rows of one aggregate under one meaning, and the state of each, as the control rows hold it.

=============  ======================================================================================================
declared       it is in the definition and nothing is written to it
building       changes from its frontier on are added and journaled; readers do not see it
live           it is fed; ``verified`` says whether its beginning is known to be exact
interrupted    some invocation could not feed it: nothing is written to it until it is built anew
retired        it is not needed any more
=============  ======================================================================================================

Every transition is a pure function from one control row to the next; whoever writes it does so on the condition that
the row is still the one that it was made from.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tailrace.backfill.boundaries import Boundary
from tailrace.errors import Permanent

type GenerationId = tuple[str, int]
"""An aggregate's name and version."""


EXPIRED_UNKEPT = (
    "rows may lack items that expired before their images were kept, in a batch that cannot be read, or under another "
    "name of their collection"
)


def meaning_changed(aggregate: str) -> str:
    """Return the reason for a live generation that the definition cannot feed, before the first change has come."""
    return f"its meaning has changed: run `tailrace rebuild {aggregate}`"


class State(StrEnum):
    """What a generation is, as the table above has it."""

    DECLARED = "declared"
    BUILDING = "building"
    LIVE = "live"
    INTERRUPTED = "interrupted"
    RETIRED = "retired"


class WrongState(Permanent):
    """A generation is not in a state from which this can be done."""


class Generation(Struct, frozen=True):
    """One control row.

    Attributes:
        aggregate: the aggregate's name.
        version: its version.
        state: what it is.
        fingerprint: that of its meaning (:mod:`tailrace.backfill.fingerprints.meaning`); code with another one must not
            write to it.
        epoch: counts its builds; part of its rows' keys, so that what an abandoned build has left is never read.
        frontier: that of its build: what is below is in the base. None if it was fed from the stream's beginning.
        floor: that of its last repair: what is below was repaired and is not added any more.
        baseline: that of the verification under way.
        repairs: whether that verification repairs.
        revision: that of the function's code when the job began; a deployment since then ends the job.
        verified: the rows are known to be exact, except for what an interruption or a failure says.
        reason: why it was interrupted, or is not known to be exact.
    """

    aggregate: str
    version: int
    state: State
    fingerprint: str
    epoch: int = 0
    frontier: Boundary | None = None
    floor: Boundary | None = None
    baseline: Boundary | None = None
    repairs: bool = False
    revision: str = ""
    verified: bool = False
    reason: str = ""

    @property
    def id(self) -> GenerationId:
        """The aggregate's name and version."""
        return self.aggregate, self.version

    @property
    def journal(self) -> Boundary | None:
        """The boundary from which on changes are journaled; None while no job runs.

        It follows the state and not the job's execution: a job that has died may be taken up again, and needs
        everything that was added meanwhile.
        """
        return self.frontier if self.state is State.BUILDING else self.baseline

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The boundaries whose first numbers an invocation has to know."""
        named = {one.id: one for one in (self.frontier, self.floor, self.baseline) if one is not None}
        return tuple(named.values())

    @property
    def exact(self) -> bool:
        """Whether readers may rely on its rows as exact."""
        return self.state is State.LIVE and self.verified


def created(aggregate: str, version: int, fingerprint: str) -> Generation:
    """Return a generation of a stack that is being created: it is fed from the stream's beginning."""
    return Generation(aggregate, version, State.LIVE, fingerprint, verified=True)


def adopted(aggregate: str, version: int, fingerprint: str) -> Generation:
    """Return a generation of a stack that is older than its control rows: it is fed, and nothing is known about it."""
    return Generation(aggregate, version, State.LIVE, fingerprint)


def declared(aggregate: str, version: int, fingerprint: str) -> Generation:
    """Return a generation that a rebuild has to build from the items before anything is written to it or shown."""
    return Generation(aggregate, version, State.DECLARED, fingerprint)


def begin_build(generation: Generation, fingerprint: str, frontier: Boundary, revision: str) -> Generation:
    """Return a generation at the beginning of a build, under a new epoch.

    A live one is built anew if its meaning has changed: no change has come since, or it would be interrupted.

    Raises:
        WrongState: it is live with this meaning, and no build is needed.
    """
    if generation.state is State.LIVE and generation.fingerprint == fingerprint:
        raise WrongState(f"{generation.aggregate}@{generation.version} is live: raise the version to rebuild it")
    epoch = generation.epoch + 1
    name, version = generation.id
    return Generation(name, version, State.BUILDING, fingerprint, epoch, frontier, revision=revision)


def confirm_boundary(generation: Generation, confirmed: Boundary) -> Generation:
    """Return a generation whose job's boundary was seen in time."""
    if generation.state is State.BUILDING:
        return replace(generation, frontier=confirmed)
    return replace(generation, baseline=confirmed)


def claim(generation: Generation, covered: int) -> Generation:
    """Return a generation whose job claims that what was created before a second is dealt with or absent."""
    if generation.state is State.BUILDING and generation.frontier is not None:
        return replace(generation, frontier=replace(generation.frontier, covered=covered))
    if generation.baseline is not None:
        return replace(generation, baseline=replace(generation.baseline, covered=covered))
    return generation


def contradict(generation: Generation, reason: str) -> Generation:
    """Return a generation whose claim was wrong: its job ends, and its rows are not known to be exact.

    All its claims are withdrawn, so that the next delivery of the same record is added.
    """
    withdrawn = replace(
        generation,
        frontier=generation.frontier and replace(generation.frontier, covered=0),
        floor=generation.floor and replace(generation.floor, covered=0),
    )
    return distrusted(withdrawn, reason)


def go_live(generation: Generation, *, verified: bool = True) -> Generation:
    """Return a generation whose base is complete; not ``verified`` where expired items may be missing from it.

    Raises:
        WrongState: it is not being built, or its frontier was never confirmed.
    """
    if generation.state is not State.BUILDING or generation.frontier is None or not generation.frontier.confirmed:
        raise WrongState(f"{generation.aggregate}@{generation.version} is {generation.state}, not completely built")
    return replace(generation, state=State.LIVE, verified=verified, reason="" if verified else EXPIRED_UNKEPT)


def begin_verify(generation: Generation, baseline: Boundary, revision: str, *, repairs: bool) -> Generation:
    """Return a generation with a verification under way.

    Raises:
        WrongState: it is not live, or another job is under way.
    """
    if generation.state is not State.LIVE:
        raise WrongState(f"{generation.aggregate}@{generation.version} is {generation.state}, not live")
    if generation.baseline is not None:
        name = f"{generation.aggregate}@{generation.version}"
        raise WrongState(f"another job is verifying {name}: run the command again when it has ended")
    return replace(generation, baseline=baseline, revision=revision, repairs=repairs)


def raise_floor(generation: Generation) -> Generation:
    """Return a generation to which nothing below the baseline is added any more.

    Only after coverage: until then the stream may hold first deliveries that are below.
    """
    return replace(generation, floor=generation.baseline)


def end_verify(generation: Generation, *, verified: bool | None = None) -> Generation:
    """Return a generation without a job; ``verified`` None leaves what is known of it, and why."""
    ended = replace(generation, baseline=None, repairs=False)
    if verified is None:
        return ended
    wrong = f"some rows differ from the items: run `tailrace verify {generation.aggregate} --repair`"
    return replace(ended, verified=verified, reason="" if verified else wrong)


def doubt(generation: Generation, reason: str) -> Generation:
    """Return a generation that is still fed, but no longer known to be exact."""
    return replace(generation, verified=False, reason=reason)


def distrusted(generation: Generation, reason: str) -> Generation:
    """Return a generation that may have missed something: its job ends, and it is not known to be exact."""
    if generation.state is State.BUILDING:
        return interrupt(generation, reason)
    if generation.state is State.LIVE:
        return doubt(replace(generation, baseline=None, repairs=False), reason)
    return generation


def interrupt(generation: Generation, reason: str) -> Generation:
    """Return a generation that is not fed any more."""
    return replace(generation, state=State.INTERRUPTED, baseline=None, repairs=False, reason=reason)


def shown(pointer: GenerationId | None, generations: Mapping[GenerationId, Generation]) -> Generation | None:
    """Return the generation that readers are shown; None while there is nothing to show."""
    found = None if pointer is None else generations.get(pointer)
    return None if found is None or found.state in (State.BUILDING, State.DECLARED) else found


def to_row(generation: Generation) -> dict[str, Any]:
    """Return a control row as plain values."""
    row: dict[str, Any] = {
        "aggregate": generation.aggregate,
        "version": generation.version,
        "state": str(generation.state),
        "fingerprint": generation.fingerprint,
        "epoch": generation.epoch,
        "repairs": generation.repairs,
        "revision": generation.revision,
        "verified": generation.verified,
        "reason": generation.reason,
    }
    for name in ("frontier", "floor", "baseline"):
        boundary: Boundary | None = getattr(generation, name)
        if boundary is not None:
            row[name] = {"id": boundary.id, "time": boundary.time, "confirmed": boundary.confirmed}
            row[name] |= {"covered": boundary.covered} if boundary.covered else {}
    return row


def from_row(row: Mapping[str, Any]) -> Generation:
    """Read a control row; the inverse of :func:`to_row`."""
    values = dict(row) | {"state": State(row["state"])}
    for name in ("frontier", "floor", "baseline"):
        if name in values:
            values[name] = Boundary(**values[name])
    return Generation(**values)

"""What a build and a verification have in common: the boundary, the snapshot, the proof of coverage, and the base."""

from collections.abc import Callable, Iterable, Mapping
from copy import replace
from typing import Any

from msgspec import Struct, field

from tailrace.aggregation.row_changes import RowChange
from tailrace.backfill.admission import rows_above
from tailrace.backfill.base import base_rows, image_at_boundary
from tailrace.backfill.boundaries import MARGIN_S, Boundary, ancestors_of, confirm, is_past
from tailrace.backfill.coverage import (
    LISTING_DELAY_S,
    created_after,
    holes,
    missing_sentinels,
    throughs_of,
    unproven,
)
from tailrace.backfill.generations import Generation, GenerationId, confirm_boundary
from tailrace.backfill.journal import Journal, JournalObject, read_journal
from tailrace.definition.aggregate import Aggregate
from tailrace.encoding.keys import SENTINELS
from tests.simulation.job_model.actors.state import TIMEOUT_S, Expired, Shared
from tests.simulation.job_model.actors.table import Effects, Run
from tests.simulation.job_model.definition import EVALUATORS

_MAX_LISTINGS = 400
_MAX_SENTINELS = 192
_PAGE = 2


class Ended(Exception):
    """The job cannot go on, and says why."""


class Worker(Struct):
    """One process that works on a generation's job, with a clock of its own; another one may do the same work."""

    shared: Shared
    id: GenerationId
    skew_s: float
    began_at: float = 0.0
    parts: int = 1

    @property
    def now(self) -> int:
        return int(self.shared.now + self.skew_s)

    @property
    def generation(self) -> Generation:
        return self.shared.generations[self.id]

    @property
    def aggregate(self) -> Aggregate:
        """What the definition says now. Raises Ended if it has no such aggregate any more."""
        found = self.shared.code.ids.get(self.id)
        if found is None:
            raise Ended("the definition does not have it")
        return found

    def wait_past(self, time: int) -> Effects:
        """Wait until a time of one's own clock is over by every clock."""
        while not is_past(time, self.now):
            yield "wait"

    def wait_until(self, time: int) -> Effects:
        while self.now <= time:
            yield "wait"

    def revision_settles(self) -> Run[str]:
        """Wait until invocations of earlier code have ended, and return the revision."""
        shared = self.shared
        while shared.now < shared.deployed_at + TIMEOUT_S + 2 * MARGIN_S:
            yield "wait"
        if shared.is_miscounted:  # of a shard that is closed no invocation will ever find out
            yield "distrust"
            shared.distrust()
        return str(shared.revision)

    def confirm(self, boundary: Boundary, swap: Callable[[Generation, Generation], bool]) -> Run[Generation]:
        """See that a boundary was written before its time."""
        yield "confirm"
        before = self.generation
        if before.journal is None or before.journal.id != boundary.id:
            raise Ended("another worker has ended the job")
        shared = self.shared
        confirmed = confirm(before.journal, self.now)
        sure = shared.holds("a boundary is confirmed before its time")
        if not sure or not shared.holds("the boundary lies ahead by a margin"):
            confirmed = replace(before.journal, confirmed=True)
        if confirmed is None:
            raise Ended("the boundary was written too late")
        yield "confirmed"
        after = confirm_boundary(before, confirmed)
        if before != after and not swap(before, after):
            raise Ended("the control row has moved")
        return after

    def check(self, boundary: Boundary) -> Generation:
        """See that the job is still the one that this worker works for.

        Raises:
            Ended: it is not.
        """
        found = self.generation
        if found.journal is None or found.journal.id != boundary.id:
            raise Ended("another worker has ended the job")
        if str(self.shared.revision) != found.revision and self.shared.holds("a deployment ends the job"):
            raise Ended("there was a deployment")
        if self.shared.is_miscounted and self.shared.holds("each code counts its own changes"):
            raise Ended("older code has run")
        return found


class Covered(Struct):
    """What a job knows once everything that its snapshot has seen is dealt with."""

    firsts: Mapping[str, int]
    throughs: Mapping[str, int]
    snapshot: Mapping[str, Any]
    journal: Journal
    base: dict[tuple[str, str], RowChange] = field(default_factory=dict)
    rows: list[RowChange] = field(default_factory=list)


def cover(worker: Worker, boundary: Boundary) -> Run[Covered]:
    """Take a snapshot, prove coverage, read the journal and compute the base."""
    shared = worker.shared
    if shared.holds("the snapshot is taken after the boundary and a margin"):
        yield from worker.wait_past(boundary.time)
    snapshot: dict[str, Any] = {}
    for key in sorted({*shared.stream.items, *(record.key for record in shared.stream.log)}):
        yield "scan"
        if key in shared.stream.items and not key.startswith(SENTINELS):
            snapshot[key] = shared.stream.items[key]
    after = created_after(worker.now)
    yield from worker.wait_past(boundary.time)
    if not shared.holds("records must be younger than the snapshot by a margin"):
        after = worker.now - MARGIN_S
    throughs = yield from _proof(worker, boundary, after)
    yield from worker.wait_until(worker.now + MARGIN_S)
    worker.check(boundary)
    firsts = dict(shared.firsts.get(boundary.id, {}))
    no_holes(worker, boundary, firsts)
    journal = yield from list_journal(worker, firsts)
    if not shared.holds("throughs are read before the journal is listed"):
        throughs = throughs_of(shared.stream.listed(shared.now), _told(worker))
    if not shared.holds("only what is proven covered is used"):
        throughs = dict.fromkeys(shared.stream.parents, 1 << 160)
    covered = Covered(firsts, throughs, snapshot, journal)
    _compute_base(worker, boundary, covered)
    return covered


def no_holes(worker: Worker, boundary: Boundary, firsts: Mapping[str, int]) -> None:
    """See that no batch that was given up reaches the boundary.

    Raises:
        Ended: one does.
    """
    if holes(worker.shared.given_up(), firsts, boundary.time) and worker.shared.holds("holes end the job"):
        raise Ended("a batch was given up")


def _proof(worker: Worker, boundary: Boundary, after: int) -> Run[dict[str, int]]:  # noqa: C901 - one loop
    """Wait for the proof that the aggregate stage is beyond the snapshot, and return how far it is."""
    shared = worker.shared
    if not shared.holds("coverage is proven by aggregate itself"):
        return {shard.id: shard.records[-1].sequence for shard in shared.stream.shards if shard.records}
    yield from worker.wait_until(after + MARGIN_S)
    sentinels = [f"{SENTINELS}#{boundary.id}-{number}" for number in range(3)]
    proven_at: int | None = None
    for attempt in range(_MAX_LISTINGS):
        for key in sentinels:
            if key not in shared.stream.items:
                yield "sentinel"
                shared.stream.write(key, {"job": boundary.id}, shared.now)
        yield "list shards"
        shards = shared.stream.listed(shared.now)
        yield "read throughs"
        told = _told(worker)
        throughs = throughs_of(shards, told)
        if not shared.holds("every listed shard is proven"):
            after = 0
        left = unproven(shards, told, after)
        missing: list[str] = []
        if not left and shared.holds("every sentinel comes back"):
            journal = yield from list_journal(worker, dict(shared.firsts.get(boundary.id, {})), paged=False)
            missing = missing_sentinels(sentinels, journal.old_images, throughs)
        if not missing and not left:
            proven_at = worker.now if proven_at is None else proven_at
            if worker.now > proven_at + LISTING_DELAY_S + MARGIN_S:
                return throughs
            if not shared.holds("the list of shards is taken again"):
                return throughs
        else:
            proven_at = None
        if attempt % 4 == 3 and left:
            more = range(len(sentinels), min(2 * len(sentinels), _MAX_SENTINELS))
            sentinels += [f"{SENTINELS}#{boundary.id}-{number}" for number in more]
        yield "wait"
        worker.check(boundary)
    raise Ended("some shard is not proven")


def _told(worker: Worker) -> dict[str, Any]:
    progress = worker.shared.progress
    return {shard: told.through for shard, told in progress.items() if told.through is not None}


def list_journal(worker: Worker, firsts: Mapping[str, int], *, paged: bool = True) -> Run[Journal]:
    """List the job's journal, page by page: an object is seen if its page was listed after it was written."""
    boundary = worker.generation.journal
    objects = {} if boundary is None else worker.shared.journal.get(boundary.id, {})
    found: list[JournalObject] = []
    last = ""
    while True:
        yield "list journal"
        names = sorted(name for name in objects if name > last)
        page = names[: _PAGE if paged else None]
        if not page:
            break
        found += [objects[name] for name in page]
        last = page[-1]
    journal = read_journal(found, worker.generation, firsts)
    if journal.foreign:
        raise Ended("the journal has entries of another meaning")
    return journal


def _compute_base(worker: Worker, boundary: Boundary, covered: Covered) -> None:
    shared = worker.shared
    aggregate = worker.aggregate
    name = aggregate.of.name
    parents = shared.stream.parents
    keys = {*covered.snapshot, *covered.journal.old_images}
    images = [
        image_at_boundary(covered.journal.old_images.get(key, {}), covered.snapshot.get(key), covered.throughs, parents)
        for key in sorted(keys)
        if key.startswith(f"{name}#")
    ]
    items = [image for image in images if image is not None]
    if aggregate.of.on_expiry == "keep" and shared.holds("expired items are counted from their images"):
        items += [one.old for one in _expired_below(shared.expired.values(), boundary, covered.firsts, parents)]
    result = base_rows(items, EVALUATORS[aggregate])
    covered.rows = rows_above([*result.rows, *result.group_list_changes], worker.generation, lambda _number: True)
    for row in covered.rows:
        covered.base[row.key] = row
        covered.base |= row.value_changes


def _expired_below(
    expired: Iterable[Expired], boundary: Boundary, firsts: Mapping[str, int], parents: Mapping[str, str | None]
) -> list[Expired]:
    found = []
    for one in expired:
        if one.shard in firsts:
            below = one.position.sequence < firsts[one.shard]
        else:
            below = one.position.created < boundary.time and not any(
                ancestor in firsts for ancestor in ancestors_of(one.shard, parents)
            )
        if below and one.key.startswith("visits#"):
            found.append(one)
    return found

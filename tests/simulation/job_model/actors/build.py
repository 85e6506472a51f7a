"""A build: a generation's base beside the changes that are added meanwhile."""

import re

from tailrace.backfill.base import base_lineage
from tailrace.backfill.boundaries import MARGIN_S, Boundary, choose_boundary
from tailrace.backfill.generations import Generation, State, WrongState, begin_build, go_live, interrupt
from tailrace.encoding.keys import RowKey
from tests.simulation.job_model.actors.job import Ended, Worker, cover, no_holes
from tests.simulation.job_model.actors.table import Effects, Lineage, RowsKeepMoving, Run


def build(worker: Worker) -> Effects:
    """Build a generation, or go on with its build from the beginning, as a worker after another does."""
    try:
        yield from _build(worker)
    except (Ended, WrongState, RowsKeepMoving) as error:
        worker.shared.note(f"build of {worker.id} ends: {error or type(error).__name__}")
        found = worker.shared.generations.get(worker.id)
        if found is not None and found.state is State.BUILDING and not isinstance(error, RowsKeepMoving):
            yield "abandon"
            worker.shared.swap(found, interrupt(found, str(error)))
    else:
        worker.shared.note(f"build of {worker.id} is complete")


def _build(worker: Worker) -> Effects:
    shared = worker.shared
    found = shared.generations.get(worker.id)
    if found is None or found.state is not State.BUILDING:
        found = yield from _begin(worker, found)
    if found.frontier is None:
        raise Ended("no frontier")
    boundary = found.frontier
    found = yield from worker.confirm(boundary, shared.swap)
    if not shared.holds("nothing is shown while it is built"):
        shared.pointers[worker.id[0]] = worker.id
    covered = yield from cover(worker, boundary)
    mark = base_lineage(found).mark
    if not shared.holds("a base's mark is its epoch's"):
        mark = f"{mark}-{worker.parts}-{worker.skew_s}"
    for row in covered.rows:
        yield "part"
        worker.check(boundary)
        yield from shared.table.commit([row], Lineage(mark), shared.now, removes=False)
    # what was given up since may reach the frontier, and lie in the bucket only now
    yield from worker.wait_until(worker.now + MARGIN_S)
    worker.check(boundary)
    no_holes(worker, boundary, shared.firsts.get(boundary.id, {}))
    checked_at = shared.now
    yield from _go_live(worker, boundary)
    shared.clear(worker.id, checked_at - MARGIN_S, "given up")


def _begin(worker: Worker, found: Generation | None) -> Run[Generation]:
    shared = worker.shared
    revision = yield from worker.revision_settles()
    fingerprint = shared.code.fingerprints.get(worker.id)
    if fingerprint is None or not shared.code.journals or not shared.has_control:
        raise Ended("the definition does not have it")
    name = f"b{worker.id[0]}{worker.id[1]}-{0 if found is None else found.epoch}"
    boundary = choose_boundary(name, worker.now)
    if not shared.holds("the boundary lies ahead by a margin"):
        boundary = Boundary(name, worker.now - MARGIN_S)
    yield "begin"
    known = found or Generation(*worker.id, State.DECLARED, fingerprint)
    after = begin_build(known, fingerprint, boundary, revision)
    if not shared.swap(found, after):
        raise Ended("the control row has moved")
    return after


def _go_live(worker: Worker, boundary: Boundary) -> Effects:
    shared = worker.shared
    yield "live"
    before = worker.check(boundary)
    verified = worker.aggregate.of.on_expiry != "keep" or shared.expired_complete
    if not shared.swap(before, go_live(before, verified=verified)):
        raise Ended("the control row has moved")
    yield "pointer"
    if shared.generations[worker.id].state is State.LIVE:
        shared.pointers[worker.id[0]] = worker.id
    # one sweep for what was emptied while rows were kept
    for key in [key for key, row in shared.table.rows.items() if _owns(before, key[0])]:
        yield "sweep"
        if shared.generations[worker.id].state is State.LIVE:
            shared.table.let_go(key, shared.now)


def _owns(generation: Generation, pk: str) -> bool:
    return owner(pk) == (generation.aggregate, generation.version, generation.epoch)


def without_epoch(key: RowKey) -> RowKey:
    """Return a row's key as it is in epoch 0."""
    return re.sub(r"(@\d+)~\d+", r"\1", key[0], count=1), key[1]


def owner(pk: str) -> tuple[str, int, int]:
    """Return the aggregate, version and epoch that a row's partition key belongs to."""
    text = pk.partition("#")[2] if pk.startswith("~") else pk
    name, _, rest = text.partition("#")[0].partition("@")
    version, _, epoch = rest.partition("~")
    return name, int(version), int(epoch or 0)

"""What must be true of a history, whatever happened on the way.

Rows of generations that readers take for exact equal a recount, but for those that were spoiled by hand or that a
batch touched which was given up. A verification reports no others, and after a repair all rows equal the recount.
"""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from tailrace.backfill.generations import Generation, GenerationId, State
from tests.simulation.job_model.actors.build import owner, without_epoch
from tests.simulation.job_model.definition import CODES, Rows, recount
from tests.simulation.job_model.deliveries import Stuck
from tests.simulation.job_model.steps import History
from tests.simulation.job_model.world import World

type Key = tuple[str, str]


def faults_of(history: History, broken: str = "", stats: Counter[str] | None = None) -> list[str]:
    """Play a history to its end and return everything that is wrong then; nothing if all is well."""
    return _faults(World(history, broken), Counter() if stats is None else stats)


def told(history: History, broken: str = "") -> str:
    """Play a history and return its steps, what happened, and what is wrong at its end."""
    world = World(history, broken)
    faults = _faults(world, Counter())
    steps = [f"{number:4}. {' '.join(map(str, step))}" for number, step in enumerate(history.steps, start=1)]
    return "\n".join([*steps, *world.shared.trace, *(f"  wrong: {fault}" for fault in faults or ["nothing"])])


def _faults(world: World, stats: Counter[str]) -> list[str]:
    history = world.history
    try:
        for step in history.steps:
            world.play(step)
        world.finish()
        found = [*world.wrong[:1], *_false_alarms(world), *_drift(world)]
        if not found:
            found = list(_audit(world, stats))
    except Stuck as error:
        return [*world.wrong[:1], str(error)]
    return found


def _drift(world: World) -> Iterator[str]:
    """Compare the generations that readers take for exact with a recount."""
    for generation in world.shared.generations.values():
        miscounted = world.shared.is_miscounted and world.shared.holds("each code counts its own changes")
        if generation.exact and not miscounted:
            yield from _differences(world, generation, world.shared.suspects(generation.id))


def _false_alarms(world: World) -> Iterator[str]:
    for verdict in world.shared.verdicts:
        if verdict.keys is not None and verdict.was_verified:
            name = verdict.id
            suspicious = {_logical(name, key) for key in verdict.suspicious}
            for key in verdict.keys:
                if not _is_suspicious(_logical(name, key), suspicious):
                    yield f"{key}: false alarm"


def _audit(world: World, stats: Counter[str]) -> Iterator[str]:
    """Verify and repair whatever is live, and compare all of it with a recount."""
    shared = world.shared
    shared.verdicts.clear()
    live = [one for one in shared.generations.values() if one.state is State.LIVE]
    world.play(("wait", 400))
    for generation in live:
        world._add_worker(generation.id, "repair", 0.0)
    world.run_jobs()
    # a definition that means something else may have been found out only now
    live = [one for one in live if shared.generations[one.id].state is State.LIVE]
    for generation in live:
        judged = [verdict.keys for verdict in shared.verdicts if verdict.id == generation.id]
        if (not judged or judged[-1] is None) and (generation.aggregate != "pages" or shared.expired_complete):
            yield f"{generation.id}: the last verification did not judge"
        stats["verified"] += 1
    yield from _false_alarms(world)
    for one in live:
        now = shared.generations[one.id]
        if shared.expired_complete or one.aggregate != "pages":
            yield from _differences(world, now, set())
        stats[f"live {one.aggregate}@{one.version}"] += 1
    for generation in shared.generations.values():
        stats[f"{generation.aggregate}@{generation.version} {generation.state} exact={generation.exact}"] += 1


def _differences(world: World, generation: Generation, suspicious: AbstractSet[Key]) -> Iterator[str]:
    leave_out = {_logical(generation.id, key) for key in suspicious}
    expected, found = _expected(world, generation.id), _stored(world, generation)
    for key in sorted(expected.keys() | found.keys()):
        wanted = expected.get(key, {})
        row = found.get(key, {})
        if not _is_suspicious(key, leave_out) and wanted != row:
            yield f"{generation.id} epoch {generation.epoch} {key}: expected {wanted}, found {row}"


def _expected(world: World, name: GenerationId) -> Rows:
    stream = world.shared.stream
    items = [(key.partition("#")[0], item) for key, item in stream.items.items()]
    items += [
        ("visits", record.old)
        for record in stream.log
        if record.expired and record.key.startswith("visits#") and record.old is not None
    ]
    rows = recount(CODES["second"].ids[name], items)
    return {key: {name: value for name, value in row.items() if value or name == "~n"} for key, row in rows.items()}


def _stored(world: World, generation: Generation) -> Rows:
    name = (*generation.id, generation.epoch)
    rows: dict[Key, dict[str, Any]] = {}
    for key, row in world.shared.table.rows.items():
        if owner(key[0]) == name:
            into = rows.setdefault(_logical(generation.id, key), {})
            for counter, value in zip(row.change.layout.counters, row.counters, strict=True):
                into[counter] = into.get(counter, 0) + value
            into |= row.order
    return {
        key: {name: value for name, value in row.items() if value or name == "~n"}
        for key, row in rows.items()
        if any(row.values())
    }


def _logical(name: GenerationId, key: Key) -> Key:
    key = without_epoch(key)
    if name[0] == "large" and not key[0].startswith("~"):
        return key[0], key[1].rpartition("#")[0] or key[1]
    return key


def _is_suspicious(key: Key, suspicious: set[Key]) -> bool:
    """Tell whether a row is one of these, or a main row above one."""
    if key in suspicious:
        return True
    return any(one[0].startswith("~") and one[0].endswith(f"#{key[0]}#{key[1]}") for one in suspicious)

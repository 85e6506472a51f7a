"""Which generations an invocation feeds, and which it must mark as interrupted before it does anything else."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from tailrace.aggregation.row_changes import RowChange
from tailrace.backfill.generations import Generation, GenerationId, State

MAX_RECORD_AGE_S = 24 * 3600
"""The mapping gives up what is an hour younger. So a batch that it has let pass is not too old, whatever clocks say
and however long the invocation takes. What comes later was put back by hand, and the marks that held it off may be
gone."""

_FED = (State.BUILDING, State.LIVE)


class Admission(Struct, frozen=True):
    """What an invocation may write to.

    Attributes:
        feeds: the generations whose rows it writes.
        interrupts: those that it would have to feed and cannot: to be marked before it journals, commits or answers.
    """

    feeds: tuple[Generation, ...]
    interrupts: tuple[Generation, ...]


def admit(generations: Iterable[Generation], fingerprints: Mapping[GenerationId, str]) -> Admission:
    """Compare the control rows with the meanings in an invocation's own definition."""
    fed = [generation for generation in generations if generation.state in _FED]
    same = {one.id for one in fed if fingerprints.get(one.id) == one.fingerprint}
    return Admission(tuple(one for one in fed if one.id in same), tuple(one for one in fed if one.id not in same))


def is_too_old(created: int, now: int) -> bool:
    """Tell whether a record is too old to be added: the marks that tell whether it was absorbed may be gone."""
    return now - created > MAX_RECORD_AGE_S


def lowest_to_add(generation: Generation, firsts: Mapping[str, int | None]) -> int | None:
    """Return the sequence number in a shard from which on changes are added; None where nothing is.

    ``firsts`` holds the first number in the shard of each boundary, by its id; None where the batch is below.
    """
    needed = [firsts[one.id] for one in (generation.frontier, generation.floor) if one is not None]
    known = [first for first in needed if first is not None]
    return None if len(known) < len(needed) else max(known, default=0)


def rows_above(rows: Iterable[RowChange], generation: Generation, above: Callable[[int], bool]) -> list[RowChange]:
    """Return what a generation's rows have to absorb of a batch, under the keys of its epoch.

    ``above`` tells by the sequence number whether a change is added.
    """
    found: list[RowChange] = []
    for row in rows:
        steps = [step for step in row.steps if above(step[0])]
        if steps:
            below = rows_above(row.value_changes.values(), generation, above)
            key = epoch_key(row.key[0], generation), row.key[1]
            found.append(replace(row, key=key, steps=steps, value_changes={one.key: one for one in below}))
    return found


def epoch_key(pk: str, generation: Generation) -> str:
    """Return a partition key under a generation's epoch: ``shops@2#a`` becomes ``shops@2~1#a`` in epoch 1.

    Works on main rows, value rows (``~least#shops@2#…``) and lists of groups (``~groups#shops@2``).
    """
    if not generation.epoch:
        return pk
    head, separator, rest = pk.partition("#") if pk.startswith("~") else ("", "", pk)
    prefix = f"{generation.aggregate}@{generation.version}"
    return f"{head}{separator}{prefix}~{generation.epoch}{rest.removeprefix(prefix)}"

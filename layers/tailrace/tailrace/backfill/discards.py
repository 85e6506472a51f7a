"""What a batch that the aggregate stage never counted means for the generations that should count it."""

from collections.abc import Callable, Mapping

from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.coverage import GivenUp, holes
from tailrace.backfill.generations import Generation, State, distrusted, doubt

type Firsts = Callable[[str], Mapping[str, int]]
"""Returns the first number in each shard of a boundary, by its id."""


DISCARDED = "a batch of changes was discarded"
"""Why rows may lack changes: the mapping has given them up."""

UNREAD = "changes were not read within the 24 hours for which the stream has them"
"""Why rows may lack changes: the mapping was disabled, or could not read the stream."""


def without(generation: Generation, batch: GivenUp, firsts: Firsts, why: str = DISCARDED) -> Generation:
    """Return a generation to which a batch was never added, or only in part.

    It is unchanged if the batch is below its frontier or its floor: what it held is in the rows, or the generation was
    marked before the floor was raised. A job continues if the batch is below its boundary, where it judges and repairs
    what is missing.
    """
    job = generation.journal
    done = [one for one in (generation.frontier, generation.floor) if one is not None and one != job]
    if any(not _reaches(batch, boundary, firsts) for boundary in done):
        return generation
    if job is None or _reaches(batch, job, firsts):
        return distrusted(generation, _reason(generation, why))
    return doubt(generation, _reason(generation, why)) if generation.state is State.LIVE else generation


def _reaches(batch: GivenUp, boundary: Boundary, firsts: Firsts) -> bool:
    return bool(holes([batch], firsts(boundary.id), boundary.time))


def _reason(generation: Generation, why: str) -> str:
    name = generation.aggregate
    command = f"verify {name} --repair" if generation.state is State.LIVE else f"rebuild {name}"
    return f"{why}, and rows may lack them: run `tailrace {command}`"

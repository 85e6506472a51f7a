"""Safeguards of builds, verifications and repairs, each broken in turn: what the simulation must find.

A rule of the order of effects is broken by its name, which the model asks for (``Shared.holds``); a decision of the
core by another function in its place. Where two safeguards stand behind each other, both are broken.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

from tailrace.backfill import generations
from tests.simulation.job_model.actors import function, job, verify
from tests.simulation.job_model.definition import CODES

RULES = (
    # a build
    "the boundary lies ahead by a margin",
    "a boundary is confirmed before its time",
    "a boundary goes by the time of creation",
    "a boundary's number is set once",
    "a boundary's number is stored before it is used",
    "any ancestor with a first number counts",
    "the snapshot is taken after the boundary and a margin",
    "records must be younger than the snapshot by a margin & every sentinel comes back",
    "coverage is proven by aggregate itself",
    "every listed shard is proven & every sentinel comes back",
    "the list of shards is taken again & every sentinel comes back",
    "throughs are read before the journal is listed & names of the journal follow the stream",
    "only what is proven covered is used & names of the journal follow the stream",
    "the journal is written before rows are",
    "a journal that cannot be written fails the batch",
    "the journal follows the state, not the job",
    "changes without effect are journaled",
    "holes end the job",
    "a base's mark is its epoch's",
    "empty rows stay while building",
    "expired items are counted from their images",
    # several definitions
    "another meaning interrupts before it writes",
    "a deployment ends the job & each code counts its own changes",
    "each code counts its own changes",
    "nothing is inferred from missing control rows",
    # verification and repair
    "a row is compared at its own marks",
    "the journal is listed after the rows were read",
    "value rows ahead of their main row are not compared",
    "a verification has an end",
    "the floor is raised after coverage",
    "repair raises the floor",
    "invocations from before the floor end first",
    "a repair is made once",
    "a main row is written after its value rows were repaired",
    "records from before the marks went are refused",
)
"""The rules that the model keeps, or one of them not."""


def _last_image(images: Any, snapshot: Any, throughs: Any, _parents: Any) -> Any:
    proven = [change for change in images if change[1] <= throughs.get(change[0], -1)]
    return images[max(proven, key=lambda change: change[1])] if proven else snapshot


def _shown_early(pointer: Any, known: Any) -> Any:
    return known.get(pointer)


@contextmanager
def _lanes_mean_nothing() -> Iterator[None]:
    same = {("large", 1): CODES["first"].fingerprints["large", 1]}
    with patch.dict(CODES["lanes"].fingerprints, same):
        yield


def _instead(module: Any, name: str, other: Callable[..., Any]) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(module, name, other)


DECISIONS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "the first image counts": _instead(job, "image_at_boundary", _last_image),
    "the snapshot yields to the journal": _instead(job, "image_at_boundary", lambda _images, snapshot, *_: snapshot),
    "what lies below the frontier is not added": _instead(function, "lowest_to_add", lambda *_: 0),
    "a generation that is built is not shown & nothing is shown while it is built": _instead(
        generations, "shown", _shown_early
    ),
    "the meaning includes lanes": _lanes_mean_nothing,
    "lanes are compared as one": _instead(verify.Reading, "_logical", lambda _self, key: key),
    "a row that existed must still exist & rows about to go are pinned": _instead(
        verify, "may_repair", lambda one, row, _now: row.repairs == one.row.repairs
    ),
}

SABOTAGES = (*RULES, *DECISIONS)
"""What is broken, and has to be found."""


def breaking(name: str) -> AbstractContextManager[Any]:
    """Put another function in a decision's place for a while; of a rule the world is told by its name."""
    return DECISIONS[name]() if name in DECISIONS else nullcontext()

"""Safeguards, each broken in turn: the simulation must detect every one of them.

Each is a context manager that makes one part of the engine, or of its surroundings, behave as after a plausible
mistake.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.simulation.broken_safeguards.candidates import BROKEN_CANDIDATES
from tests.simulation.broken_safeguards.carrying import BROKEN_CARRYING
from tests.simulation.broken_safeguards.conditions import BROKEN_CONDITIONS
from tests.simulation.broken_safeguards.counts import BROKEN_COUNTS
from tests.simulation.broken_safeguards.delivery import BROKEN_DELIVERY
from tests.simulation.broken_safeguards.ends import BROKEN_ENDS
from tests.simulation.broken_safeguards.folding import BROKEN_FOLDING
from tests.simulation.broken_safeguards.ranks import BROKEN_RANKS
from tests.simulation.broken_safeguards.writes import BROKEN_WRITES

BROKEN_SAFEGUARDS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    **BROKEN_CONDITIONS,
    **BROKEN_FOLDING,
    **BROKEN_WRITES,
    **BROKEN_COUNTS,
    **BROKEN_CANDIDATES,
    **BROKEN_ENDS,
    **BROKEN_RANKS,
    **BROKEN_DELIVERY,
    **BROKEN_CARRYING,
}
"""What is broken, and the context manager that breaks it; the last ones need histories with write-behind."""

"""Safeguards, each broken in turn: what the simulation must notice, or it could notice nothing.

Each is a context in which one part of the engine, or of the rules around it, does what a plausible mistake would make
it do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.simulation.broken_safeguards.conditions import BROKEN_CONDITIONS
from tests.simulation.broken_safeguards.delivery import BROKEN_DELIVERY
from tests.simulation.broken_safeguards.folding import BROKEN_FOLDING
from tests.simulation.broken_safeguards.writes import BROKEN_WRITES

BROKEN_SAFEGUARDS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    **BROKEN_CONDITIONS,
    **BROKEN_FOLDING,
    **BROKEN_WRITES,
    **BROKEN_DELIVERY,
}
"""What is broken, and how."""

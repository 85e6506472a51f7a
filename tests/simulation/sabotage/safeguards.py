"""Safeguards, each broken in turn: what the simulation must notice, or it could notice nothing.

Each is a context in which one part of the engine, or of the rules around it, does what a plausible mistake would make
it do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.simulation.sabotage.conditions import SABOTAGES_OF_CONDITIONS
from tests.simulation.sabotage.delivery import SABOTAGES_OF_DELIVERY
from tests.simulation.sabotage.folding import SABOTAGES_OF_FOLDING
from tests.simulation.sabotage.writes import SABOTAGES_OF_WRITES

SABOTAGES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    **SABOTAGES_OF_CONDITIONS,
    **SABOTAGES_OF_FOLDING,
    **SABOTAGES_OF_WRITES,
    **SABOTAGES_OF_DELIVERY,
}
"""What is broken, and how."""

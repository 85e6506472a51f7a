"""What the writers of a round share."""

from abc import ABC, abstractmethod

from tests.chaos.clients.flights import Names
from tests.chaos.clients.ledger import Ledger
from tests.chaos.proxy.faults import seeded
from tests.chaos.stack import ChaosStack

PAUSE_S = 0.3
"""After an unknown outcome: a request that is still under way ends before the next write to the same item."""
ATTEMPTS = 8
"""Of a call, before its outcome counts as unknown."""


class Writer(ABC):
    """A client that writes through one entrance."""

    def __init__(self, chaos: ChaosStack, names: Names, ledger: Ledger, seed: int) -> None:
        self.chaos = chaos
        self.names = names
        self.ledger = ledger
        self.rng = seeded(f"{type(self).__name__} {seed}")

    @abstractmethod
    def run(self) -> None:
        """Write everything."""

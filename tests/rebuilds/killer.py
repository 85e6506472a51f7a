"""Kills processes of a stack's functions at random moments."""

import os
import signal
import threading
from contextlib import suppress
from random import Random
from typing import Self

from benchmarks.stages.processes import function_processes

_PAUSE_S = (0.1, 3.0)  # so that processes can start between two kills, on a busy machine too


class Killer:
    """Kills a random process of a random function again and again, within a block. `kills` is how often.

    Functions in `spared` stay alive: the emulator calls the handler of a custom resource once only, where AWS would
    call it again, and a deployment would never end.
    """

    def __init__(self, root: int, rng: Random) -> None:
        self.kills: dict[str, int] = {}
        self.spared: frozenset[str] = frozenset()
        self._root = root
        self._rng = rng
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._rng.uniform(*_PAUSE_S)):
            found = function_processes(lambda pid, _: pid == self._root)
            running = {pid: one.function for pid, one in found.items() if one.function not in self.spared}
            if running:
                function = self._rng.choice(sorted(set(running.values())))
                pid = self._rng.choice([pid for pid, name in running.items() if name == function])
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.kills[function] = self.kills.get(function, 0) + 1

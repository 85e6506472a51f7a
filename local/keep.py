"""Keep a stack between runs, for `make stack KEEP=1`: items, rows, objects, queues, and positions in the stream.

The emulator writes a snapshot of one moment. The positions in it are older than the rest, so the next run delivers some
changes again, which does no harm, and misses none.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import replace
from pathlib import Path
from typing import Protocol, Self

from msgspec import Struct, field
from msgspec.structs import asdict

from local.deployment.emulator import ROOT, Emulator, is_free
from local.errors import EmulatorFailed, PortInUse, SettleTimeout, StateMismatch
from local.options import MAX_PORT
from local.pollers.pollers import Pollers
from local.pollers.shards import Position

STATE = ROOT / ".tailrace" / "state" / "stack"
DEFAULT_PORT = 4566
SAVE_INTERVAL_S = 10.0
SAVING_SHARE = 0.05
"""The part of the time that may be spent on saving: a large state is saved less often."""

SETTLE_S = 5.0


class Kept(Struct, frozen=True):
    """What the next run has to know of this one.

    Attributes:
        port: the emulator's port, which is part of addresses in the state; None for any.
        shards: the virtual shards; another number would move items to other shards.
        dashboard_port: the dashboard's port; 0 if it was not served yet.
        positions: where to continue reading, by mapping.
        table: the existing table that the stack is attached to; empty if it has its own.
    """

    port: int | None
    shards: int
    dashboard_port: int = 0
    positions: Mapping[str, Position | None] = field(default_factory=dict)
    table: str = ""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what a state file says; None without one. Raises StateMismatch."""
        try:
            with path.open("rb") as file:
                return cls(**json.loads(file.readline()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StateMismatch(f"{path} cannot be read ({error}): remove it to start afresh.") from error

    @classmethod
    def choose(cls, path: Path, port: int | None, shards: int | None, table: str | None = None) -> Self:
        """Return the options of the earlier run, or of the first one. Raises StateMismatch if others are asked for."""
        kept = cls.read(path)
        if kept is None:
            return cls(port or DEFAULT_PORT, shards or 1, table=table or "")
        asked = {"PORT": port, "SHARDS": shards, "TABLE": table}
        for name, known in {"PORT": kept.port, "SHARDS": kept.shards, "TABLE": kept.table}.items():
            if asked[name] not in (None, known):
                has = f"has {name}={known}" if known else f"has a table of its own and no {name}"
                advice = f"leave {name} out, or remove {path} to start afresh"
                raise StateMismatch(f"The kept stack {has}, not {asked[name]}: {advice}.")
        return kept

    def require_ports(self, path: Path) -> None:
        """Raise PortInUse if a program listens where the stack in a state file has to: its addresses stay the same."""
        for port in (self.port, self.dashboard_port) if self.positions else ():
            if port and not is_free(port):
                raise PortInUse(
                    f"Port {port} of the kept stack is in use: end the program that uses it, which may be this stack "
                    f"itself, or remove {path} to start afresh."
                )

    def free_port_beside(self) -> int:
        """Return the dashboard's port for the first run: the next one if it is free, otherwise 0 for any."""
        if self.port is None or self.port == MAX_PORT or not is_free(self.port + 1):
            return 0
        return self.port + 1

    def line(self) -> bytes:
        """Return the state file's first line."""
        return json.dumps(asdict(self)).encode()


class KeptStack(Protocol):
    """The running stack that is kept."""

    @property
    def emulator(self) -> Emulator:
        """Its emulator."""

    @property
    def pollers(self) -> Pollers:
        """Its pollers."""

    def wait_until_settled(self, timeout_s: float) -> None:
        """Wait until everything was delivered. Raises SettleTimeout."""


class Keeper:
    """Saves a running stack: whenever asked, and now and then after changes."""

    def __init__(self, kept: Kept, stack: KeptStack) -> None:
        self._kept = kept
        self._stack = stack
        self._saved_progress: object = None
        self._next_at = 0.0

    def save(self) -> None:
        """Save the stack. Raises EmulatorFailed; then the earlier state is kept."""
        began = time.monotonic()
        progress, positions = self._progress(), self._stack.pollers.positions  # before the rest
        self._stack.emulator.save(replace(self._kept, positions=positions).line())
        self._saved_progress = progress
        now = time.monotonic()
        self._next_at = now + max(SAVE_INTERVAL_S, (now - began) / SAVING_SHARE)

    def settle_and_save(self) -> None:
        """Save the stack when everything was delivered, or after a few seconds."""
        try:
            with suppress(SettleTimeout):
                self._stack.wait_until_settled(SETTLE_S)
        finally:
            self.save()

    def look(self, report: Callable[[str], None]) -> None:
        """Save the stack if something was delivered since it was last saved, and that was a while ago.

        A failure, for example because the disk is full, is reported, and saving is tried again: ending the stack would
        lose its state. Raises EmulatorFailed if the emulator has exited.
        """
        if time.monotonic() < self._next_at or self._progress() == self._saved_progress:
            return
        try:
            self.save()
        except EmulatorFailed as error:
            self._stack.emulator.raise_if_gone()
            self._next_at = time.monotonic() + SAVE_INTERVAL_S
            report(f"{error} The next attempt is in {SAVE_INTERVAL_S:.0f} s.")

    def _progress(self) -> object:
        return [(one.read, one.delivered, one.discarded) for one in self._stack.pollers.statistics]

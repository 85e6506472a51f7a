"""One run of a command that puts things back: what it may do, how fast, and what it has done."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from cli.console import show_progress

_MAX_EXAMPLES = 5


class Policy(Struct, frozen=True):
    """What may be done to items; each is an option of the command.

    Attributes:
        create: put back what would create an item that does not exist.
        overwrite: put back what would change an item.
        newer_by: a field that orders the versions of an item; the greater one is newer.
        discard: remove what cannot be put back: messages that stay because of their item, reports of items that have
            changed or cannot be read.
        repaired: remove batches of aggregate, because the rows that missed them are repaired.
    """

    create: bool = False
    overwrite: bool = False
    newer_by: str | None = None
    discard: bool = False
    repaired: bool = False


class Tally(Struct):
    """What was done in one place. ``removed`` and ``left`` count by reason; ``examples`` has some of each reason.

    ``discarded`` of those that were removed had not taken effect: they were removed on request.
    """

    put_back: int = 0
    discarded: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def remove(self, reason: str, count: int = 1) -> None:
        """Count what needed nothing more."""
        self.removed[reason] += count

    def leave(self, reason: str, example: str, count: int = 1) -> None:
        """Count what stays where it is."""
        self.left[reason] += count
        known = self.examples.setdefault(reason, [])
        if len(known) < _MAX_EXAMPLES:
            known.append(example)


class Run(Struct):
    """Paces and limits a run. ``limit`` is the number of things that may still be put back or discarded."""

    policy: Policy = field(default_factory=Policy)
    dry_run: bool = False
    limit: int | None = None
    rate: float | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    tally: Tally = field(default_factory=Tally)
    _free_at: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.limit <= 0

    def take[Thing](self, things: Sequence[Thing]) -> Sequence[Thing]:
        """Return the first of the things, as many as the limit allows, when the rate allows it."""
        taken = things if self.limit is None else things[: max(0, self.limit)]
        if taken:
            self.wait()
            self.spend(len(taken))
        return taken

    def wait(self) -> None:
        """Wait until the rate allows more."""
        now = self.clock()
        if self._free_at > now and not self.dry_run:
            self.sleep(self._free_at - now)
        self._free_at = max(self._free_at, now)

    def spend(self, count: int) -> None:
        """Charge things to limit and rate."""
        if self.limit is not None:
            self.limit -= count
        if self.rate:
            self._free_at += count / self.rate

    def discard(self, reason: str) -> None:
        """Count what is removed on request, or would be: a limit is often a first try of that, too."""
        self.tally.remove(reason)
        self.tally.discarded += 1
        if self.limit is not None:
            self.limit -= 1

    def done(self, place: str, count: int = 1) -> None:
        """Count what was put back, or would be."""
        self.tally.put_back += count
        show_progress(f"  {place}: {self.tally.put_back:,}")

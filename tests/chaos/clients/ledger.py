"""What clients were told about their writes: the only source of what the stack has to hold.

A write that was acknowledged has taken effect. One whose outcome is unknown, for lack of an answer, may have.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

type Item = dict[str, Any]
type State = Item | None
"""An item, or None if there is none."""


@dataclass(slots=True)
class Ledger:
    """The states that each item may have; `growing` are those of items that are never changed.

    `files` are the uploads by key, with their number of lines; `told` are acknowledgements of growing items by time.
    """

    states: dict[str, list[State]] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)
    files: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    told: list[tuple[float, int]] = field(default_factory=list)
    acknowledged: int = 0
    unknown: int = 0
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def may_be(self, item: str) -> list[State]:
        """Return the states that an item may have."""
        return self.states.get(item, [None])

    def note(self, items: Iterable[str], change: Callable[[State], State], *, known: bool) -> None:
        """Record that a write to some items was acknowledged, or that its outcome is unknown."""
        with self._lock:
            count = 0
            for count, item in enumerate(items, start=1):  # noqa: B007 - counts them
                after = [change(state) for state in self.may_be(item)]
                self.states[item] = _distinct(after if known else [*self.may_be(item), *after])
            self.acknowledged += count if known else 0
            self.unknown += 0 if known else count

    def note_grown(self, count: int) -> None:
        """Record that this many more growing items are in the table since now at the latest."""
        with self._lock:
            self.told.append((time.time(), count))

    def fault(self, text: str) -> None:
        """Record an answer that cannot be true."""
        with self._lock:
            self.wrong.append(text)


def _distinct(states: Iterable[State]) -> list[State]:
    found: list[State] = []
    for state in states:
        if state not in found:
            found.append(state)
    return found


def becomes(item: State) -> Callable[[State], State]:
    """Return the change of a put or a delete."""
    return lambda _before: item


def merged(patch: Item) -> Callable[[State], State]:
    """Return the change of a patch of top-level fields, which an absent item does not take."""
    return lambda before: None if before is None else {**before, **patch}

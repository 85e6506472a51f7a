"""How much the stream's readers take on at once: less where services are so slow that deliveries get no further."""

import sys
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from tailrace.aggregation.row_changes import MAX_ROWS, RowChange
from tailrace.aws.aggregates.outcomes import Failed, Outcome

_NEARLY_ALL = 0.75
_SHARE = 4


class Pace(Struct):
    """The most rows, with those of values, that this process commits at once.

    Before a row is written, what its values need is read, by each delivery anew. A slow table would give it for all
    rows of a large batch, and no time would be left to write any of them: each delivery would do the same. So a
    delivery that fails for nearly as many rows as the one before makes the next one take on fewer.

    Attributes:
        rows: the most rows.
        failed: for each shard, the first change of what could not be committed, and the number of its rows.
    """

    rows: int = MAX_ROWS
    failed: dict[str | None, tuple[int, int]] = field(default_factory=dict)

    def allows(self, rows: Iterable[RowChange]) -> bool:
        """Tell whether some rows are not too many."""
        return _number(rows) <= self.rows

    def learn(
        self,
        shard: str | None,
        first: int,
        rows: Iterable[RowChange],
        outcomes: Sequence[Outcome],
        *,
        quick: bool = False,
    ) -> None:
        """Learn what became of rows that changes from number ``first`` touch, and whether that was ``quick``."""
        tried, failed = _number(rows), sum(isinstance(outcome, Failed) for outcome in outcomes)
        before = self.failed.pop(shard, None)
        if not failed:
            self.rows = max(self.rows, min(MAX_ROWS, 2 * tried)) if quick else self.rows
        elif before is not None and before[0] == first and failed > before[1] * _NEARLY_ALL:
            self.rows = max(1, min(self.rows, tried) // _SHARE)
        else:
            self.failed[shard] = first, failed


class Portion(Struct):
    """The most changes that this process fans out at once: to all places, before those after them.

    Otherwise, slow places that are served first would take all the time, and each delivery would do the same. Small
    portions make more calls. So there are some only after a delivery that has got no further.
    """

    changes: int = sys.maxsize

    def learn(self, tried: int, *, sent: bool, quick: bool) -> None:
        """Learn that a portion was ``sent``, or at least its first change, and whether that was ``quick``."""
        if not sent:
            self.changes = max(1, min(self.changes, tried) // _SHARE)
        elif quick:
            self.changes = max(self.changes, 2 * tried)


def _number(rows: Iterable[RowChange]) -> int:
    return sum(1 + len(row.value_changes) for row in rows)

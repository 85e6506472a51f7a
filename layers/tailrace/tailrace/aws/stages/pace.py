"""How much the stream's readers process at once: less if services are so slow that deliveries do not advance."""

import sys
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from tailrace.aggregation.row_changes import MAX_ROWS, RowChange
from tailrace.aws.aggregates.outcomes import Failed, Outcome

_NEARLY_ALL = 0.75
_SHARE = 4


class Pace(Struct):
    """The maximum number of rows, including value rows, that this process commits at once.

    Before a row is written, each delivery reads what its values require. With a slow table, these reads for a large
    batch would leave no time for writes, at each delivery. So a delivery that fails for nearly as many rows as the one
    before makes the next one commit fewer. Where a few rows fail soon, it is they that cannot be written, and not the
    table that is slow: fewer rows would not help.

    Attributes:
        rows: the maximum.
        failed: for each shard, the first change of a failed commit, and the number of its failed rows.
    """

    rows: int = MAX_ROWS
    failed: dict[str | None, tuple[int, int]] = field(default_factory=dict)

    def allows(self, rows: Iterable[RowChange]) -> bool:
        """Tell whether rows are within the maximum."""
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
        """Adapt to the outcomes of rows that changes from number ``first`` touch, and to ``quick`` ones."""
        tried, failed = _number(rows), sum(isinstance(outcome, Failed) for outcome in outcomes)
        before = self.failed.pop(shard, None)
        if not failed:
            self.rows = max(self.rows, min(MAX_ROWS, 2 * tried)) if quick else self.rows
        elif quick and failed * _SHARE < tried:
            return
        elif before is not None and before[0] == first and failed > before[1] * _NEARLY_ALL:
            self.rows = max(1, min(self.rows, tried) // _SHARE)
        else:
            self.failed[shard] = first, failed


class Portion(Struct):
    """The maximum number of changes that this process fans out at once, to all places.

    With large portions, the slow places that come first could take all the time of each delivery. Small portions make
    more calls, so they are used only after a delivery that did not advance.
    """

    changes: int = sys.maxsize

    def learn(self, tried: int, *, sent: bool, quick: bool) -> None:
        """Adapt to whether at least a portion's first change was ``sent``, and whether that was ``quick``."""
        if not sent:
            self.changes = max(1, min(self.changes, tried) // _SHARE)
        elif quick:
            self.changes = max(self.changes, 2 * tried)


def _number(rows: Iterable[RowChange]) -> int:
    return sum(1 + len(row.value_changes) for row in rows)

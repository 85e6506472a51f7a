"""Brings the counts of different values up to date for the main rows of a batch, before these are written."""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import batched

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.outcomes import Call, Failed, Outcome
from tailrace.aws.aggregates.value_counter import MAX_VALUES_PER_READ, States, ValueCounter
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """Reads the value rows that a batch has written, and moves those that have appeared or disappeared.

    Attributes:
        counter: does it for one main row.
        run: runs calls, several at a time.
        versions: the known versions of main rows; each transaction raises one.
    """

    counter: ValueCounter
    run: Callable[[Iterable[Call]], list[Outcome]]
    versions: dict[RowKey, int]

    def update(self, rows: Sequence[RowChange], failed: Container[RowKey], *, expire_empty: bool) -> list[Outcome]:
        """Count the values of main rows, and return the failures.

        The value rows have been written, by this batch or by an earlier delivery that did not come to their counts;
        ``failed`` are the keys of those that have not.
        """
        written = [(row, [value for value in row.counted_values if value.key not in failed]) for row in rows]
        states: States = {}
        values = [value for _, found in written for value in found]
        parts = batched(values, MAX_VALUES_PER_READ, strict=False)
        unread = self.run(partial(self._read, part, states) for part in parts)
        known = [(row, [value for value in found if value.key in states]) for row, found in written]
        return unread + self.run(
            partial(self._count, row, found, states, expire_empty=expire_empty) for row, found in known if found
        )

    def _read(self, values: Sequence[RowChange], states: States) -> list[Outcome]:
        try:
            states.update(self.counter.read(values))
        except Transient as error:
            return [Failed(value.first, value.key, error) for value in values]
        return []

    def _count(
        self, row: RowChange, values: Sequence[RowChange], states: States, *, expire_empty: bool
    ) -> list[Outcome]:
        try:
            transactions = self.counter.count(row, values, states, expire_empty=expire_empty)
        except Transient as error:
            return [Failed(row.first, row.key, error)]
        if row.key in self.versions:
            self.versions[row.key] += transactions
        return []

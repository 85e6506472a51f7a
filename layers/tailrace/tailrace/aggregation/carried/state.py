"""The state of a tumbling window: what a shard's earlier invocations have folded and not written yet.

Lambda hands an invocation the state that the one before has returned. It may be lost, come twice, or come back older,
while the changes in it are acknowledged and never delivered again. So a durable row of the shard says what is
acknowledged and not committed (:class:`Outstanding`), and a state counts only if it says the same. Otherwise the
changes are read from the stream again: the state saves writes, and nothing depends on it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from msgspec import Struct

from tailrace.aggregation.carried.rows import decode_rows, encode_rows, folded, merged
from tailrace.aggregation.marks import decode_sequence, encode_sequence
from tailrace.aggregation.row_changes import RowChange
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import InvalidMessage
from tailrace.inputs.changes import StreamPosition

MAX_STATE_BYTES = 768 * 1024
"""The most that is carried. Lambda ends a window whose state exceeds 1 MB:
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""

_FORMAT = 1
_AT, _AFTER = "at", "after"


class Outstanding(Struct, frozen=True):
    """The changes of a shard that are acknowledged and not committed.

    Attributes:
        start: the number of the first of them; or, if ``after``, that of the last one before them.
        through: the number of the last of them.
        after: what ``start`` means.
    """

    start: int
    through: int
    after: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether all of them are committed, although the row does not say so yet."""
        return self.after and self.start >= self.through

    def text(self) -> str:
        """Return the attribute of the shard's row; the inverse of :meth:`parse`."""
        return f"{_AFTER if self.after else _AT}:{encode_sequence(self.start)}:{encode_sequence(self.through)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the attribute of a shard's row.

        Raises:
            ValueError: it is not such an attribute.
        """
        kind, start, through = text.split(":")
        return cls(decode_sequence(start), decode_sequence(through), kind == _AFTER)


class CarriedState(Struct, frozen=True):
    """What is carried from one invocation to the next.

    Attributes:
        outstanding: which changes it holds.
        meaning: that of the rows, see :func:`meaning_of`.
        oldest: when the first of the changes was made, as ISO 8601 in UTC.
        newest: the same for the last one.
        changes: their number.
        rows: what they do to each row, each with one step.
    """

    outstanding: Outstanding
    meaning: str
    oldest: str
    newest: str
    changes: int
    rows: Sequence[RowChange]

    def document(self) -> dict[str, Any]:
        """Return the JSON object that Lambda keeps; the inverse of :meth:`parse`."""
        return {
            "format": _FORMAT,
            "outstanding": self.outstanding.text(),
            "meaning": self.meaning,
            "oldest": self.oldest,
            "newest": self.newest,
            "changes": self.changes,
            "rows": encode_rows(self.rows),
        }

    @classmethod
    def parse(cls, state: Mapping[str, Any], outstanding: Outstanding, meaning: str, pipeline: Pipeline) -> Self | None:
        """Read a window's state; None unless it holds just the outstanding changes, under this meaning."""
        expected = {"format": _FORMAT, "outstanding": outstanding.text(), "meaning": meaning}
        if any(state.get(name) != value for name, value in expected.items()):
            return None
        try:
            rows = decode_rows(state["rows"], pipeline)
            return cls(outstanding, meaning, str(state["oldest"]), str(state["newest"]), int(state["changes"]), rows)
        except (InvalidMessage, KeyError, TypeError, ValueError):
            return None


def carried_on(
    before: CarriedState | None, meaning: str, positions: Sequence[StreamPosition], rows: Iterable[RowChange]
) -> CarriedState:
    """Return the state after a batch; ``rows`` are what it does, ``positions`` (at least one) those of its changes."""
    first, last = positions[0], positions[-1]
    start = Outstanding(first.sequence, last.sequence)
    if before is not None:
        start = Outstanding(before.outstanding.start, last.sequence, before.outstanding.after)
    joined = merged(() if before is None else before.rows, rows)
    return CarriedState(
        start,
        meaning,
        first.time if before is None else before.oldest,
        max(last.time, "" if before is None else before.newest),
        len(positions) + (0 if before is None else before.changes),
        [folded(row) for row in joined],
    )


def meaning_of(generations: Iterable[Sequence[Any]], pipeline: Pipeline) -> str:
    """Return a digest of all that says what carried rows mean.

    These are the generations that are fed, each with its key, meaning and boundaries, and the order of the numbers in a
    step of each aggregate.
    """
    shapes = [
        (
            one.name,
            one.version,
            one.lanes,
            one.layout.labels,
            one.layout.counters,
            [kind.name for kind in one.value_rows],
        )
        for one in pipeline.aggregates
    ]
    described = repr((sorted(tuple(one) for one in generations), sorted(shapes)))
    return hashlib.sha256(described.encode()).hexdigest()[:32]

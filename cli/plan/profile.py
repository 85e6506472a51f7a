"""What was counted in a sample: numbers only, from which everything else is computed."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

from msgspec import Struct, field

from cli.plan.limits import MAX_BATCH
from tailrace.aggregation.carried.state import MAX_STATE_BYTES
from tailrace.aggregation.row_changes import MAX_ROWS

type Kind = Literal["row", "value row", "list"]

SIZES = (1, 10, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""The batch sizes for which touched rows are counted. Each divides the last, which is the largest batch."""

CHUNK = MAX_BATCH
"""Changes that are folded at once."""


_MAX_CARRIED, _STEPS = 1e9, 60

MARK_BYTES = 52
"""A mark: its name of 18 characters, and 34 digits (tailrace.aggregation.marks)."""


class RowClass(NamedTuple):
    """Rows of one kind that are alike: the same number of ``items`` changes each in a chunk, up to a power of 2."""

    aggregate: str
    kind: Kind
    items: int


class HotRow(Struct, frozen=True):
    """The row of an aggregate and kind that most changes of a chunk touch: their share, and its class."""

    aggregate: str
    kind: Kind
    key: str
    share: float
    items: int


class HotKey(Struct, frozen=True):
    """The partition key of the aggregates table with the most writes, per change for each of SIZES."""

    aggregate: str
    kind: Kind
    key: str
    writes: tuple[float, ...]


class Values(Struct, frozen=True):
    """The value rows behind some measures of an aggregate.

    Attributes:
        measures: their names.
        per_row: value rows of a row with any, on average.
        writes: value rows written per change, in batches of each of SIZES.
        ends: the number of queries that read one end; 0 if there are none.
        quantiles: the number of quantiles.
        node_writes: nodes of value rows written per change, in batches of each of SIZES, for quantiles; else empty.
        levels: how many rows there are on average: nodes of a row, and rows below one in each level, to the values.
        appearing: values that are new to their row, per change, where different values are counted; else 0.
        ranked: whether the most frequent values are shown, for which each touched value row is read.
    """

    aggregate: str
    measures: tuple[str, ...]
    per_row: float
    writes: tuple[float, ...]
    ends: int
    quantiles: int = 0
    node_writes: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()
    appearing: float = 0
    ranked: bool = False

    @property
    def reads_touched(self) -> bool:
        """Whether each value row that a batch has touched is read."""
        return self.ranked or self.appearing > 0


class Profile(Struct, frozen=True, dict=True):
    """The counts of a sample.

    Attributes:
        changes: changes that were folded.
        batches: for each of SIZES, the number of batches that they made.
        touched: for each class of rows and each of SIZES, the writes of all batches.
        row_bytes: the size of a row without its marks, by aggregate and kind.
        life_s: how long a row takes changes, in seconds, by aggregate.
        lanes: the lanes of each aggregate.
        linear: the aggregates without order measures, which can have lanes.
        hot_item: the item with the most changes of a chunk, and their share; None if none stands out.
        item_units: write units of an item, when upstream writes it.
        record_bytes: size of a change in a batch of the stream.
        event_bytes: size of its event for the archive.
        routed: events for each route, per change.
        carried_bytes: size of a row in the state of a window, as write-behind carries it.
        growth: how fast new items keep coming: 0 if the same items change again and again, 1 if as many new ones come
            at the end as at the beginning.
    """

    changes: int
    batches: Sequence[int]
    touched: Mapping[RowClass, Sequence[int]]
    row_bytes: Mapping[tuple[str, Kind], float]
    life_s: Mapping[str, float]
    lanes: Mapping[str, int]
    linear: frozenset[str]
    hot_rows: Sequence[HotRow] = ()
    hot_keys: Sequence[HotKey] = ()
    hot_item: tuple[str, float] | None = None
    values: Sequence[Values] = ()
    item_units: float = 1
    record_bytes: float = 1_000
    event_bytes: float = 500
    routed: Mapping[str, float] = field(default_factory=dict)
    growth: float = 1
    carried_bytes: float = 100

    def writes(self, row_class: RowClass, batch: float) -> float:
        """Return the writes per change to rows of a class, in batches of any size."""
        return interpolate(self.sizes, [count / self.changes for count in self.touched[row_class]], batch)

    @cached_property
    def largest_part(self) -> float:
        """Changes that are committed at once; a batch of more is committed in parts."""
        return self._most_changes(MAX_ROWS)

    @cached_property
    def largest_state(self) -> float:
        """Changes whose rows fit the state of a window, as write-behind carries them."""
        return self._most_changes(MAX_STATE_BYTES / self.carried_bytes if self.carried_bytes else math.inf)

    def _most_changes(self, rows: float) -> float:
        low, high = 1.0, _MAX_CARRIED
        for _ in range(_STEPS):
            middle = math.sqrt(low * high)
            touched = middle * sum(self.writes(row, middle) for row in self.touched)
            low, high = (middle, high) if touched <= rows else (low, middle)
        return low

    @property
    def sizes(self) -> list[float]:
        """The mean size of the batches counted for each of SIZES; smaller than it for the last batches of a sample."""
        return [self.changes / count for count in self.batches]

    @property
    def is_short(self) -> bool:
        """Whether the sample has fewer changes than the largest batch."""
        return self.changes < MAX_BATCH


def interpolate(sizes: Sequence[float], values: Sequence[float], size: float) -> float:
    """Return the value at a size: on the straight line between two neighbors where both axes are logarithmic.

    Beyond the ends, the outer line continues, since rows per change follow a power of the batch size over long
    stretches.
    """
    points = sorted(dict(zip(sizes, values, strict=True)).items())
    if len(points) == 1 or points[0][1] <= 0:
        return points[0][1]
    position = next((index for index, (end, _) in enumerate(points[1:-1], 1) if size <= end), len(points) - 1)
    (low, first), (high, last) = points[position - 1], points[position]
    slope = math.log(last / first) / math.log(high / low)
    return first * math.exp(slope * math.log(size / low))

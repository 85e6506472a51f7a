"""Folds changes as the aggregate stage does, chunk by chunk, and counts the rows that batches of any size touch."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct, field

from cli.plan.profile import CHUNK, SIZES, HotKey, HotRow, Kind, Profile, RowClass, Values
from cli.plan.sampling.changes import Step
from cli.plan.sampling.sizes import MeanSizes, life_seconds, row_bytes
from cli.plan.sampling.sketches import DistinctCounter, Growth
from tailrace.aggregation.carried.rows import encode_rows, folded
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import Poison, RowChange
from tailrace.definition.aggregate import Aggregate, ValueRows
from tailrace.definition.pipeline import Pipeline
from tailrace.testing import record

_MIN_SEEN = 10  # a row or item that is seen less often in a chunk may be there by chance
_MEASURED_ROWS = 200  # of each kind and chunk
_NONE = (0,) * len(SIZES)
_RANK = SIZES.index(1_000)


def touches(steps: Iterable[tuple[int, object]], sizes: Iterable[int] = SIZES) -> tuple[int, ...]:
    """Return in how many batches of each size a row is touched, given its steps; sequence numbers start at 1."""
    numbers = [sequence - 1 for sequence, _ in steps]
    if len(numbers) == 1:
        return (1,) * len(SIZES)
    return tuple([len({number // size for number in numbers}) for size in sizes])


class _Chunk(Struct):
    """One chunk of changes: the key of each one's item, and the writes to each partition key."""

    keys: list[str]
    writes: dict[tuple[str, Kind, str], list[int]] = field(default_factory=dict)
    measured: Counter[tuple[str, Kind]] = field(default_factory=Counter)


class _ValueCounts(Struct):
    kind: ValueRows
    aggregate: str
    written: list[int] = field(default_factory=lambda: list(_NONE))
    values: DistinctCounter = field(default_factory=DistinctCounter)
    rows: DistinctCounter = field(default_factory=DistinctCounter)


class Uncounted(Struct):
    """The items that an aggregate cannot count: how many, and why not the first."""

    reason: str
    items: int = 0


class Counting:
    """Counts; memory is bounded by a chunk, however many changes there are.

    Attributes:
        uncounted: the items that an aggregate cannot count, by its name; it quarantines them.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._names = dict(named(pipeline))
        self._values = {
            kind.layout: _ValueCounts(kind, name)
            for aggregate, name in self._names.items()
            for kind in aggregate.value_rows
        }
        self._chunk: list[tuple[str, Step]] = []
        self._changes = 0
        self._batches = list(_NONE)
        self._touched: dict[RowClass, list[int]] = defaultdict(lambda: list(_NONE))
        self._bytes: dict[tuple[str, Kind], list[int]] = defaultdict(lambda: [0, 0])
        self._hot_rows: dict[tuple[str, Kind], HotRow] = {}
        self._hot_keys: dict[tuple[str, Kind], HotKey] = {}
        self._hot_item: tuple[str, float] | None = None
        self._sizes = MeanSizes(pipeline)
        self._life: dict[str, float] = {}
        self._items = Growth()
        self._carried = [0, 0]
        self.uncounted: dict[str, Uncounted] = {}

    def add(self, collection: str, step: Step) -> None:
        """Add a change."""
        self._chunk.append((collection, step))
        if len(self._chunk) >= CHUNK:
            self._fold()

    def profile(self) -> Profile:
        """Return the counts of all changes; there must be at least one."""
        if self._chunk:
            self._fold()
        sizes = self._sizes
        return Profile(
            self._changes,
            tuple(self._batches),
            {found: tuple(counts) for found, counts in self._touched.items()},
            {key: size / rows for key, (size, rows) in self._bytes.items()},
            self._life,
            {name: aggregate.lanes for aggregate, name in self._names.items()},
            frozenset(name for aggregate, name in self._names.items() if not aggregate.value_rows),
            tuple(self._hot_rows.values()),
            tuple(self._hot_keys.values()),
            self._hot_item,
            [self._values_of(one) for one in self._values.values() if one.kind.measures and one.rows.count()],
            sizes.item_units,
            sizes.record_bytes,
            sizes.event_bytes,
            sizes.routed,
            self._items.rate(),
            self._carried[0] / max(1, self._carried[1]),  # no row may be touched
        )

    def _fold(self) -> None:
        records = [
            record(number, collection, step, pipeline=self._pipeline)
            for number, (collection, step) in enumerate(self._chunk, 1)
        ]
        self._sizes.add(records)
        chunk = _Chunk([f"{collection}#{step[0]}" for collection, step in self._chunk])
        found = fold_records(records, self._pipeline)
        self._note_uncounted(found.poison)
        for row in found.rows:
            self._count(chunk, row, "row")
            for value in row.value_changes.values():
                self._count_value(chunk, row, value)
        for row in found.group_list_changes:
            self._count(chunk, row, "list")
        rows = [*found.rows, *found.group_list_changes]
        size = len(encode_rows(map(folded, rows)))
        _add(self._carried, (size, sum(1 + len(row.value_changes) for row in rows)))
        self._note_hot(chunk)
        for key in chunk.keys:
            self._items.add(key)
        for position, size in enumerate(SIZES):
            self._batches[position] += -(-len(records) // size)
        self._changes += len(records)
        self._chunk.clear()

    def _note_uncounted(self, poison: Iterable[Poison]) -> None:
        # two versions of an aggregate may refuse the same item
        for one in {(one.aggregate, one.event_id): one for one in poison}.values():
            first = one.error.violations[0]
            message = first.message.removeprefix(f"aggregate {one.aggregate!r}: ")
            self.uncounted.setdefault(one.aggregate, Uncounted(f"{first.pointer} {message}".strip())).items += 1

    def _count(self, chunk: _Chunk, row: RowChange, kind: Kind) -> tuple[int, ...]:
        name = self._names[row.layout.aggregate]
        touched = touches(row.steps)
        changes = len({sequence for sequence, _ in row.steps})
        items = len({chunk.keys[sequence - 1] for sequence, _ in row.steps})
        found = RowClass(name, kind, 1 << (items - 1).bit_length())
        _add(self._touched[found], touched)
        _add(chunk.writes.setdefault((name, kind, row.key[0]), list(_NONE)), touched)
        hottest = self._hot_rows.get((name, kind))
        share = changes / len(chunk.keys)
        if changes >= _MIN_SEEN and (hottest is None or share > hottest.share):
            key = " ".join(row.key)
            self._hot_rows[name, kind] = HotRow(name, kind, key, share, items)
        if chunk.measured[name, kind] < _MEASURED_ROWS:
            chunk.measured[name, kind] += 1
            _add(self._bytes[name, kind], (row_bytes(row, is_main=kind == "row"), 1))
            if kind == "row":
                self._life[name] = max(life_seconds(row), self._life.get(name, 0))
        return touched

    def _count_value(self, chunk: _Chunk, row: RowChange, value: RowChange) -> None:
        counts = self._values[value.layout]
        _add(counts.written, self._count(chunk, value, "value row"))
        counts.values.add("\0".join(value.key))
        counts.rows.add("\0".join(row.key))

    def _note_hot(self, chunk: _Chunk) -> None:
        changes = len(chunk.keys)
        for (name, kind, key), counts in chunk.writes.items():
            writes = tuple([count / changes for count in counts])
            hottest = self._hot_keys.get((name, kind))
            if counts[0] >= _MIN_SEEN and (hottest is None or writes[_RANK] > hottest.writes[_RANK]):
                self._hot_keys[name, kind] = HotKey(name, kind, key, writes)
        key, count = Counter(chunk.keys).most_common(1)[0]
        if count >= _MIN_SEEN and (self._hot_item is None or count / changes > self._hot_item[1]):
            self._hot_item = key, count / changes

    def _values_of(self, counts: _ValueCounts) -> Values:
        measures = counts.kind.measures.values()
        ranges = Counter(measure.value_range for measure in measures if not measure.is_counted)
        counted = any(measure.is_counted for measure in measures)
        nodes = [self._values[kind.layout] for kind in counts.kind.nodes]
        sizes = [counts.rows.count(), *(level.values.count() for level in nodes), counts.values.count()]
        return Values(
            counts.aggregate,
            tuple(counts.kind.measures),
            counts.values.count() / counts.rows.count(),
            tuple([written / self._changes for written in counts.written]),
            len(ranges.keys() - {"frequent", "ranks"}),
            ranges["ranks"],
            tuple([sum(level.written[size] for level in nodes) / self._changes for size in range(len(SIZES))]),
            tuple([below / above for above, below in pairwise(sizes)]) if nodes else (),
            counts.values.count() / self._changes if counted else 0,
            "frequent" in ranges,
        )


def _add(sums: list[int], values: Iterable[int]) -> None:
    for position, value in enumerate(values):
        sums[position] += value


def named(pipeline: Pipeline) -> Iterator[tuple[Aggregate, str]]:
    """Yield each aggregate with its name, and its version if there are several."""
    count = Counter(aggregate.name for aggregate in pipeline.aggregates)
    for aggregate in pipeline.aggregates:
        name = aggregate.name
        yield aggregate, f"{name}@{aggregate.version}" if count[name] > 1 else name

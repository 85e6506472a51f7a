"""What a profile needs at a rate of changes: numbers in, numbers out.

All stages read a shard of the stream in batches, one at a time. A batch holds what arrives within the window, up to
10,000 changes or 6 MB. Changes are spread evenly over the shards, except those of a hot item.
"""

import math
from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct, field

from cli.plan.limits import MAX_BATCH, MAX_PAYLOAD_BYTES, NEW_TABLE_SHARDS, PARTITION_UNITS
from cli.plan.profile import CHUNK, MARK_BYTES, HotRow, Kind, Profile, RowClass, Values, interpolate
from cli.plan.sources import Figures

MAX_MESSAGE_BYTES = 262_144
CALL_S = 0.005
"""Assumed latency of a call to DynamoDB, SQS or S3, as in the bench."""

_UNIT_BYTES, _READ_UNIT_BYTES = 1024, 4096
_UNITS_IN_TRANSACTION = 2
_VALUES_PER_READ, _ROWS_BEYOND = 100, 10
_THREADS = 8
_ARCHIVE_BATCH, _ARCHIVE_WINDOW_S = 1_000, 60
_FANOUT_BATCH, _FANOUT_WINDOW_S = 1_000, 1
_FULL_SPEED_MB = 1769
_MEMORY_MB = {"aggregate": 1769, "fanout": 1024, "archive": 1024}


class Load(Struct, frozen=True):
    """What a stack is planned for: changes a second, the window, and, if they are known, the stream's shards.

    ``write_behind_s`` is how long folded changes may be carried before they are written. ``lanes`` replaces the lanes
    of aggregates.
    """

    rate: float
    window_s: float = 1
    shards: int | None = None
    lanes: Mapping[str, int] = field(default_factory=dict)
    write_behind_s: float = 0


class Written(Struct, frozen=True):
    """Writes per change to the rows of an aggregate and kind, and the write units of each."""

    aggregate: str
    kind: Kind
    writes: float
    units: float


class Plan(Struct, frozen=True, dict=True):
    """Everything that follows from a profile and a load; rates are per second."""

    profile: Profile
    figures: Figures
    load: Load

    @cached_property
    def shards(self) -> int:
        """Shards of the stream: one for each partition that the items table needs."""
        needed = math.ceil(self.load.rate * self.profile.item_units / PARTITION_UNITS)
        return self.load.shards or max(NEW_TABLE_SHARDS, needed)

    @cached_property
    def shard_rate(self) -> float:
        """Changes of a shard."""
        return self.load.rate / self.shards

    @property
    def largest_batch(self) -> float:
        """Changes that one batch of aggregate can hold."""
        return max(1, min(MAX_BATCH, MAX_PAYLOAD_BYTES / self.profile.record_bytes))

    @cached_property
    def batch(self) -> float:
        """Changes in a batch of aggregate."""
        return min(self.largest_batch, max(1, self.shard_rate * self.load.window_s))

    @property
    def batches(self) -> float:
        """Batches of aggregate."""
        return self.load.rate / self.batch

    @cached_property
    def folded(self) -> float:
        """Changes of a shard that are folded before rows are written: of a batch, or what write-behind carries."""
        part = min(self.batch, self.profile.largest_part)
        if not self.load.write_behind_s or part < self.batch:  # what is committed in parts is not carried
            return part
        return max(self.batch, min(self.shard_rate * self.load.write_behind_s, self.profile.largest_state))

    def shards_writing(self, row: RowClass | HotRow) -> float:
        """Return how many shards write to a row during its life: it carries as many marks."""
        chunk = min(CHUNK, self.profile.changes)
        chunks = max(1, self.load.rate * self.profile.life_s.get(row.aggregate, 0) / chunk)
        items = row.items * (1 + self.profile.growth * (chunks - 1))
        # each item is in one of the shards
        return 1 if self.shards == 1 else -self.shards * math.expm1(items * math.log1p(-1 / self.shards))

    def marks(self, row: RowClass | HotRow) -> float:
        """Return the marks of a row."""
        lanes = self.lanes_of(row.aggregate) if row.kind == "row" else 1
        return max(1, self.shards_writing(row) / lanes)

    def lanes_of(self, aggregate: str) -> int:
        """Return the lanes of an aggregate."""
        return self.load.lanes.get(aggregate, self.profile.lanes.get(aggregate, 1))

    def bytes_of(self, row: RowClass | HotRow) -> float:
        """Return the size of a row with its marks."""
        return self.profile.row_bytes.get((row.aggregate, row.kind), 0) + MARK_BYTES * self.marks(row)

    def units_of(self, row: RowClass | HotRow) -> int:
        """Return the units of a write to a row: one for each KB begun."""
        return max(1, math.ceil(self.bytes_of(row) / _UNIT_BYTES))

    @cached_property
    def written(self) -> list[Written]:
        """Writes of aggregate, by aggregate and kind."""
        sums: dict[tuple[str, Kind], tuple[float, float]] = {}
        for row in self.profile.touched:
            writes = self.profile.writes(row, self.folded)
            before = sums.get((row.aggregate, row.kind), (0.0, 0.0))
            sums[row.aggregate, row.kind] = before[0] + writes, before[1] + writes * self.units_of(row)
        return [Written(name, kind, writes, units) for (name, kind), (writes, units) in sums.items()]

    @property
    def rows(self) -> float:
        """Rows written per change."""
        return sum(one.writes for one in self.written)

    @property
    def units(self) -> float:
        """Write units of aggregate per change, with those of the rows that say what each shard carries."""
        carried = 1 / self.batch if self.load.write_behind_s else 0
        return sum(one.units for one in self.written) + sum(map(self.counting_units, self.profile.values)) + carried

    def main_rows(self, aggregate: str) -> float:
        """Return the rows of an aggregate that are written per change, without value rows and lists."""
        return sum(one.writes for one in self.written if (one.aggregate, one.kind) == (aggregate, "row"))

    def values_written(self, values: Values) -> float:
        """Return the value rows that are written per change."""
        return interpolate(self.profile.sizes, values.writes, self.folded)

    def nodes_written(self, values: Values) -> float:
        """Return the nodes of value rows that are written per change."""
        return interpolate(self.profile.sizes, values.node_writes, self.folded) if values.node_writes else 0

    def reads_of(self, values: Values) -> float:
        """Return the read units per change for measures behind value rows."""
        size = self.profile.row_bytes.get((values.aggregate, "value row"), 0) + MARK_BYTES
        # below a node, reading begins at the nearer end and ends at the quantile
        read = [min(rows, rows / 4 + _ROWS_BEYOND) if level else rows for level, rows in enumerate(values.levels)]
        levels = [math.ceil(rows * size / _READ_UNIT_BYTES) for rows in read]
        ranks = levels[0] + values.quantiles * sum(levels[1:]) if levels else 0
        touched = min(self.main_rows(values.aggregate), self.values_written(values))
        # what is counted or ranked is read after it is written, one by one
        return touched * (values.ends + ranks) + (self.values_written(values) if values.reads_touched else 0)

    def transactions(self, values: Values) -> float:
        """Return the transactions per change that count values: one for each main row with new ones."""
        return min(values.appearing, self.main_rows(values.aggregate))

    def counting_units(self, values: Values) -> float:
        """Return the write units per change that count values: in a transaction, each row takes two."""
        return _UNITS_IN_TRANSACTION * (values.appearing + self.transactions(values))

    @property
    def read_units(self) -> float:
        """Read units of the aggregates table per change."""
        return sum(self.reads_of(values) for values in self.profile.values)

    @cached_property
    def aggregate_s(self) -> float:
        """Time of aggregate per change; rows with order measures are read and written one by one, on eight threads."""
        calls = sum(map(self._calls, self.profile.values))
        return self.figures.aggregate_s + self.rows * self.figures.row_s + calls * CALL_S / _THREADS

    def _calls(self, values: Values) -> float:
        touched = min(self.main_rows(values.aggregate), self.values_written(values))
        queries = values.ends + (1 + values.quantiles * (len(values.levels) - 1) if values.levels else 0)
        updates = touched * (1 + queries) if queries or values.ranked else 0
        reads = self.values_written(values) / _VALUES_PER_READ if values.reads_touched else 0
        return updates + reads + (self.transactions(values) if values.appearing else 0)

    @property
    def fanout_batch(self) -> float:
        """Changes in a batch of fanout."""
        fitting = MAX_PAYLOAD_BYTES / self.profile.record_bytes
        return max(1, min(_FANOUT_BATCH, fitting, self.shard_rate * _FANOUT_WINDOW_S))

    @property
    def messages(self) -> float:
        """Messages to the archive."""
        in_batch = math.ceil(self.fanout_batch * self.profile.event_bytes / MAX_MESSAGE_BYTES)
        return self.load.rate / self.fanout_batch * in_batch

    @property
    def message_bytes(self) -> float:
        """Size of a message to the archive."""
        return self.load.rate * self.profile.event_bytes / self.messages

    @property
    def routed(self) -> float:
        """Messages to routes."""
        return self.load.rate * sum(self.profile.routed.values())

    @property
    def fanout_s(self) -> float:
        """Time of fanout per change."""
        calls = (self.messages + self.routed / 10) / self.load.rate
        return self.figures.fanout_s * _FULL_SPEED_MB / _MEMORY_MB["fanout"] + calls * CALL_S

    @property
    def archive_batches(self) -> float:
        """Invocations of archive: a batch of messages ends by their number, by 6 MB or by the window."""
        full = self.messages * max(self.message_bytes / MAX_PAYLOAD_BYTES, 1 / _ARCHIVE_BATCH)
        return max(full, min(self.messages, 1 / _ARCHIVE_WINDOW_S))

    @property
    def archive_s(self) -> float:
        """Time of archive per change."""
        slow = self.figures.archive_s * _FULL_SPEED_MB / _MEMORY_MB["archive"]
        return slow + self.archive_batches / self.load.rate * CALL_S

    @property
    def concurrency(self) -> Mapping[str, float]:
        """Invocations that run at a time, on average, by stage."""
        seconds = {"aggregate": self.aggregate_s, "fanout": self.fanout_s, "archive": self.archive_s}
        return {stage: self.load.rate * time for stage, time in seconds.items()}

    def hot_writes(self, row: HotRow) -> float:
        """Return the writes to a hot row, or to one lane of it: one by each shard, if what is folded touches it."""
        writing = self.shards_writing(row)
        share = min(1, row.share * self.shards / writing)
        touched = 1.0 if share == 1 else -math.expm1(self.folded * math.log1p(-share))
        lanes = self.lanes_of(row.aggregate) if row.kind == "row" else 1
        return writing * self.shard_rate / self.folded * touched / lanes

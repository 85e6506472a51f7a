"""What one invocation of the aggregate stage feeds: which generations, from which change on, and what it journals."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from msgspec import Struct, field

from tailrace.aggregation.row_changes import RowChange
from tailrace.backfill.admission import is_too_old, lowest_to_add, rows_above
from tailrace.backfill.boundaries import Position
from tailrace.backfill.generations import Generation, GenerationId, State
from tailrace.backfill.journal import JournaledChange, JournalObject, journal_object
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import item_key
from tailrace.inputs.changes import RawBatch, record_key
from tailrace.inputs.item_changes import decoded_changes


class FedRows(Struct, frozen=True):
    """The rows to commit: those of live generations, and those of generations under construction."""

    live: Sequence[RowChange]
    building: Sequence[RowChange]


class Feed(Struct, frozen=True):
    """The generations that an invocation writes to.

    Attributes:
        generations: by id.
        firsts: for each generation with boundaries, the first number in the shard of each boundary by its id; None
            where the batch is below.
        now: the second at which the control rows were read.
        unkept: by collection, a second at which items expired whose images are not kept.
        collections: those that a definition has had.
    """

    generations: Mapping[GenerationId, Generation]
    firsts: Mapping[GenerationId, Mapping[str, int | None]] = field(default_factory=dict)
    now: int = 0
    unkept: Mapping[str, int] = field(default_factory=dict)
    collections: AbstractSet[str] = frozenset()

    @property
    def needs_marks(self) -> bool:
        """Whether the shard's progress must be recorded for each batch: a job may have nothing else to go by."""
        return any(one.boundaries for one in self.generations.values())

    def rows(self, folded: Sequence[RowChange], batch: RawBatch) -> FedRows:
        """Return what the generations' rows absorb of a batch, under the keys of their epochs."""
        plain = {name for name, one in self.generations.items() if not one.boundaries and not one.epoch}
        live: list[RowChange] = []
        others: dict[GenerationId, list[RowChange]] = {}
        for row in folded:
            aggregate = row.layout.aggregate
            name = aggregate.name, aggregate.version
            if name in plain:
                live.append(row)
            elif name in self.generations:
                others.setdefault(name, []).append(row)
        building: list[RowChange] = []
        positions = positions_of(batch) if others else ()
        old = {one.sequence for one in positions if is_too_old(one.created, self.now)}
        for name, rows in others.items():
            generation = self.generations[name]
            found = rows_above(rows, generation, self._is_added(generation, old))
            (building if generation.state is State.BUILDING else live).extend(found)
        return FedRows(live, building)

    def _is_added(self, generation: Generation, old: set[int]) -> Callable[[int], bool]:
        if not generation.boundaries:
            return lambda _sequence: True
        lowest = lowest_to_add(generation, self.firsts[generation.id])
        return lambda sequence: lowest is not None and sequence >= lowest and sequence not in old

    def journal(self, batch: RawBatch, mark: str, rows: FedRows, pipeline: Pipeline) -> JournalObject | None:
        """Return what has to be journaled before the rows are committed; None if there is nothing."""
        jobs = {
            name: (one, self.firsts[name][one.journal.id])
            for name, one in self.generations.items()
            if one.journal is not None
        }
        if not jobs or batch.shard is None:
            return None
        by_generation: dict[GenerationId, list[RowChange]] = {}
        for row in (*rows.live, *rows.building):
            aggregate = row.layout.aggregate
            by_generation.setdefault((aggregate.name, aggregate.version), []).append(row)
        return journal_object(batch.shard, mark, _changes(batch, pipeline), by_generation, jobs)


def positions_of(batch: RawBatch) -> list[Position]:
    """Return the positions of a batch's records."""
    return [Position(one.sequence, int(datetime.fromisoformat(one.time).timestamp())) for one in batch.positions]


def _changes(batch: RawBatch, pipeline: Pipeline) -> list[JournaledChange]:
    """Return every change of a batch, including those of sentinels and of rows in another format."""
    found: list[JournaledChange] = []
    for record, position in zip(batch.records, batch.positions, strict=True):
        changes = [*decoded_changes([record], pipeline, batch.shard)]
        found += [JournaledChange(position.sequence, item_key(one.collection, one.id), one.old) for one in changes]
        if not changes:
            found.append(JournaledChange(position.sequence, record_key(record), None))
    return sorted(found, key=lambda change: change.sequence)

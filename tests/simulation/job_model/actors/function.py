"""The aggregate function of the model: one invocation, effect by effect."""

from collections.abc import Iterable, Sequence
from functools import partial
from operator import le

from msgspec import Struct

from tailrace.aggregation.fold import absorb
from tailrace.aggregation.row_changes import RowAccumulator, RowChange
from tailrace.backfill.admission import admit, is_too_old, lowest_to_add, rows_above
from tailrace.backfill.boundaries import Boundary, first_in_shard
from tailrace.backfill.generations import Generation, GenerationId, State, interrupt
from tailrace.backfill.journal import JournaledChange, JournalObject, decode, encode, journal_object
from tailrace.inputs.effects import derive_effect
from tests.simulation.job_model.actors.state import Expired, Shared, Told
from tests.simulation.job_model.actors.stream import Record, Shard
from tests.simulation.job_model.actors.table import Effects, Run
from tests.simulation.job_model.definition import Code


class Failed(Exception):
    """The invocation raised: its batch comes again."""


class Invocation(Struct):
    """One invocation of one deployment's code, with a clock of its own."""

    shared: Shared
    code: Code
    shard: Shard
    records: Sequence[Record]
    skew_s: float

    @property
    def now(self) -> float:
        return self.shared.now + self.skew_s

    def effects(self) -> Effects:
        """Run it."""
        if not self.code.journals:
            yield from self._of_old_code()
            return
        shared = self.shared
        yield "control rows"
        if not shared.has_control:
            shared.adopt(self.code)
        if self._told.changes != self._told.counted and shared.holds("each code counts its own changes"):
            shared.distrust()
        admission = admit(list(shared.generations.values()), self.code.fingerprints)
        if shared.holds("another meaning interrupts before it writes"):
            yield from self._interrupt(admission.interrupts)
        records = self._young_records()
        firsts: dict[GenerationId, dict[str, int | None]] = {}
        for generation in admission.feeds:
            firsts[generation.id] = yield from self._firsts(generation, records)
        rows = self._rows(admission.feeds, firsts, records)
        if shared.holds("the journal is written before rows are"):
            yield from self._journal(admission.feeds, firsts, records, rows)
        for generation in admission.feeds:
            removes = generation.state is not State.BUILDING or not shared.holds("empty rows stay while building")
            yield from shared.table.commit(rows[generation.id], self.shard.lineage, self.now, removes=removes)
        if not shared.holds("the journal is written before rows are"):
            yield from self._journal(admission.feeds, firsts, records, rows)
        yield "progress"
        self._tell(counted=True)

    @property
    def _told(self) -> Told:
        return self.shared.progress.setdefault(self.shard.id, Told())

    def _tell(self, *, counted: bool) -> None:
        told = self._told
        told.changes += len(self.records)
        if counted:
            told.counted += len(self.records)
            positions = [record.position for record in self.records]
            told.through = max([*positions, *([] if told.through is None else [told.through])], default=None)

    def _of_old_code(self) -> Effects:
        rows = self.fold()
        for name in self.code.ids:
            yield from self.shared.table.commit(rows.get(name, []), self.shard.lineage, self.now)
        yield "progress"
        self._tell(counted=False)

    def _interrupt(self, generations: Iterable[Generation]) -> Effects:
        for generation in generations:
            yield "interrupts"
            if not self.shared.swap(generation, interrupt(generation, f"{self.code.name} means something else")):
                raise Failed  # somebody else has written the row: look again

    def _young_records(self) -> list[Record]:
        if not self.shared.holds("records from before the marks went are refused"):
            return list(self.records)
        return [record for record in self.records if not is_too_old(record.created, int(self.now))]

    def _firsts(self, generation: Generation, records: Sequence[Record]) -> Run[dict[str, int | None]]:
        found: dict[str, int | None] = {}
        for boundary in generation.boundaries:
            found[boundary.id] = yield from self._first(boundary, records)
        return found

    def _first(self, boundary: Boundary, records: Sequence[Record]) -> Run[int | None]:
        shared = self.shared
        stored = shared.firsts.setdefault(boundary.id, {})
        positions = [record.position for record in records]
        parents = shared.stream.parents
        if not shared.holds("any ancestor with a first number counts"):
            parents = {self.shard.id: parents[self.shard.id]}
        if not shared.holds("a boundary's number is set once"):
            stored = {name: number for name, number in stored.items() if name != self.shard.id}
        first = first_in_shard(boundary, self.shard.id, positions, stored, parents)
        if not shared.holds("a boundary goes by the time of creation"):
            first = stored.get(self.shard.id, min((one.sequence for one in positions), default=None))
        if first is None or self.shard.id in stored:
            return first
        if not (shared.holds("a boundary's number is stored before it is used") or records[-1].is_sentinel):
            return first  # and whoever comes next stores its own
        yield "boundary"
        if not shared.holds("a boundary's number is set once"):
            shared.firsts[boundary.id][self.shard.id] = first
        return shared.firsts[boundary.id].setdefault(self.shard.id, first)

    def fold(self, records: Iterable[Record] | None = None) -> dict[GenerationId, list[RowChange]]:
        lanes = sum(self.shard.lineage.mark.encode())
        rows = RowAccumulator(lanes)
        for record in self.records if records is None else records:
            if not record.is_sentinel:
                effect = derive_effect(record.change, self.code.pipeline)
                absorb(rows, effect, self.code.plan.cached)
        result = rows.result()
        found: dict[GenerationId, list[RowChange]] = {}
        for row in (*result.rows, *result.group_list_changes):
            aggregate = row.layout.aggregate
            found.setdefault((aggregate.name, aggregate.version), []).append(row)
        return found

    def _rows(
        self,
        generations: Iterable[Generation],
        firsts: dict[GenerationId, dict[str, int | None]],
        records: Sequence[Record],
    ) -> dict[GenerationId, list[RowChange]]:
        folded = self.fold(records)
        found: dict[GenerationId, list[RowChange]] = {}
        for generation in generations:
            lowest = lowest_to_add(generation, firsts[generation.id])
            above = partial(le, lowest or 0)
            rows = folded.get(generation.id, [])
            found[generation.id] = [] if lowest is None else rows_above(rows, generation, above)
        return found

    def _store(self, written: JournalObject) -> None:
        numbers = [change.sequence for change in written.changes]
        if numbers[0] % 70 == 0:  # reading what was written takes longer than all the rest
            written = decode(encode(written))
        for writer in written.writers:  # the model's index of what a job lists
            objects = self.shared.journal.setdefault(writer.boundary, {})
            name = f"{numbers[0]:09}-{numbers[-1]:09}"
            in_order = self.shared.holds("names of the journal follow the stream")
            objects[f"{self.shard.id}/{name if in_order else name[8::-1] + name[9:]}"] = written

    def _journal(
        self,
        generations: Iterable[Generation],
        firsts: dict[GenerationId, dict[str, int | None]],
        records: Sequence[Record],
        rows: dict[GenerationId, list[RowChange]],
    ) -> Effects:
        shared = self.shared
        for record in records:
            if record.expired and record.key.startswith("visits"):
                yield "expired image"
                image = Expired(record.shard, record.position, record.key, record.old)
                shared.expired[record.shard, record.sequence] = image
        jobs = {
            one.id: (one, firsts[one.id][one.journal.id])
            for one in generations
            if one.journal is not None
            and (one.id in shared.executing or shared.holds("the journal follows the state, not the job"))
        }
        changes = [JournaledChange(record.sequence, record.key, record.old) for record in records]
        if not shared.holds("changes without effect are journaled"):
            changes = [
                change
                for change, record in zip(changes, records, strict=True)
                if record.is_sentinel or not (record.expired and record.key.startswith("visits"))
            ]
        written = journal_object(self.shard.id, self.shard.lineage.mark, changes, rows, jobs)
        if written is not None:
            yield "journal"
            lost = shared.stream.sequence % 30 == 0 and not any(record.is_sentinel for record in records)
            if not lost or shared.holds("a journal that cannot be written fails the batch"):
                self._store(written)

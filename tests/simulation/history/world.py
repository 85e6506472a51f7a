"""One history from its first step to its end: items, shards, invocations and workers under one true time.

What the model leaves out is listed in ``docs/history.md``. The decisions are those of ``tailrace.backfill`` and the
fold is the engine's; the tables, the stream and the order of effects are the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tailrace.backfill import generations
from tailrace.backfill.generations import GenerationId, State
from tests.simulation.history.definition import CODES
from tests.simulation.history.model.build import build, owner
from tests.simulation.history.model.function import Failed, Invocation
from tests.simulation.history.model.job import Worker
from tests.simulation.history.model.state import PART_TIMEOUT_S, START, TIMEOUT_S, Discarded, Shared
from tests.simulation.history.model.stream import Record, Shard, Stream
from tests.simulation.history.model.table import Effects, RowsKeepMoving
from tests.simulation.history.model.verify import verify
from tests.simulation.history.steps import GENERATIONS, History, Step

_HOUR = 3600
_ROUNDS = 3000


class Stuck(AssertionError):
    """Something does not come to an end."""


@dataclass(slots=True)
class Running:
    """An invocation under way; ``first`` is the number of records that its shard has been fed if it succeeds."""

    invocation: Invocation
    effects: Effects
    started: float
    first: int | None


@dataclass(slots=True)
class Working:
    """A worker under way."""

    worker: Worker
    effects: Effects
    kind: str
    seen: float


@dataclass(slots=True)
class World:
    """Plays a history."""

    history: History
    broken: str = ""
    shared: Shared = field(init=False)
    running: list[Running] = field(default_factory=list)
    working: list[Working] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    workers: int = 0

    def __post_init__(self) -> None:
        code = CODES[self.history.first_code]
        stream = Stream(self.history.roots, self.history.skews)
        self.shared = Shared(stream, self.broken, code=code, previous=code)
        if code.journals:
            self.shared.create()
        else:
            self.shared.has_control = self.shared.expired_complete = False

    @property
    def is_doubtful(self) -> bool:
        """Whether code from before the journal was ever deployed: what it has done to rows is not known."""
        return not self.shared.expired_complete

    def play(self, step: Step) -> None:
        """Play one step."""
        getattr(self, f"_{step[0]}")(*step[1:])
        self._end_what_is_over()
        self._look()

    # --- items and time -----------------------------------------------------------------------------------

    def _write(self, key: str, item: dict[str, object] | None, expired: bool) -> None:
        self.shared.now += 0.3
        self.shared.stream.write(key, item, self.shared.now, expired=expired)

    def _wait(self, seconds: float) -> None:
        self.shared.now += seconds
        self.shared.table.remove_expired(self.shared.now)

    def _pass(self, seconds: float) -> None:
        """Let hours pass; what lies in the stream is read before it is gone."""
        if seconds > 10 * _HOUR:
            self._end_running()
            self._read_everything()
        self.shared.now += seconds
        self.shared.table.remove_expired(self.shared.now)

    def _roll(self, index: int, split: bool, hidden_s: float, skew_s: float) -> None:
        self.shared.stream.roll(index, self.shared.now, split=split, hidden_s=hidden_s, skew_s=skew_s)

    def _deploy(self, name: str) -> None:
        shared = self.shared
        code = CODES[name]
        if not shared.has_control and code.journals and shared.now < shared.deployed_at + TIMEOUT_S:
            return
        shared.note(f"{name} is deployed")
        shared.previous, shared.code = shared.code, code
        shared.revision += 1
        shared.deployed_at = shared.now
        if name == "before":
            shared.expired_complete = False

    # --- deliveries ---------------------------------------------------------------------------------------

    def _readable(self, index: int) -> Shard:
        listed = [shard for shard in self.shared.stream.shards if shard.hidden_until <= self.shared.now]
        shards = [shard for shard in listed if shard.parent is None or shard.parent.is_read]
        waiting = [shard for shard in shards if shard.done < len(shard.records) and not shard.busy]
        return (waiting or shards)[index % len(waiting or shards)]

    def _deliver(self, index: int, count: int, pause: int, skew_s: float, old: bool) -> None:
        shard = self._readable(index)
        records = shard.records[shard.done : shard.done + count]
        if shard.busy or not records:
            return
        shard.busy = True
        self._start(shard, records, pause, skew_s, first=shard.done + len(records), old=old)

    def _redeliver(self, index: int, back: int, length: int, pause: int, skew_s: float) -> None:
        shards = [shard for shard in self.shared.stream.shards if shard.done]
        if not shards:
            return
        shard = shards[index % len(shards)]
        start = max(0, shard.done - back)
        records = shard.records[start : min(start + length, shard.done)]
        records = [record for record in records if record.at > self.shared.now - 24 * _HOUR]
        if records:
            self._start(shard, records, pause, skew_s, first=None, old=False)

    def _give_up(self, index: int, count: int, effects: int, delay_s: float) -> None:
        """The mapping gives up a batch after an attempt that failed; it lies in the failures bucket."""
        shard = self._readable(index)
        records = tuple(shard.records[shard.done : shard.done + count])
        if shard.busy or not records:
            return
        shared = self.shared
        attempt = self._invocation(shard, records, 0.0, old=False).effects()
        for _ in range(effects):
            try:
                if next(attempt, None) is None:
                    return  # it succeeds: nothing is given up, and the batch comes again
            except (Failed, RowsKeepMoving):
                break
        attempt.close()
        shared.note(f"{shard.id} gives up {[record.sequence for record in records]}")
        shard.done += len(records)
        shared.failures.append(Discarded(records, shared.now + delay_s))
        if any(record.expired for record in records):
            shared.expired_complete = False
        self._suspect_rows(shard, records)

    def _suspect_rows(self, shard: Shard, records: Sequence[Record]) -> None:
        shared = self.shared
        for code in (shared.code, shared.previous):
            folded = Invocation(shared, code, shard, records, 0.0).fold()
            for name, rows in folded.items():
                for row in rows:
                    for one in (row, *row.value_changes.values()):
                        shared.suspect(name, one.key, "given up")

    def _put_back(self, index: int, pause: int) -> None:
        failures = self.shared.failures
        if failures:
            records = failures[index % len(failures)].records
            shard = self.shared.stream.by_id(records[0].shard)
            self.shared.note(f"{[record.sequence for record in records]} are put back")
            self._start(shard, records, pause, 0.0, first=None, old=False)

    def _invocation(self, shard: Shard, records: Sequence[Record], skew_s: float, *, old: bool) -> Invocation:
        shared = self.shared
        code = shared.previous if old and shared.now < shared.deployed_at + 30 else shared.code
        return Invocation(shared, code, shard, records, skew_s)

    def _start(
        self, shard: Shard, records: Sequence[Record], pause: int, skew_s: float, *, first: int | None, old: bool
    ) -> None:
        invocation = self._invocation(shard, records, skew_s, old=old)
        numbers = [record.sequence for record in records]
        self.shared.note(
            f"{shard.id} delivers {numbers}{'' if first is not None else ' again'} to {invocation.code.name}"
        )
        self.running.append(Running(invocation, invocation.effects(), self.shared.now, first))
        self._go_on(self.running[-1], pause)

    def _go_on(self, running: Running, effects: int) -> None:
        for _ in range(effects):
            try:
                if next(running.effects, None) is None:
                    self._end(running, succeeded=True)
                    return
            except (Failed, RowsKeepMoving):
                self._end(running, succeeded=False)
                return

    def _end(self, running: Running, *, succeeded: bool) -> None:
        self.running.remove(running)
        shard = running.invocation.shard
        if running.first is not None:
            shard.busy = False
            if succeeded:
                shard.done = running.first

    def _resume(self, index: int, effects: int) -> None:
        if self.running:
            self._go_on(self.running[index % len(self.running)], effects)

    def _kill(self, index: int) -> None:
        if self.running:
            self._end(self.running[index % len(self.running)], succeeded=False)

    def _end_what_is_over(self) -> None:
        for running in [one for one in self.running if one.started + TIMEOUT_S < self.shared.now]:
            self._end(running, succeeded=False)
        self.working = [one for one in self.working if one.seen + PART_TIMEOUT_S >= self.shared.now]
        self.shared.executing = {one.worker.id for one in self.working}

    def _end_running(self) -> None:
        while self.running:
            self._go_on(self.running[0], 1000)

    def _read_everything(self, *, wait: bool = True) -> None:
        hidden = [shard.hidden_until for shard in self.shared.stream.shards]
        self.shared.now = max(self.shared.now, *hidden) if wait else self.shared.now
        for _ in range(_ROUNDS):
            shard = self._readable(0)
            if shard.done == len(shard.records):
                return
            if shard.busy:
                self._end_running()
            self._deliver(0, 20, 1000, 0.0, old=False)
        raise Stuck("the stream is never read to its end")

    # --- jobs ---------------------------------------------------------------------------------------------

    def _build(self, index: int, skew_s: float) -> None:
        self._work_on(GENERATIONS[index], "build", skew_s)

    def _verify(self, index: int, repairs: bool, skew_s: float) -> None:
        self._work_on(GENERATIONS[index], "repair" if repairs else "verify", skew_s)

    def _work_on(self, name: GenerationId, kind: str, skew_s: float) -> None:
        if any(one.worker.id == name for one in self.working):
            return
        self._add_worker(name, kind, skew_s)

    def _add_worker(self, name: GenerationId, kind: str, skew_s: float) -> None:
        self.workers += 1
        worker = Worker(self.shared, name, skew_s, self.shared.now, self.workers)
        effects = build(worker) if kind == "build" else verify(worker, repairs=kind == "repair")
        self.working.append(Working(worker, effects, kind, self.shared.now))

    def _again(self, index: int, skew_s: float) -> None:
        """Start a second worker beside one that may or may not be dead."""
        if self.working:
            other = self.working[index % len(self.working)]
            self._add_worker(other.worker.id, other.kind, skew_s)

    def _die(self, index: int) -> None:
        """A worker dies, and nobody takes up its job for now."""
        if self.working:
            self.working.pop(index % len(self.working))

    def _work(self, index: int, effects: int) -> None:
        if not self.working:
            return
        working = self.working[index % len(self.working)]
        working.seen = self.shared.now
        for _ in range(effects):
            effect = next(working.effects, None)
            if effect is None:
                self.working.remove(working)
                return
            if effect == "wait":
                return

    def _spoil(self, index: int) -> None:
        """Somebody changes a row by hand."""
        rows = self.shared.table.rows
        if rows:
            key = sorted(rows)[index % len(rows)]
            row = rows[key]
            row.counters[-1] += 1
            self.shared.note(f"{key} is spoiled")
            aggregate = row.change.layout.aggregate
            self.shared.suspect((aggregate.name, aggregate.version), key, "spoiled")

    # --- the end ------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Let everything come to rest under the newest definition.

        Raises:
            Stuck: it does not come to rest.
        """
        self._deploy("second")
        self._end_running()
        self._read_everything()
        self.run_jobs()

    def run_jobs(self) -> None:
        """Run the jobs under way to their ends; those that nobody works on any more are taken up again."""
        for _ in range(_ROUNDS):
            for one in self.shared.generations.values():
                under_way = one.state is State.BUILDING or one.baseline is not None
                if under_way and not any(working.worker.id == one.id for working in self.working):
                    kind = "build" if one.state is State.BUILDING else "verify"
                    self._add_worker(one.id, kind, 0.0)
            if not self.working:
                return
            for _ in list(self.working):
                self._work(0, 10_000)
                self.working = self.working[1:] + self.working[:1]
            self._read_everything(wait=False)
            self.shared.now += 61
            self._end_what_is_over()
            self._look()
        raise Stuck("a job never ends")

    def _look(self) -> None:
        """Look at what readers are shown at this moment: no count of an exact generation is ever below zero."""
        shared = self.shared
        if all(row.counters[0] >= 0 for row in shared.table.rows.values()):
            return
        for pointer in shared.pointers.values():
            generation = generations.shown(pointer, shared.generations)
            if (
                generation is None
                or generation.state is State.INTERRUPTED
                or any(shared.suspicious.values())
                or self.is_doubtful
            ):
                continue
            name = (*generation.id, generation.epoch)
            for key, row in shared.table.rows.items():
                if row.counters[0] < 0 and owner(key[0]) == name and generation.aggregate != "large":
                    self.wrong.append(f"{key}: readers are shown {row.counters[0]} items")


__all__ = ["START", "Stuck", "World"]

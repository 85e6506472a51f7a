"""One history from its first step to its end: items, shards, invocations and workers under one true time.

What the model leaves out is listed in ``docs/history.md``. The decisions are those of ``tailrace.backfill`` and the
fold is the engine's; the tables, the stream and the order of effects are the model's.
"""

from dataclasses import dataclass, field

from tailrace.backfill import generations
from tailrace.backfill.generations import GenerationId, State
from tests.simulation.job_model.actors.build import build, owner
from tests.simulation.job_model.actors.job import Worker
from tests.simulation.job_model.actors.state import PART_TIMEOUT_S
from tests.simulation.job_model.actors.table import Effects
from tests.simulation.job_model.actors.verify import verify
from tests.simulation.job_model.deliveries import Deliveries, Stuck
from tests.simulation.job_model.steps import GENERATIONS, Step

_ROUNDS = 3000


@dataclass(slots=True)
class Working:
    """A worker under way."""

    worker: Worker
    effects: Effects
    kind: str
    seen: float


@dataclass(slots=True)
class World(Deliveries):
    """Plays a history."""

    working: list[Working] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    workers: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether code from before the journal was ever deployed: what it has done to rows is not known."""
        return not self.shared.expired_complete

    def play(self, step: Step) -> None:
        """Play one step."""
        getattr(self, f"_{step[0]}")(*step[1:])
        self._end_what_is_over()
        self._look()

    def _end_what_is_over(self) -> None:
        self._end_overdue()
        self.working = [one for one in self.working if one.seen + PART_TIMEOUT_S >= self.shared.now]
        self.shared.executing = {one.worker.id for one in self.working}

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

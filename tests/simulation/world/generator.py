"""The history of a seed: its settings and steps are drawn before it is played."""

from itertools import chain
from random import Random

from msgspec import Struct, field

from tailrace.encoding.json_types import Item
from tests.simulation import definition
from tests.simulation.world.steps import (
    READERS,
    AdvanceHours,
    AdvanceSeconds,
    Archive,
    CloseShard,
    CompleteDelayedCall,
    Deliver,
    Fault,
    FaultKind,
    Function,
    History,
    Outcome,
    Reader,
    Redeliver,
    Restart,
    Run,
    Step,
    Write,
)

_COLLECTIONS = ("orders",) * 12 + ("visits",) * 4 + ("planes", "Bad")
_FANOUT_EVERY = 3
_CONTENDED_EVERY = 7
_SHORT_LENGTH, _LONG_LENGTH, _CONTENDED_LENGTH, _LONG_PROBABILITY = 50, 150, 20, 0.1
_ARCHIVE_PROBABILITY = 0.25
_KEPT_PROBABILITY, _FINAL_PROBABILITY = 0.65, 0.4
_FATAL: tuple[FaultKind, ...] = ("before", "after", "adrift")
_TRANSIENT: tuple[FaultKind, ...] = ("throttled", "throttled", "lost", "unanswered", "again", "delayed", "partly")
_MAX_SHARDS = 3
_COMES_BACK_EVERY = 101
_MAX_TIMES = 4  # attempts before a message is given up


def generate_history(seed: int, *, carries: bool = False) -> History:
    """Generate the history of a seed; with ``carries``, the same one with write-behind and what happens to states."""
    states = Random(f"states of {seed}") if carries else None  # noqa: S311
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    contended = seed % _CONTENDED_EVERY == 0
    generator = _StepGenerator(
        random,
        READERS if seed % _FANOUT_EVERY == 0 and not contended else READERS[:1],
        contended,
        Random(-seed),  # noqa: S311
        states,
    )
    max_length = (
        _CONTENDED_LENGTH if contended else _LONG_LENGTH if random.random() < _LONG_PROBABILITY else _SHORT_LENGTH
    )
    steps = tuple(generator.step() for _ in range(random.randint(8, max_length))) + (
        generator.race() if contended else ()
    )
    if seed % _COMES_BACK_EVERY == 1:
        steps = generator.comeback()
    sequence_base = random.choice((10, 10, 16**2, 10**21, 16**18, 16**30, 10**39))
    return History(
        seed,
        steps,
        shards=random.randint(1 + contended, _MAX_SHARDS),
        batch_size=random.randint(1, 6),
        batching_window_s=random.choice((0, 0, 2)),
        # so that sequence numbers gain a digit in the middle
        first_sequence=max(1, sequence_base - random.randint(0, 25)),
        batches=random.random() < 0.5,
        readers=generator.readers,
        fanout_retries=random.choice((-1, 0, 0, 1)),
        fanout_age_s=random.choice((-1, 60, 600)),
        archive_receives=random.choice((1, 2, 5)),
        carries_s=0 if states is None else states.choice((1, 5, 60, 900)),
        state_limit=2**20 if states is None else states.choice((300, 500, 2**20)),
        described_late_s=0 if states is None else states.choice((0, 30, 120)),
    )


def _deliver_all(process: int) -> list[Deliver]:
    """Deliver the changes of every shard to one process of the function."""
    return [Deliver("aggregate", shard, Run(environment=process)) for shard in range(2 * _MAX_SHARDS)]


class _StepGenerator(Struct):
    """Draws steps; in a contended history several shards update one row, in the middle of each other's calls."""

    random: Random
    readers: tuple[Reader, ...]
    contended: bool
    nested: Random
    states: Random | None
    depth: int = field(default=0)

    def step(self) -> Step:
        """Draw a step."""
        chance = self.random.random()
        if chance < 0.48:
            return self._write()
        if chance < 0.78:
            return self._deliver()
        if chance < 0.86:
            return self._redeliver()
        if chance < 0.91:
            back = self.random.choice((0, 1, 2, 3, 100))
            return Restart(self._reader(), self._index(), back, self.random.randint(1, 6))
        if chance < 0.94:
            return CloseShard(self._index(), self.random.random() < 0.3)
        if chance < 0.975:
            return CompleteDelayedCall(self._index())
        if chance < 0.985 and not self.depth:
            return AdvanceHours(self.random.choice((5, 30, 60)))
        return AdvanceSeconds(self.random.choice((0.5, 3, 1000)))

    def race(self) -> tuple[Step, ...]:
        """Draw a final race: one shard's changes are delivered in the middle of another's invocation.

        At the end, since later writes could repair a wrong row and hide the fault.
        """
        writes = tuple(self._write() for _ in range(self.random.randint(2, 4)))
        meanwhile = Fault(self.random.randrange(20), "meanwhile", meanwhile=Deliver("aggregate", self._index()))
        process = self.nested.randrange(3)  # the third knows no row yet
        race = Run("runs", (meanwhile,), environment=process)
        return AdvanceHours(5), *writes, Deliver("aggregate", self._index(), race)

    def comeback(self) -> tuple[Step, ...]:
        """Draw a row that is emptied and deleted, and comes back, while a process still knows it as it was."""
        values = [self.random.choice((3, 41)) for _ in range(self.random.randint(3, 5))]
        visits = [Write("visits", str(number), {"page": "/", "ms": ms}) for number, ms in enumerate(values)]
        parts: list[tuple[Step, ...]] = [(visits[0], *_deliver_all(1)), (Write("visits", "0", None), AdvanceHours(60))]
        parts += [(visit, *_deliver_all(0)) for visit in visits[1:-1]]
        parts += [(visits[-1], *_deliver_all(1))]
        return tuple(chain.from_iterable(parts))

    def _index(self) -> int:
        return self.random.randrange(6)

    def _reader(self) -> Reader:
        return self.random.choice(self.readers)

    def _write(self) -> Write:
        random = self.random
        chance = random.random()
        collection = "visits" if self.contended else random.choice(_COLLECTIONS)
        item_id = random.choice(("1", "2", "3"))
        if chance < 0.16:
            return Write(collection, item_id, None)
        if chance < 0.24:
            return Write(collection, item_id, None, expired=True)
        return Write(collection, item_id, self._visit() if collection == "visits" else self._order())

    def _order(self) -> Item:
        random = self.random
        item: Item = {"shop": random.choice(tuple(definition.SHOPS)), "amount": random.choice(definition.AMOUNTS)}
        if random.random() < 0.7:
            item["placed"] = random.choice((*definition.DAYS, "soon"))
        if random.random() < 0.5:
            item["paid"] = random.random() < 0.7
        if random.random() < 0.03:
            item |= {"shop": definition.FULL, "amount": random.choice(definition.FULL_AMOUNTS)}
        item |= self._lines()
        if random.random() < 0.08:
            item |= random.choice(({"shop": 9}, {"colour": "red"}))
        return item

    def _lines(self) -> Item:
        random = self.nested
        lines = [random.choice(definition.LINES) for _ in range(random.choice((0, 1, 2, 3)))]
        if random.random() < 0.05:
            lines.append(definition.UNCOUNTABLE_LINE)
        given = {"customer": random.choice(definition.CITIES), "lines": random.choice((lines, lines, lines, None))}
        return {name: value for name, value in given.items() if random.random() < 0.9}

    def _visit(self) -> Item:
        random = self.random
        item: Item = {"page": definition.PAGES[0] if self.contended else random.choice(definition.PAGES)}
        if random.random() < 0.6 or self.contended:
            item["ms"] = random.choice((3, 41, "slow"))
        return item if random.random() < 0.95 else {"site": "/"}

    def _deliver(self) -> Deliver | Archive:
        if "fanout" in self.readers and self.random.random() < _ARCHIVE_PROBABILITY:
            return Archive(self._run("archive"), self.random.choice((None, None, self._index())))
        reader = self._reader()
        return Deliver(reader, self._index(), self._run(reader))

    def _redeliver(self) -> Redeliver:
        reader = self._reader()
        back = self.random.choice((0, 1, 2, 3, 5, 100))
        return Redeliver(reader, self._index(), back, self.random.choice((1, 2, 3, 5, 100)), self._run(reader))

    def _run(self, function: Function) -> Run:
        random = self.random
        chance = random.random()
        outcome: Outcome = "runs"
        if chance < 0.12:
            outcome = "times out" if chance < 0.06 else "throttled" if chance < 0.09 else "stillborn"
        count = random.choice((0, 0, 0, 1, 1, 2, 3))
        faults = tuple(sorted((self._fault(function) for _ in range(count)), key=lambda fault: fault.call))
        return Run(outcome, faults, random.randrange(1000), random.randrange(2), *self._window())

    def _window(self) -> tuple[int | None, bool]:
        """Draw the state that an invocation is handed, and whether its window ends."""
        if self.states is None:
            return None, False
        final = self.states.random() < _FINAL_PROBABILITY
        kept = self.states.random() < _KEPT_PROBABILITY
        return None if kept else self.states.choice((0, 0, 1, 1, 2, 3)), final

    def _fault(self, function: Function) -> Fault:
        random = self.random
        call = random.choice((0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 10))
        chance = random.random()
        if chance < (0.6 if self.contended else 0.2) and self.depth < 2:
            self.depth += 1
            step = self._deliver() if self.contended else self.step()
            self.depth -= 1
            return Fault(call, "meanwhile", meanwhile=step)
        if chance < 0.45:
            return Fault(call, random.choice(_FATAL))
        times = _MAX_TIMES if function == "fanout" and chance < 0.8 else 1
        return Fault(call, random.choice(_TRANSIENT), times, random.randrange(1, 8))

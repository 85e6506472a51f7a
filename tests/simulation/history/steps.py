"""The steps of a history, and how a seed becomes one. A history is plain data: one that fails can be made shorter."""

from dataclasses import dataclass
from random import Random
from typing import Any

type Step = tuple[Any, ...]
"""The step's name and its arguments, see :class:`tests.simulation.history.world.World`."""

GENERATIONS = (("shops", 1), ("shops", 2), ("large", 1), ("pages", 1), ("pages", 2))
_KEYS = ("orders#1", "orders#2", "orders#3", "orders#4", "orders#5", "orders#6", "visits#1", "visits#2", "visits#3")
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class History:
    """One history.

    Attributes:
        seed: names it.
        roots: the stream's shards at the beginning.
        skews: how far the clock of each shard is off, in seconds; two are never off by more than a margin.
        first_code: what is deployed at the beginning.
        steps: what happens.
    """

    seed: int
    roots: int
    skews: tuple[float, ...]
    first_code: str
    steps: tuple[Step, ...]


def history_of(seed: int) -> History:
    """Return the history of a seed."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    roots = random.choice((1, 1, 2, 3))
    skews = tuple(_skew(random) for _ in range(roots))
    first = random.choice(("first", "first", "first", "second", "before"))
    return History(seed, roots, skews, first, tuple(_Theme(random).steps()))


def _skew(random: Random) -> float:
    return random.choice((0.0, 0.0, -29.0, 29.0, random.uniform(-29, 29)))


def _order(random: Random) -> dict[str, Any]:
    if random.random() < 0.08:
        return {"shop": 5}
    item: dict[str, Any] = {"shop": random.choice("ab")}
    if random.random() < 0.85:
        item["amount"] = random.choice((1, 5, 5, 7, 40))
    if random.random() < 0.8:
        item["paid"] = random.random() < 0.7
    return item


class _Theme:
    """What is frequent in one history: some things come often in few histories, rather than seldom in all.

    A history is a number of rounds: some writes, deliveries of some shards, work on the jobs, time; and now and then
    something out of the ordinary.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        choose = random.choice
        self.rounds = choose((10, 25, 40, 60))
        self.writes = choose((0.3, 1.0, 2.0))
        self.delivers = choose((0.15, 0.5, 1.0))
        self.works = choose((0.6, 1.0))
        self.effects = choose((1, 4, 15, 15, 60, 60))
        self.waits = choose(((1, 10, 20), (20, 61), (61, 61, 130), (61, 130, 400)))
        self.pauses = choose((0.0, 0.0, 0.2, 0.6))
        self.codes = choose((("second",), ("second", "first"), ("second", "first", "before"), ("lanes", "second")))
        self.jobs = choose((("build",), ("verify",), ("build", "verify")))
        weights = {
            "redeliver": choose((0, 0, 2, 6)),
            "resume": 3 if self.pauses else 0,
            "kill": choose((0, 1)) if self.pauses else 0,
            "give_up": choose((0, 0, 0, 3)),
            "put_back": 2,
            "roll": choose((0, 1, 3)),
            "pass": choose((0, 0, 0, 1, 2)),
            "deploy": choose((0, 0, 0, 1, 2)),
            "job": 2,
            "again": choose((0, 0, 2)),
            "die": choose((0, 0, 2)),
            "spoil": choose((0, 0, 0, 1)),
        }
        self.names, self.weights = list(weights), list(weights.values())

    def steps(self) -> list[Step]:
        random = self.random
        found = [self._step("write") for _ in range(random.randrange(10))]
        found += [self._deliver() for _ in range(random.randrange(6))]
        if random.random() < 0.75:
            found.append(("deploy", "second"))
        special = random.randrange(self.rounds) if random.random() < 0.5 else -1
        for number in range(self.rounds):
            if number == special:
                found += self._special()
            found += [self._step("write") for _ in range(_times(random, self.writes))]
            found += [self._deliver() for _ in range(3) if random.random() < self.delivers]
            found += [("work", random.randrange(3), self.effects) for _ in range(2) if random.random() < self.works]
            if number == 1:
                found.append(self._step("job"))
            if random.random() < 0.4:
                found.append(self._step(random.choices(self.names, self.weights)[0]))
            found.append(("wait", random.choice(self.waits)))
        return found

    def _special(self) -> list[Step]:
        """Return some steps in a row that seldom come together by chance, and that designs have failed on."""
        random = self.random
        match random.randrange(6):
            case 0:  # two workers side by side from the beginning
                twins: list[Step] = [self._step("job"), ("again", 0, self._skew())]
                for _ in range(25):
                    twins += [("deliver", random.randrange(4), 20, 1000, 0.0, False), ("wait", 61)]
                    twins += [("work", number, random.choice((1, 3, 10))) for number in (0, 1)]
                return twins
            case 1:  # a shard that closes at T, and one after it that never had a record
                rolls: list[Step] = [self._step("job"), ("work", 0, 9), ("wait", random.choice((90, 110, 119)))]
                for _ in range(4):
                    rolls += [self._write(), ("wait", random.choice((1, 10))), ("deliver", 0, 20, 1000, 0.0, False)]
                    rolls += [("roll", 0, False, 0, random.choice((-29.0, 29.0)))] * random.choice((0, 1, 2))
                return rolls
            case 2:  # a batch that was absorbed and given up comes back when the marks are gone
                back: list[Step] = [self._write(), ("give_up", 0, 2, random.randrange(4, 25), 5), self._step("job")]
                back += [*self._drive(16), self._write(), self._write(), ("pass", 50 * _HOUR), ("put_back", 0, 1000)]
                return back
            case 3:  # an empty row that goes while it is repaired, and comes again
                gone: list[Step] = [("write", key, None, False) for key in _KEYS]
                gone += [*self._drive(2), ("pass", 172_800 - random.randrange(700, 1300)), ("spoil", random.randrange(40))]
                gone += [("spoil", random.randrange(40)), ("verify", random.choice((0, 0, 2)), True, 0.0), *self._drive(9)]
                for _ in range(12):
                    gone += [("work", 0, random.choice((1, 5, 20))), self._write(), *self._drive(1)[:2], ("wait", 61)]
                return gone
            case 4:  # a worker that rests between the choice of T and its writing
                slow: list[Step] = [self._step("job"), ("work", 0, random.randrange(4)), ("wait", 200)]
                slow += [self._write(), ("deliver", 0, 20, 1000, 0.0, False), self._write(), self._write()]
                return slow
            case _:  # a batch that comes back while rows are read and repaired
                floor: list[Step] = [self._write(), ("give_up", 0, 2, 0, 5), ("verify", random.randrange(4), True, 0.0)]
                floor += self._drive(random.randrange(10, 14))
                for _ in range(12):
                    floor += [("put_back", 0, random.randrange(1, 6)), ("work", 0, random.choice((5, 30))), ("wait", 13)]
                    floor += [("resume", 0, 100)] * random.choice((0, 0, 1))
                return floor

    def _drive(self, rounds: int) -> list[Step]:
        """Let a job go on and the stream be read."""
        deliver: list[Step] = [("deliver", number, 20, 1000, 0.0, False) for number in range(3)]
        return [*deliver, ("work", 0, 200), ("wait", 100)] * rounds

    def _deliver(self) -> Step:
        random = self.random
        old = random.random() < 0.2
        return ("deliver", random.randrange(8), random.choice((1, 2, 5, 20, 20)), self._pause(), self._skew(), old)

    def _step(self, name: str) -> Step:
        random = self.random
        match name:
            case "write":
                return self._write()
            case "redeliver":
                back, length = random.choice((1, 2, 4, 9, 30)), random.choice((1, 2, 4, 9))
                return (name, random.randrange(8), back, length, self._pause(), self._skew())
            case "resume":
                return (name, random.randrange(4), random.choice((1, 3, 100)))
            case "give_up":
                effects, delay_s = random.choice((0, random.randrange(12))), random.randrange(50)
                return (name, random.randrange(8), random.choice((1, 2)), effects, delay_s)
            case "put_back":
                return (name, random.randrange(4), self._pause())
            case "roll":
                return (name, random.randrange(8), random.random() < 0.6, random.choice((0, 20, 250)), _skew(random))
            case "pass":
                return (name, random.choice((1, 5, 25, 40, 50)) * _HOUR)
            case "deploy":
                return (name, random.choice(self.codes))
            case "job":
                return self._job(random.choice(self.jobs))
            case "again":
                return (name, random.randrange(3), self._skew())
            case _:  # kill, die, spoil
                return (name, random.randrange(40))

    def _job(self, name: str) -> Step:
        random = self.random
        if name == "build":
            return (name, random.choice((1, 1, 1, 4, 4, 0, 2)), self._skew())
        return (name, random.choice((0, 0, 1, 2, 3, 4)), random.random() < 0.6, self._skew())

    def _write(self) -> Step:
        random = self.random
        key = random.choice(_KEYS)
        if key.startswith("visits"):
            item: Any = {"page": random.choice("xy"), "ms": random.choice((1, 10, 100))}
        else:
            item = _order(random)
        kind = random.random()
        if kind < 0.3:
            return ("write", key, None, kind < 0.15)
        return ("write", key, item, False)

    def _pause(self) -> int:
        random = self.random
        return random.randrange(1, 16) if random.random() < self.pauses else 1000

    def _skew(self) -> float:
        return self.random.choice((0.0, 29.0, -29.0))


def _times(random: Random, mean: float) -> int:
    return int(mean) + (random.random() < mean % 1)

"""The steps of a history, and how a seed becomes one. A history is plain data: one that fails can be made shorter."""

from random import Random
from typing import Any

from msgspec import Struct

from tests.simulation.job_model import specials
from tests.simulation.job_model.specials import HOUR, KEYS

type Step = tuple[Any, ...]
"""The step's name and its arguments, see :class:`tests.simulation.job_model.world.World`."""

GENERATIONS = (("shops", 1), ("shops", 2), ("large", 1), ("pages", 1), ("pages", 2))


class History(Struct, frozen=True):
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
        special = random.randrange(self.rounds) if random.random() < 0.6 else -1
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
        """Return steps that seldom come together by chance, and that designs have failed on."""
        return specials.choose(self.random, self)

    def _deliver(self) -> Step:
        random = self.random
        old = random.random() < 0.2
        return ("deliver", random.randrange(8), random.choice((1, 2, 5, 20, 20)), self._pause(), self._skew(), old)

    def _step(self, name: str) -> Step:  # noqa: C901 - one case for each kind of step
        random = self.random
        match name:
            case "write":
                return self.write()
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
                return (name, random.choice((1, 5, 25, 40, 50)) * HOUR)
            case "deploy":
                return (name, random.choice(self.codes))
            case "job":
                return self.job(random.choice(self.jobs))
            case "again":
                return (name, random.randrange(3), self._skew())
            case _:  # kill, die, spoil
                return (name, random.randrange(40))

    def job(self, name: str) -> Step:
        random = self.random
        if name == "build":
            return (name, random.choice((1, 1, 1, 4, 4, 0, 2)), self._skew())
        return (name, random.choice((0, 0, 1, 2, 3, 4)), random.random() < 0.6, self._skew())

    def write(self) -> Step:
        random = self.random
        key = random.choice(KEYS)
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

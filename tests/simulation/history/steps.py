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
    """How often each kind of step comes in one history: some come often in few histories, rather than seldom in all."""

    def __init__(self, random: Random) -> None:
        self.random = random
        choose = random.choice
        self.weights = {
            "write": choose((10, 20, 30)),
            "deliver": choose((6, 20, 30)),
            "redeliver": choose((0, 0, 3, 8)),
            "resume": 8,
            "kill": choose((0, 2)),
            "give_up": choose((0, 0, 0, 2)),
            "put_back": choose((0, 2)),
            "roll": choose((0, 1, 4)),
            "wait": choose((4, 10, 20)),
            "pass": choose((0, 0, 0, 1, 2)),
            "deploy": choose((0, 0, 1, 2)),
            "build": choose((0, 2, 2)),
            "verify": choose((0, 1, 2)),
            "work": choose((20, 50, 90)),
            "again": choose((0, 2)),
            "spoil": choose((0, 0, 0, 1)),
        }
        self.work = choose((1, 5, 20, 60))
        self.codes = choose((("second",), ("second", "first"), ("first", "second", "before"), ("lanes", "first")))

    def steps(self) -> list[Step]:
        random = self.random
        names, weights = list(self.weights), list(self.weights.values())
        before = [self._step("write" if random.random() < 0.7 else "deliver") for _ in range(random.randrange(12))]
        middle: list[Step] = []
        if random.random() < 0.7:
            middle.append(("deploy", "second"))
        middle.append(self._step(random.choice(("build", "build", "verify"))))
        return before + middle + [self._step(name) for name in random.choices(names, weights, k=random.randint(20, 90))]

    def _step(self, name: str) -> Step:
        random = self.random
        match name:
            case "write":
                return self._write()
            case "deliver":
                return ("deliver", random.randrange(8), random.choice((1, 2, 5, 20)), self._pause(), self._skew(), random.random() < 0.2)
            case "redeliver":
                back, length = random.choice((1, 2, 4, 9, 30)), random.choice((1, 2, 4))
                return ("redeliver", random.randrange(8), back, length, self._pause(), self._skew())
            case "resume":
                return ("resume", random.randrange(4), random.choice((1, 3, 100)))
            case "kill":
                return ("kill", random.randrange(4))
            case "give_up":
                return ("give_up", random.randrange(8), random.choice((1, 2)), random.randrange(12), random.randrange(50))
            case "put_back":
                return ("put_back", random.randrange(4), self._pause())
            case "roll":
                hidden = random.choice((0, 20, 250))
                return ("roll", random.randrange(8), random.random() < 0.6, hidden, _skew(random))
            case "wait":
                return ("wait", random.choice((1, 10, 40, 61, 130, 200)))
            case "pass":
                return ("pass", random.choice((1, 5, 25, 40, 50)) * _HOUR)
            case "deploy":
                return ("deploy", random.choice(self.codes))
            case "build":
                return ("build", random.choice((1, 1, 1, 4, 4, 0, 2)), self._skew())
            case "verify":
                return ("verify", random.randrange(5), random.random() < 0.6, self._skew())
            case "work":
                return ("work", random.randrange(3), self.work)
            case "again":
                return ("again", random.randrange(3), self._skew())
            case _:
                return ("spoil", random.randrange(40))

    def _write(self) -> Step:
        random = self.random
        key = random.choice(_KEYS)
        if key.startswith("visits"):
            item: Any = {"page": random.choice("xy"), "ms": random.choice((1, 10, 100))}
        else:
            item = _order(random)
        kind = random.random()
        if kind < 0.25:
            return ("write", key, None, kind < 0.12)
        return ("write", key, item, False)

    def _pause(self) -> int:
        return self.random.choice((1000, 1000, 1000, *range(1, 14)))

    def _skew(self) -> float:
        return self.random.choice((0.0, 29.0, -29.0))

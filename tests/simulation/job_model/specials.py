"""Steps in a row that seldom come together by chance, and that designs have failed on: one after each trap."""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

type Step = tuple[Any, ...]

HOUR = 3600
KEYS = ("orders#1", "orders#2", "orders#3", "orders#4", "orders#5", "orders#6", "visits#1", "visits#2", "visits#3")


class Theme(Protocol):
    """What the rest of a history makes its steps with."""

    def write(self) -> Step:
        """Return a write of some item."""

    def job(self, name: str) -> Step:
        """Return the beginning of a job."""


def choose(random: Random, theme: Theme) -> list[Step]:
    """Return the steps of one of them."""
    return random.choice(SPECIALS)(random, theme)


def drive(rounds: int) -> list[Step]:
    """Let a job go on and the stream be read."""
    deliver: list[Step] = [("deliver", number, 20, 1000, 0.0, False) for number in range(3)]
    return [*deliver, ("work", 0, 200), ("wait", 100)] * rounds


def _writes(random: Random, theme: Theme, number: int) -> list[Step]:
    return [theme.write() for _ in range(random.randrange(1, number + 1))]


def _some_job(random: Random, theme: Theme) -> Step:
    return theme.job(random.choice(("build", "verify")))


def _twins(random: Random, theme: Theme) -> list[Step]:
    """Two workers side by side from the beginning."""
    first = random.randrange(40)
    steps: list[Step] = [("spoil", first + number) for number in range(9)]
    steps += [_some_job(random, theme), ("again", 0, 0.0)]
    for _ in range(30):
        steps += [("deliver", random.randrange(3), 20, 1000, 0.0, False), ("wait", 61)]
        steps += [("work", number, random.choice((1, 3, 10))) for number in (0, 1)]
    return steps


def _rolls(random: Random, theme: Theme) -> list[Step]:
    """A shard that closes at T, and one after it that never had a record."""
    steps: list[Step] = [
        _some_job(random, theme),
        ("wait", 200),
        ("work", 0, 9),
        ("wait", random.choice((90, 110, 119))),
    ]
    for _ in range(5):
        steps += [theme.write(), ("wait", random.choice((1, 10))), ("deliver", 0, 20, 1000, 0.0, False)]
        steps += [("roll", 0, False, 0, random.choice((-29.0, 29.0)))] * random.choice((0, 1, 2))
    return steps


def _late_batch(random: Random, theme: Theme) -> list[Step]:
    """A batch that was absorbed and given up comes back when the marks are gone."""
    steps = [*_writes(random, theme, 2), ("give_up", 0, 2, random.randrange(4, 25), 5)]
    steps += [("verify", random.randrange(5), False, 0.0), *drive(16)]
    steps += [("write", key, None, False) for key in KEYS[:6]]
    return [*steps, *drive(2), ("pass", 50 * HOUR), ("put_back", 0, 1000)]


def _gone_row(random: Random, theme: Theme) -> list[Step]:
    """An empty row that goes while it is repaired, and comes again."""
    steps: list[Step] = [("write", key, None, False) for key in KEYS]
    steps += [*drive(2), ("pass", 172_800 - random.randrange(500, 1300)), ("spoil", random.randrange(40))]
    steps += [("spoil", random.randrange(40)), ("verify", random.choice((0, 0, 2, 3)), True, 0.0), *drive(8)]
    for _ in range(14):
        steps += [("work", 0, random.choice((1, 5, 20))), theme.write(), *drive(1)[:2], ("wait", 40)]
    return steps


def _slow_begin(random: Random, theme: Theme) -> list[Step]:
    """A worker that rests between the choice of T and its writing, and a batch that comes again after it."""
    steps: list[Step] = [("wait", 200), _some_job(random, theme), ("work", 0, 1), ("wait", 200)]
    for _ in range(3):
        steps += [("write", "orders#1", {"shop": "a", "amount": random.choice((1, 5, 7))}, False), theme.write()]
        steps += [("deliver", 0, 20, 1000, 0.0, False)]
    back = random.randrange(2, 7)
    return [*steps, ("work", 0, 5), ("redeliver", 0, back, 1, 1000, 0.0), ("deliver", 0, 20, 1000, 0.0, False)]


def _floor_race(random: Random, theme: Theme) -> list[Step]:
    """A batch that comes back while rows are read and repaired."""
    steps: list[Step] = [
        *_writes(random, theme, 2),
        ("give_up", 0, 2, 0, 5),
        ("verify", random.randrange(4), True, 0.0),
    ]
    steps += drive(random.randrange(9, 14))
    for _ in range(14):
        steps += [("put_back", 0, random.randrange(1, 6)), ("work", 0, random.choice((5, 30))), ("wait", 13)]
        steps += [("resume", 0, 100)] * random.choice((0, 0, 1))
    return steps


def _floor(random: Random, theme: Theme) -> list[Step]:
    """A batch that comes back after a repair."""
    steps: list[Step] = [*_writes(random, theme, 3), ("give_up", 0, 2, random.randrange(9), 5)]
    return [*steps, ("verify", random.randrange(4), True, 0.0), *drive(18), ("put_back", 0, 1000)]


def _hole(random: Random, theme: Theme) -> list[Step]:
    """A batch is given up while a build is under way."""
    steps: list[Step] = [
        ("deploy", "second"),
        ("build", random.choice((1, 1, 4)), 0.0),
        *drive(random.randrange(3, 12)),
    ]
    return [*steps, *_writes(random, theme, 3), ("give_up", 0, 2, random.choice((0, 3)), 5), *drive(12)]


def _first_given_up(random: Random, theme: Theme) -> list[Step]:
    """The first batch beyond T is added in part, and given up."""
    steps: list[Step] = [("wait", 200), _some_job(random, theme), ("work", 0, 9), ("wait", 150)]
    steps += [*_writes(random, theme, 3), ("give_up", 0, random.choice((1, 2)), random.randrange(4, 25), 5)]
    return [*steps, *_writes(random, theme, 3), *drive(12)]


def _empty_row(random: Random, theme: Theme) -> list[Step]:
    """A row that counts nothing for two days and holds a sum, while its base is still to come."""
    item = {"shop": "a", "paid": True}
    steps: list[Step] = [("write", key, item | {"amount": 7}, False) for key in KEYS[:3]]
    steps += [("write", key, {"page": "x", "ms": 10}, False) for key in KEYS[6:8]]
    steps += [("deploy", "second"), ("build", random.choice((1, 4)), 0.0), *drive(random.randrange(4, 6))]
    steps += [("write", KEYS[5], item | {"amount": 1}, False), ("write", KEYS[8], {"page": "x", "ms": 1}, False)]
    steps += [("write", KEYS[0], None, False), *drive(1), ("pass", 50 * HOUR)]
    return [*steps, theme.write()]


def _long_verify(random: Random, theme: Theme) -> list[Step]:
    """A verification of more than two days, in which rows went and came again."""
    steps: list[Step] = [("verify", random.randrange(4), random.random() < 0.3, 0.0), *drive(random.randrange(3, 9))]
    steps += [theme.write(), *drive(1), *[("write", key, None, False) for key in KEYS], *drive(1)]
    return [*steps, ("pass", 50 * HOUR), *[theme.write() for _ in range(4)], *drive(1)]


def _nobody_works(random: Random, theme: Theme) -> list[Step]:
    """A worker dies, and its job is taken up later."""
    steps: list[Step] = [_some_job(random, theme), *drive(random.randrange(3, 6)), ("die", 0)]
    return [*steps, *[theme.write() for _ in range(5)], *drive(2)]


def _slow_list(random: Random, theme: Theme) -> list[Step]:
    """The journal or the rows are read while the stream goes on, and invocations stop half-way."""
    steps: list[Step] = [_some_job(random, theme), *drive(random.randrange(3, 5))]
    steps += [step for _ in range(4) for step in (theme.write(), *drive(1))] + drive(random.randrange(5))
    key, stops = random.choice(KEYS[:6]), random.random() < 0.5
    for number in range(25):
        pause = random.randrange(4, 14) if stops else 1000
        steps += [("work", 0, random.choice((1, 2, 9 if stops else 1))), ("deliver", 0, 1, pause, 0.0, False)]
        steps.append(("wait", random.choice((10, 25))))
        if number % 3 == 0:
            steps.append(("write", key, {"shop": random.choice("ab"), "amount": number}, False))
        if stops and number % 3 == 2:
            steps.append(("resume", 0, 1000))
    return steps


def _old_code(random: Random, theme: Theme) -> list[Step]:
    """Code from before the journal runs again for a while."""
    steps: list[Step] = [("deploy", "second"), ("build", 1, 0.0), *drive(random.choice((6, 18)))]
    steps += [("deploy", "before"), *[theme.write() for _ in range(3)], ("deliver", 0, 20, 1000, 0.0, False)]
    return [*steps, ("deploy", "second"), theme.write(), *drive(random.choice((1, 8)))]


def _hidden_shard(random: Random, theme: Theme) -> list[Step]:
    """A shard splits, and the stream does not list the second part yet."""
    steps: list[Step] = [_some_job(random, theme), *drive(random.randrange(2, 5))]
    steps += [("roll", 0, True, 290, 0.0), *[theme.write() for _ in range(4)]]
    for _ in range(12):
        steps += [("deliver", 0, 20, 1000, 0.0, False), ("work", 0, 200), ("wait", 40)]
    return steps


def _other_lanes(random: Random, theme: Theme) -> list[Step]:
    """A definition with other lanes takes over a batch that was absorbed in part."""
    steps: list[Step] = [("deploy", "second"), *_writes(random, theme, 3)]
    steps += [("deliver", 0, 20, random.randrange(3, 12), 0.0, False), ("wait", 61), ("deploy", "lanes"), ("wait", 31)]
    return [*steps, ("deliver", 0, 20, 1000, 0.0, False), ("redeliver", 0, 4, 4, 1000, 0.0)]


SPECIALS: tuple[Callable[[Random, Theme], list[Step]], ...] = (
    _twins,
    _rolls,
    _late_batch,
    _gone_row,
    _slow_begin,
    _floor_race,
    _floor,
    _hole,
    _first_given_up,
    _empty_row,
    _long_verify,
    _nobody_works,
    _slow_list,
    _old_code,
    _hidden_shard,
    _other_lanes,
)

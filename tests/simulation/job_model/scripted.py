"""Histories written by hand, for safeguards that are needed only if several things happen within seconds.

Each has one shard, and every moment is chosen: what random histories would have to hit by chance.
"""

from tests.simulation.job_model.specials import HOUR
from tests.simulation.job_model.steps import History, Step

_DELIVER: Step = ("deliver", 0, 20, 1000, 0.0, False)
_VERIFY: Step = ("verify", 0, False, 0.0)


def _history(steps: list[Step]) -> History:
    return History(-1, 1, (0.0,), "first", tuple(steps))


def _order(number: int, amount: int) -> Step:
    return ("write", f"orders#{number}", {"shop": "a", "amount": amount}, False)


def _work(rounds: int, *steps: Step) -> list[Step]:
    return [step for _ in range(rounds) for step in (("work", 0, 200), ("wait", 20), *steps)]


def _row_goes_between_reading_and_repair() -> History:
    """A spoiled, empty row is read some seconds before TTL removes it, and made again before it is repaired."""
    row_goes_s, job_begins_s = 48 * HOUR, 48 * HOUR - 1000
    steps: list[Step] = [_order(1, 1), _DELIVER, ("write", "orders#1", None, False), _DELIVER, ("spoil", 0)]
    steps += [("pass", job_begins_s), ("verify", 0, True, 0.0), *_work((row_goes_s - job_begins_s) // 20 + 1, _DELIVER)]
    return _history([*steps, _order(2, 1), *_work(30, _DELIVER)])


def _snapshot_is_ahead_of_its_shard() -> History:
    """A record is processed half a minute before the snapshot, and the one that follows it only after the base."""
    steps = [_order(1, 1), _DELIVER, ("wait", 200), _VERIFY, ("work", 0, 200), ("wait", 130)]
    return _history([*steps, _order(2, 1), _DELIVER, _order(1, 5), *_work(40)])


def _journal_grows_while_it_is_listed() -> History:
    """An order changes twice between two pages of the list, which then shows the second of the two changes alone.

    With names out of order, the first change's object sorts before the page that was read last, the second's after it.
    """
    steps = [_order(9, 1), _order(1, 1), _DELIVER, ("wait", 200), _VERIFY, ("work", 0, 200), ("wait", 190)]
    steps += [step for number in range(4) for step in (_order(2, 10 + number), _DELIVER)]
    steps += [*_work(30, _DELIVER), _order(3, 50), _DELIVER, ("work", 0, 2)]
    steps += [_order(1, 7), _DELIVER, *[_order(3, 100 + number) for number in range(4)], _DELIVER, _order(1, 8)]
    return _history([*steps, _DELIVER, *_work(40, _DELIVER)])


SCRIPTED = {
    "records must be younger than the snapshot by a margin & every sentinel comes back": (
        _snapshot_is_ahead_of_its_shard()
    ),
    "throughs are read before the journal is listed & names of the journal follow the stream": (
        _journal_grows_while_it_is_listed()
    ),
    "only what is proven covered is used & names of the journal follow the stream": _journal_grows_while_it_is_listed(),
    "a row that existed must still exist & rows about to go are pinned": _row_goes_between_reading_and_repair(),
}
"""For each safeguard that no seed has needed so far, a history that goes wrong when it is broken."""

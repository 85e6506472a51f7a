"""The simulation detects every broken safeguard; otherwise its silence would mean little."""

from copy import replace
from itertools import chain

import pytest

from tests.simulation.broken_safeguards.carrying import BROKEN_CARRYING
from tests.simulation.broken_safeguards.safeguards import BROKEN_SAFEGUARDS
from tests.simulation.invariants import find_violations
from tests.simulation.seeds import warn_of_stale_seed
from tests.simulation.world.generator import generate_history
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import Deliver, History

WITHIN = 3000
RICH = {
    "the mark is one too high": 1011,
    "the mark is not padded": 1757,
    "the mark is padded for short numbers only": 442,
    "all shards share a mark": 107,
    "the condition uses the last change": 403,
    "the statement has no condition": 403,
    "an overlap is skipped": 1757,
    "order measures are written without checking the version": 84,
    "both halves of a split share a mark": 107,
    "the mark of a split shard is dropped at once": 692,
    "a row with a net change of zero is not written": 232,
    "a move does not update the old row": 232,
    "images with the same fields count as equal": 1694,
    "an expiry counts as a deletion": 1757,
    "an item enters the list of groups with each of its rows": 121,
    "equal lines of an item count once": 155,
    "the version is read after the values": 84,
    "a main row is written before its values": 232,
    "an empty row expires at once": 32,
    "an empty row expires although it is refilled": 14,
    "an empty row is not checked before it expires": 1720,
    "a failed batch of existing rows is ignored": 58,
    "a rejected statement is ignored": 405,
    "the lane depends on the batch": 403,
    "a lane that holds sums expires": 600,
    "a failure to expire a row is ignored": 3118,
    "a measure without values is not removed": 232,
    "the values are read for the first attempt only": 84,
    "the latest mark is dropped": 692,
    "a value is moved whatever its items": 643,
    "a value is moved whether it is counted or not": 11,
    "a value is moved only by who has written it": 109,
    "a value is moved after its main row": 643,
    "a value is moved before its main row": 47,
    "a canceled transaction counts as done": 442,
    "a failure to count values is ignored": 124,
    "a failure to read values is ignored": 232,
    "one of several measures is moved": 58,
    "a value that is not counted any more never expires": 14,
    "a candidate that is pushed out does not raise the bound": 84,
    "value rows that are read say nothing of the others": 84,
    "a candidate that others surpass is not dropped": 84,
    "no value becomes a candidate": 14,
    "candidates that are used up are not read again": 84,
    "candidates of another version count": 1213,
    "a process knows rows that are gone": 1011,
    "an end is read from what was known": 47,
    "an end is read from what was touched": 1011,
    "a list that is not full is complete": 1011,
    "a value that is gone stays in its node": 1213,
    "nodes that were read before are known": 1757,
    "a shard is read before its parent": 944,
    "the checkpoint is the last failure": 232,
    "the checkpoint is one too late": 14,
    "failures are not reported": 14,
    "partial failures are not read": 155,
    "the rest of a batch is left out": 12587,
    "the mapping skips a failed batch": 1694,
    "the mapping gives up after a second attempt": 442,
    "the mapping gives up on records older than a minute": 1213,
    "the mapping has two lanes": 1694,
    "the second half of a split is delivered first": 1757,
    "discarded batches of fanout are not replayed": 1011,
    "the mapping runs ahead of itself": 232,
    "fanout's checkpoint is one too late": 3,
    "fanout does not report failures": 3,
    "archive does not report failures": 759,
    "the archive's dead letters are not redriven": 51,
    "any state is used": 1474,
    "what is carried is not recorded": 19,
    "a batch is added to what is carried twice": 40,
    "what is outstanding is not read again": 19,
    "only the last of what is outstanding is read again": 1474,
    "a part of a carried step counts as absorbed": 67,
    "a part of a carried step counts as missing": 67,
    "the condition uses the last carried change": 67,
    "what a parent has left outstanding is left alone": 40,
    "rows that fail when a window ends are ignored": 19,
    "what was carried is settled before it is committed": 19,
    "values that were carried are left out": 33,
}
"""For each safeguard a seed to try first, unless a race detects it. After a long search, the summary names another."""
RICH_RACES = ((96425, 17),)
"""Seeds of races, each with the call in whose middle the other shard's changes are delivered."""


def first_failure(name: str) -> History | None:
    carries = name in BROKEN_CARRYING
    rich = (seed for other, seed in RICH.items() if (other in BROKEN_CARRYING) == carries)
    histories = (generate_history(seed, carries=carries) for seed in dict.fromkeys((*rich, *range(WITHIN))))
    likely = (generate_history(RICH[name], carries=carries),) if name in RICH else ()
    races = (race(seed, call) for seed, call in RICH_RACES)
    for tries, history in enumerate(chain(likely, races, histories)):
        if detects(history):
            if tries > len(RICH):
                warn_of_stale_seed(name, history.seed)
            return history
    return None


def detects(history: History) -> bool:
    violations = find_violations(history)
    assert not any("raised TypeError" in one for one in violations), "the breakage does not fit what it replaces"
    return bool(violations)


def race(seed: int, call: int) -> History:
    """Return the history of a seed whose last step is a race, with the race at another call."""
    history = generate_history(seed)
    *steps, last = history.steps
    assert isinstance(last, Deliver)
    (fault,) = last.run.faults
    return replace(history, steps=(*steps, replace(last, run=replace(last.run, faults=(replace(fault, call=call),)))))


@pytest.mark.parametrize("name", BROKEN_SAFEGUARDS, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_safeguard_is_detected(name: str) -> None:
    with isolated(), BROKEN_SAFEGUARDS[name]():
        found = first_failure(name)
    assert found is not None
    with isolated():
        assert not find_violations(found)

"""Files that are loaded under every kind of failure end up in the table and in quarantine, exactly, once."""

import pytest

from tests.simulation.load.__main__ import play
from tests.simulation.load.broken import BROKEN, Break
from tests.simulation.seeds import endings, first_failing

_SEEDS = 120
_WITHIN = 1000


@pytest.mark.parametrize("first", range(0, _SEEDS, 40))
def test_nothing_is_lost_or_comes_back(first: int) -> None:
    for seed in range(first, first + 40):
        assert play(seed) == []


@pytest.mark.parametrize("seed", [19609])
def test_histories_that_were_wrong_once(seed: int) -> None:
    """An invocation that took a file over did not wait, because the SDK had repeated its first call."""
    assert play(seed) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__.strip("_"))
def test_a_broken_safeguard_is_found(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    assert first_failing(_is_found, (BROKEN[broken],), range(_WITHIN), broken.__name__) is not None


def _is_found(seed: int) -> bool:
    try:
        return bool(play(seed))
    except AssertionError:  # a history that never ends
        return True


def test_a_history_follows_from_its_seed_alone() -> None:
    """A failing seed can be played again: it is the same in a process whose sets have another order."""
    play_one = (
        "from tests.simulation.load.history import History\n"
        "history = History(106)\n"
        "history.play()\n"
        "print(history.trace, history.cloud.database.rows('items'))"
    )
    assert len(endings(play_one)) == 1

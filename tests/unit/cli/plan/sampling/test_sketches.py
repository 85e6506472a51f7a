"""Keys are counted, and their growth is estimated, in bounded memory."""

import pytest

from cli.plan.sampling.sketches import DistinctCounter, Growth


def test_different_keys_are_estimated_in_bounded_memory() -> None:
    counter = DistinctCounter()
    for number in range(300_000):
        counter.add(f"key {number % 100_000}")
    assert counter.count() == pytest.approx(100_000, rel=0.08)
    few = DistinctCounter()
    for number in range(5_000):
        few.add(f"key {number % 1_500}")
    assert few.count() == 1_500


def test_new_keys_keep_coming_or_not() -> None:
    new, same, half = Growth(), Growth(), Growth()
    for number in range(20_000):
        new.add(str(number))
        same.add(str(number % 100))
        half.add(str(number // 2))
    assert new.rate() == pytest.approx(1, abs=0.1)
    assert same.rate() == 0
    first = Growth()
    for number in [*range(1_000), *range(1_000), *range(1_000)]:
        first.add(str(number))
    assert first.rate() == pytest.approx(1 / 3)
    assert half.rate() == pytest.approx(1, abs=0.1)

"""Each test of write-behind has a world of its own."""

from collections.abc import Iterator

import pytest

from tests.simulation.world.isolation import isolated


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with isolated():
        yield

"""Lines of a file, on a table that serves few writes: an invocation has time to write them."""

from collections.abc import Iterator
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from local.in_memory import Database
from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.runtime import parallel
from tailrace.errors import Transient
from tests.simulation.slow.services import Clock, SlowCalls, SlowTable, Speed
from tests.simulation.world.serial_executor import SerialExecutor

ROWS = [{"pk": {"S": f"orders#{number}"}} for number in range(500)]


@pytest.fixture(autouse=True)
def without_threads() -> Iterator[None]:
    with patch.object(parallel, "ThreadPoolExecutor", lambda _threads: SerialExecutor(0)):
        yield


def written(writes: float) -> int:
    """Write the lines that are held at once, and return how many are stored when the time is up."""
    clock, database = Clock(), Database()
    database.create("items", "pk")
    chance = Random(1)  # noqa: S311 - not a secret
    table: Any = SlowTable(SlowCalls(clock, chance, Speed(0.02, writes=writes)), database)
    clock.begin(900)

    def has_time() -> bool:
        return clock.get_remaining_time_in_millis() >= 40_000

    try:
        assert not put_all_or_raise(table, "items", ROWS, sleep=clock.sleep, has_time=has_time)
    except Transient:
        assert not has_time()
    return len(database.rows("items"))


@pytest.mark.parametrize("writes", [1, 5, 20])
def test_a_table_that_serves_few_writes_gets_all_lines(writes: float) -> None:
    assert written(writes) == len(ROWS)


def test_what_there_is_no_time_for_is_told() -> None:
    assert 100 < written(0.4) < len(ROWS)

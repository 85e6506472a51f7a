"""Calls that do not depend on each other."""

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from tailrace.aws.runtime.parallel import run_all

TIMEOUT_S = 30


def test_results_are_in_the_order_of_the_calls() -> None:
    assert run_all([partial(pow, one, 2) for one in range(50)], 8) == [one**2 for one in range(50)]
    assert run_all([], 8) == []


def test_calls_are_made_side_by_side() -> None:
    together = Barrier(3, timeout=TIMEOUT_S)
    assert sorted(run_all([together.wait] * 3, 3)) == [0, 1, 2]


def test_a_single_call_is_made_in_the_callers_thread() -> None:
    assert run_all([threading.get_ident], 8) == [threading.get_ident()]


def test_the_first_error_is_raised_after_all_calls_have_ended() -> None:
    done: list[int] = []

    def call(number: int) -> None:
        if number < 2:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="0"):
        run_all([partial(call, number) for number in range(20)], 4)
    assert sorted(done) == list(range(2, 20))


def test_the_executor_has_no_more_threads_than_allowed_or_needed() -> None:
    asked: list[int] = []

    def executor(threads: int) -> Executor:
        asked.append(threads)
        return ThreadPoolExecutor(threads)

    assert run_all([lambda: 1] * 3, 8, executor) == [1, 1, 1]
    assert run_all([lambda: 1] * 9, 2, executor) == [1] * 9
    assert asked == [3, 2]

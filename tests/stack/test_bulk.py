"""A file that several invocations load, on the emulated stack, whose processes are killed at random moments."""

from collections.abc import Iterator

import pytest

from benchmarks.stages import bulk
from local.stack import Stack

KILLS = 3


@pytest.fixture
def short_lived(signed_stack: Stack) -> Iterator[Stack]:
    """Let an invocation of load end a few seconds after it has begun: it keeps a minute for its end."""
    function, client = signed_stack.resources["LoadFunction"], signed_stack.client("lambda")
    before = client.get_function_configuration(FunctionName=function)["Timeout"]
    client.update_function_configuration(FunctionName=function, Timeout=62)
    try:
        yield signed_stack
    finally:
        client.update_function_configuration(FunctionName=function, Timeout=before)


def test_a_killed_load_loses_and_doubles_nothing(short_lived: Stack) -> None:
    """However many invocations that takes: Lambda ends other functions that call themselves more than 16 times."""
    name = short_lived.resources["LoadFunction"]
    setting = short_lived.client("lambda").get_function_recursion_config(FunctionName=name)
    assert setting["RecursiveLoop"] == "Allow"
    expected = bulk.upload(short_lived, 12_000_000, 2048, 400)
    receipt, course = bulk.follow(short_lived, KILLS, (0.0, 0.8))
    assert bulk.differences(short_lived, expected, receipt) == []
    assert course.killed
    assert 0 < course.peak < 256 * 1024

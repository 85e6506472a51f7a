"""Waiting for what a stack does by itself.

The emulator collects a function's log lines for some milliseconds after its response. What it reads later, on a busy
machine, it adds to the function's next invocation, which a quiet stack never has. So whoever waits for a line invokes
the function again.
"""

import time
from collections.abc import Callable

import urllib3

from local.stack import Stack

SECONDS = 120
_PATIENCE_S = 10
_WITHOUT_RECORDS = '{"Records": []}'


def eventually[Found](look: Callable[[], Found | None], seconds: float = SECONDS) -> Found:
    """Wait until something is found."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def await_logged[Found](
    stack: Stack, function: str, look: Callable[[], Found | None], seconds: float = SECONDS
) -> Found:
    """Wait until something is found in the log of a function."""
    late = time.monotonic() + _PATIENCE_S

    def look_again() -> Found | None:
        nonlocal late
        if time.monotonic() > late:
            invoke_without_effect(stack, function)
            late = time.monotonic() + _PATIENCE_S
        return look()

    return eventually(look_again, seconds)


def invoke_without_effect(stack: Stack, function: str) -> None:
    """Invoke a function with nothing to do."""
    if function == "api":
        urllib3.request("GET", stack.api_url)
    else:
        answer = stack.client("lambda").invoke(FunctionName=f"tailrace-{function}", Payload=_WITHOUT_RECORDS)
        assert "FunctionError" not in answer, answer["Payload"].read()

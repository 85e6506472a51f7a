"""Waiting for what a function logs.

The emulator collects a function's log lines for some milliseconds after its response. What it reads later, on a busy
machine, it adds to the function's next invocation, which a quiet stack never has. So whoever waits invokes it again.
"""

import time
from collections.abc import Callable

import urllib3

from local.stack import Stack

_PATIENCE_S = 10
_WITHOUT_RECORDS = '{"Records": []}'


def await_logged[Found](stack: Stack, function: str, look: Callable[[], Found | None], seconds: float = 120) -> Found:
    """Wait until something is found in the log of a function."""
    now = time.monotonic()
    deadline, late = now + seconds, now + _PATIENCE_S
    while not (found := look()):
        now = time.monotonic()
        assert now < deadline
        if now > late:
            invoke_without_effect(stack, function)
            late = now + _PATIENCE_S
        time.sleep(0.2)
    return found


def invoke_without_effect(stack: Stack, function: str) -> None:
    """Invoke a function with nothing to do."""
    if function == "api":
        urllib3.request("GET", stack.api_url)
    else:
        answer = stack.client("lambda").invoke(FunctionName=f"tailrace-{function}", Payload=_WITHOUT_RECORDS)
        assert "FunctionError" not in answer, answer["Payload"].read()

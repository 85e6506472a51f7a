"""The processes that an emulator runs functions in, by their command: forks do not show the function's environment."""

import re
import subprocess
from collections.abc import Callable
from typing import NamedTuple

_WORKER = re.compile(r"ministack-lambda-tailrace-(\w+)-")


class FunctionProcess(NamedTuple):
    """A running process: the function, and the memory that it takes in KiB."""

    function: str
    kib: int


def function_processes(is_root: Callable[[int, str], bool]) -> dict[int, FunctionProcess]:
    """Return the processes of functions among the descendants of those whose id and command are given, by their id."""
    columns = ["ps", "-axww", "-o", "pid=,ppid=,rss=,command="]
    table = subprocess.run(columns, capture_output=True, check=True).stdout.decode(errors="replace")  # noqa: S603
    children: dict[int, list[tuple[int, int, str]]] = {}
    waiting = []
    for line in table.splitlines():
        *numbers, command = line.split(None, 3)
        pid, parent, kib = map(int, numbers)
        children.setdefault(parent, []).append((pid, kib, command))
        if is_root(pid, command):
            waiting.append(pid)
    found: dict[int, FunctionProcess] = {}
    while waiting:
        for pid, kib, command in children.pop(waiting.pop(), ()):
            waiting.append(pid)
            worker = _WORKER.search(command)
            if worker and "fork_server.py" not in command:
                found[pid] = FunctionProcess(worker[1], kib)
    return found

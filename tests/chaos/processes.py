"""The processes that the emulator runs the functions in: they are killed, their memory is full, their clocks jump."""

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

IN_PROCESS = Path(__file__).with_name("in_process")
LIMITS_MEMORY = sys.platform == "linux"
"""Whether the memory of a running process can be limited from outside."""

_PAGE = resource.getpagesize()
_NO_LIMIT = resource.RLIM_INFINITY


class FunctionProcesses:
    """The processes of all functions, by the files that they make at their start: see `in_process/sitecustomize.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """The variables that every function needs."""
        return {"PYTHONPATH": str(IN_PROCESS), "CHAOS_DIR": str(self.folder)}

    def of(self, function: str) -> list[int]:
        """Return the running processes of a function."""
        found = []
        for path in self.folder.glob(f"{function}.*.pid"):
            pid = int(path.suffixes[-2][1:])
            if _runs(pid, function):
                found.append(pid)
            else:
                path.unlink(missing_ok=True)
        return found

    def kill(self, function: str) -> None:
        """Kill all processes of a function."""
        for pid in self.of(function):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def set_clock(self, function: str, offset_s: float) -> None:
        """Put a function's clocks forward, or back if negative."""
        path = self.folder / f"{function}.clock"
        partial = path.with_suffix(".partial")
        partial.write_text(str(offset_s))
        partial.replace(path)

    def fill_memory(self, function: str, rng: random.Random) -> Callable[[], None]:
        """Leave a function's processes little memory; return what gives it back."""
        limited = []
        for pid in self.of(function):
            with suppress(OSError):
                size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * _PAGE
                resource.prlimit(pid, resource.RLIMIT_AS, (size + rng.randint(0, 4_000_000), _NO_LIMIT))
                limited.append(pid)

        def give_back() -> None:
            for pid in limited:
                with suppress(OSError):
                    resource.prlimit(pid, resource.RLIMIT_AS, (_NO_LIMIT, _NO_LIMIT))

        return give_back


def _runs(pid: int, function: str) -> bool:
    """Tell whether the process is the function's: ids are used again."""
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return f"ministack-lambda-tailrace-{function}-" in shown.stdout

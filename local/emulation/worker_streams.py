"""Keep what a function's programs print, and what they read, out of the pipes between the emulator and the function.

The emulator's worker receives events through its standard input and sends responses through its standard output, from
which it keeps only what Python's own `print` writes. Programs that the function starts, and compiled libraries, use the
same two streams: they could read the next event, and what they print would become part of the next response, or be
taken for it. On AWS, it is in the function's log.
"""

from typing import Any

SCRIPT = "_PYTHON_WORKER_SCRIPT"
"""The name of the text that the emulator's function processes run."""

PROLOGUE = """
import os, sys
sys.stdin = open(os.dup(0), encoding="utf-8")  # duplicates are not inherited by programs
sys.stdout = open(os.dup(1), "w", encoding="utf-8")
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.close(nothing)
os.dup2(2, 1)
del nothing
"""

type Json = dict[str, Any]


def separate_streams(runtime: Json) -> None:
    """Let the emulator's module with these names start functions whose programs have streams of their own."""
    runtime[SCRIPT] = PROLOGUE + runtime[SCRIPT]

"""What the process of a Python function does before it runs the emulator's script: it becomes more like one on Lambda.

Streams: the script receives events through its standard input and sends responses through its standard output, from
which it keeps only what Python's own `print` writes. Programs that the function starts, and compiled libraries, use the
same two streams: they could read the next event, and what they print would become part of the next response, or be
taken for it. On AWS, it is in the function's log.

Modules: the emulator's own packages, such as requests or PyYAML, are not in Lambda's runtime. A function that imports
one of them without having it in a layer works nowhere but here.
"""

from typing import Any

SCRIPT = "_PYTHON_WORKER_SCRIPT"
"""The name of the text that the emulator's function processes run."""

RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "snapshot_restore_py")
"""Modules that Lambda's runtime has (Lambda guide, lambda-python)."""

PROLOGUE = f"""
def separate_streams():
    import os, sys
    sys.stdin = open(os.dup(0), encoding="utf-8")  # duplicates are not inherited by programs
    sys.stdout = open(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)

def hide_modules():
    import sys, sysconfig
    from importlib.machinery import PathFinder
    folders = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    sys.path[:] = [folder for folder in sys.path if folder not in folders]

    class Runtime:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return PathFinder.find_spec(name, folders) if path is None and name in {RUNTIME} else None

    sys.meta_path.append(Runtime)

separate_streams()
hide_modules()
del separate_streams, hide_modules
"""

type Json = dict[str, Any]


def prepare_processes(runtime: Json) -> None:
    """Let the emulator's module with these names start functions whose streams and modules are as on Lambda."""
    runtime[SCRIPT] = PROLOGUE + runtime[SCRIPT]

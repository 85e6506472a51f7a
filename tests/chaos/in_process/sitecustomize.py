"""Runs at the start of every function's process: names the process, and lets its clock jump.

The folder CHAOS_DIR has an empty file for each process, and a file for each function whose clock is wrong.
"""

import datetime as dt
import importlib
import os
import time
from pathlib import Path
from typing import Any

_FOLDER = Path(os.environ.get("CHAOS_DIR", ""))
_FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").rpartition("-")[2]
_CLOCK = _FOLDER / f"{_FUNCTION}.clock"
_real_time = time.time
_real = dt.datetime


def _offset() -> float:
    try:
        return float(_CLOCK.read_text())
    except (OSError, ValueError):
        return 0.0


class _Kind(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, _real)


class _Datetime(_real, metaclass=_Kind):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)


# a definition's fingerprint names the classes that it uses
_Datetime.__module__ = _Datetime.__name__ = _Datetime.__qualname__ = "datetime"

if os.environ.get("CHAOS_DIR") and _FUNCTION:
    (_FOLDER / f"{_FUNCTION}.{os.getpid()}.pid").touch()
    time.time = lambda: _real_time() + _offset()
    setattr(dt, "datetime", _Datetime)  # noqa: B010 - types cannot be assigned
    if os.environ.get("CHAOS_BREAK"):
        importlib.import_module("broken_safeguards").install(os.environ["CHAOS_BREAK"])

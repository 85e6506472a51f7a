"""A clock that is wrong: for modules that are imported after it was shifted, as the user's are."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any


def shift_clock(seconds: int) -> None:
    """Move what ``time`` and ``datetime`` say by some seconds, for this process."""
    now, in_ns = time.time, time.time_ns
    module: Any = time
    module.time = lambda: now() + seconds
    module.time_ns = lambda: in_ns() + seconds * 1_000_000_000
    for name in ("gmtime", "localtime", "ctime"):
        setattr(module, name, _with_shifted_default(getattr(time, name)))
    strftime, local = time.strftime, time.localtime
    module.strftime = lambda form, *moment: strftime(form, *(moment or (local(),)))

    class Kind(type):
        """What was made before, or by C code, counts as well."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, cls.__mro__[1])

    class ShiftedDate(dt.date, metaclass=Kind):
        """A date, whose today is another one."""

        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(now() + seconds)

    class ShiftedDatetime(dt.datetime, metaclass=Kind):
        """A datetime, whose now is another one."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(now() + seconds, tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(now() + seconds, dt.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    ShiftedDate.__name__, ShiftedDatetime.__name__ = "date", "datetime"  # which functions may show
    patched: Any = dt
    patched.date, patched.datetime = ShiftedDate, ShiftedDatetime


def _with_shifted_default(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda moment=None: function(time.time() if moment is None else moment)

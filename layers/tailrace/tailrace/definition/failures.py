"""Failures of the user's functions, told with the function, file and line that raised."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath
from traceback import walk_tb
from types import CodeType, TracebackType
from typing import Any

_MAX_MESSAGE = 500
_ENGINE = str(PurePath(__file__).parents[1])


def describe_failure(error: BaseException, function: Callable[..., Any]) -> str:
    """Return the error that a user's function raised, and where.

    The place is the innermost line in the folder of the function; without one, the function itself, which then returned
    something that cannot be used.

    Example:
        >>> def with_tax(order):
        ...     return order["net"] + order["vat"]
        >>> try:
        ...     with_tax({"net": 100})
        ... except KeyError as error:
        ...     print(describe_failure(error, with_tax).split(" (")[0])
        KeyError: 'vat', in with_tax
    """
    code = code_of(function)
    if code is None:
        place = getattr(function, "__qualname__", type(function).__qualname__)
    else:
        folder = str(PurePath(code.co_filename).parent)
        inside = [(found, line) for found, line in _lines(error.__traceback__) if found.co_filename.startswith(folder)]
        found, line = inside[-1] if inside else (code, code.co_firstlineno)
        place = f"{found.co_name} ({'/'.join(PurePath(found.co_filename).parts[-2:])}:{line})"
    return f"{type(error).__name__}: {str(error)[:_MAX_MESSAGE]}, in {place}"


def _lines(traceback: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    """Yield the code and line of each call outside of the engine, the innermost last."""
    calls = ((frame.f_code, line) for frame, line in walk_tb(traceback))
    return ((code, line) for code, line in calls if not code.co_filename.startswith(_ENGINE))


def code_of(function: Any) -> CodeType | None:
    """Return the code of a function, a method, a partial or a callable object; None if it is not written in Python."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__wrapped__", function)
    for candidate in (function, type(function).__call__):
        code = getattr(candidate, "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None

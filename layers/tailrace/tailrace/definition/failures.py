"""Failures of the user's functions, reported with the function, file and line that raised."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any

_MAX_MESSAGE = 500
_MAX_CAUSES = 3
_ENGINE = str(PurePath(__file__).parents[1] / "_")[:-1]  # ends in a separator

FAILURES = (Exception, SystemExit)
"""What a user's function may raise that concerns one item only; ``sys.exit()`` would end the whole process."""


def describe_failure(error: BaseException, function: Callable[..., Any]) -> str:
    """Return the error that a user's function raised, where, and the errors that it was raised from.

    The place is the innermost line in the package of the function; without one, the function itself, which then
    returned something that cannot be used. If code of another package raised, its line is reported as well.

    Example:
        >>> def with_tax(order):
        ...     return order["net"] + order["vat"]
        >>> try:
        ...     with_tax({"net": 100})
        ... except KeyError as error:
        ...     print(describe_failure(error, with_tax).split(" (")[0])
        KeyError: 'vat', in with_tax
    """
    text = f"{_name_and_text(error)}, in {_place(error, function)}"
    for _ in range(_MAX_CAUSES):
        cause = _cause(error)
        if cause is None:
            break
        error = cause
        text += f"; because of {_name_and_text(error)}"
        calls = list(_calls(error.__traceback__))
        text += f", in {_line(*calls[-1])}" if calls else ""
    return text


def _place(error: BaseException, function: Callable[..., Any]) -> str:
    code = code_of(function)
    if code is None:
        return str(getattr(function, "__qualname__", type(function).__qualname__))
    calls = list(_calls(error.__traceback__))
    package = next((_package(frame) for frame, _ in calls if frame.f_code is code), None)
    folder = str(PurePath(code.co_filename).parent)
    own = [
        call
        for call in calls
        if _package(call[0]) == package or str(PurePath(call[0].f_code.co_filename).parent) == folder
    ]
    if not own:
        return _named(code, code.co_firstlineno)
    deepest = "" if calls[-1] is own[-1] else f", which called {_line(*calls[-1])}"
    return _line(*own[-1]) + deepest


def _name_and_text(error: BaseException) -> str:
    try:
        text = str(error)[:_MAX_MESSAGE]
    except FAILURES:  # an error of the user's own, which cannot be converted to text
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _cause(error: BaseException) -> BaseException | None:
    """Return the error from which, or in whose handling, the user's code raised another one."""
    if error.__cause__ is not None or error.__suppress_context__ or error.__context__ is None:
        return error.__cause__
    caught_in = error.__context__.__traceback__
    if caught_in is None or caught_in.tb_frame.f_code.co_filename.startswith(_ENGINE):
        return None  # the engine evaluates again what has failed
    return error.__context__


def _calls(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield each call outside the engine and the standard library, with its line, the innermost last."""
    for frame, line in walk_tb(traceback):
        if not frame.f_code.co_filename.startswith(_ENGINE) and _package(frame) not in sys.stdlib_module_names:
            yield frame, line


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _line(frame: FrameType, line: int) -> str:
    return _named(frame.f_code, line)


def _named(code: CodeType, line: int) -> str:
    return f"{code.co_name} ({'/'.join(PurePath(code.co_filename).parts[-2:])}:{line})"


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

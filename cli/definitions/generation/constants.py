"""The constants in the user's functions, which branches may depend on: items are generated around them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

from msgspec import Struct

from tailrace.encoding.numbers import Number, is_encodable, is_representable, normalise
from tailrace.encoding.tagged_json import dumps, loads

_MAX_VALUES = 300
_MAX_DEPTH = 6
_MAX_TEXT = 200


class Constants(Struct, frozen=True):
    """What the functions compare with, as far as their code shows it."""

    numbers: tuple[Number, ...]
    texts: tuple[str, ...]


def constants_of(functions: Iterable[Callable[..., Any]]) -> Constants:
    """Return the constants of functions, and of what they use from their own package, as the table would hold them."""
    numbers: dict[Number, None] = {}
    texts: dict[str, None] = {}
    for value in _values(functions):
        if isinstance(value, str) and len(value) <= _MAX_TEXT and is_encodable(value):
            texts[stored(value)] = None
        elif isinstance(value, int | Decimal | float) and not isinstance(value, bool) and _is_number(value):
            numbers[stored(value)] = None
    return Constants(tuple(numbers)[:_MAX_VALUES], tuple(texts)[:_MAX_VALUES])


def _is_number(value: Any) -> bool:
    return value == value and bool(abs(value) < 10**30) and is_representable(stored(value))  # noqa: PLR0124 - NaN


def stored(value: Any) -> Any:
    """Return a value of the definition as the table would hold it: with the text or number of a member of an enum.

    Raises:
        InvalidMessage: no item can contain it.
    """
    return loads(dumps(normalise(float(value) if isinstance(value, float) else value)))


def _values(functions: Iterable[Callable[..., Any]]) -> Iterator[Any]:
    seen: set[int] = set()
    waiting: list[tuple[Any, int, str]] = [(function, 0, _package(function)) for function in functions]
    while waiting:
        value, depth, package = waiting.pop()
        if id(value) in seen or depth > _MAX_DEPTH:
            continue
        seen.add(id(value))
        if isinstance(value, str | int | float | Decimal):
            yield value
        else:
            waiting += [(inner, depth + 1, package) for inner in _inner(value, package)]


def _inner(value: Any, package: str) -> Iterator[Any]:
    if isinstance(value, FunctionType):
        yield value.__code__
        yield from (value.__defaults__ or ())
        yield from (cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell))
        yield from (value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__)
    elif isinstance(value, MethodType | partial):
        yield from (value.__func__, value.__self__) if isinstance(value, MethodType) else (value.func, *value.args)
    elif isinstance(value, CodeType):
        yield from value.co_consts
    elif isinstance(value, Mapping):
        yield from (*value.keys(), *value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, type) or type(value).__module__.partition(".")[0] == package:
        owner = value if isinstance(value, type) else type(value)
        if owner.__module__.partition(".")[0] == package:
            yield from vars(owner).values()
            yield from () if isinstance(value, type) else getattr(value, "__dict__", {}).values()


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a variable that has no value yet
        return False


def _package(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__).partition(".")[0]

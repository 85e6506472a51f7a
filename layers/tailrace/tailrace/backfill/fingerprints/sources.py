"""What a user's function says: its source without comments and docstrings, and that of what it refers to.

Names are followed through the function's own package: functions, classes, modules, objects and plain values. Functions
of libraries are named and not followed. Nothing depends on where the package is installed, on the order of its lines or
on the process: the same source says the same everywhere.
"""

import enum
import functools
import re
import sys
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from zoneinfo import ZoneInfo

from tailrace.backfill.fingerprints.source_text import imported_modules, source_of
from tailrace.definition.fields.zones import zone_rules

_SCALARS = (int, float, complex, bool, bytes, type(None))
_BOUND = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
_LIBRARIES = sys.stdlib_module_names | {"tailrace"}


def describe_function(function: Any) -> Mapping[str, str]:
    """Return what a function, or another object, and everything of its package that it refers to say, by their names.

    Raises:
        DefinitionError: a source cannot be read, as of a function that was made by ``exec``.
    """
    try:
        return _described(function)
    except TypeError:  # an object that cannot be hashed
        return _Description(function).found


@functools.lru_cache(maxsize=1024)
def _described(function: Any) -> Mapping[str, str]:
    return _Description(function).found


class _Description:
    """A description under way. ``found`` holds the source of each function and class, and what their names mean."""

    def __init__(self, function: Any) -> None:
        root = function
        while isinstance(root, functools.partial):
            root = root.func
        self.package = _package(_module_name(root))
        self.folder = _folder(self.package)
        self.found: dict[str, str] = {}
        self._labels: dict[int, str] = {}
        self._within: set[int] = set()  # the containers and objects that are being described
        self.found["function"] = self.describe(function)

    def describe(self, value: Any) -> str:
        """Return what stands for a value; enter what it says, if it has a source of its own."""
        if isinstance(value, functools.partial | functools.partialmethod):
            parts = [value.func, *value.args, *(part for pair in sorted(value.keywords.items()) for part in pair)]
            return f"partial({', '.join(self.describe(part) for part in parts)})"
        if isinstance(value, _BOUND) and not isinstance(value.__self__, types.ModuleType | types.NoneType):
            inner = self.describe(value.__func__) if isinstance(value, types.MethodType) else value.__name__
            return f"{inner} of {self.describe(value.__self__)}"
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if hasattr(value, "__wrapped__") and callable(value):  # such as a function with a cache
            return f"{type(value).__qualname__} of {self.describe(value.__wrapped__)}"
        return self._data(value)

    # --- functions and classes --------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> str:
        name = f"{_module_name(function)}.{function.__code__.co_qualname}"
        if not self._is_own(_module_name(function)):
            inner = [self.describe(part) for part in _inner_functions(function)]
            return f"{name} of {', '.join(inner)}" if inner else name
        label, known = self._label(function, name)
        if not known:
            self.found[label] = source_of(function)
            self._enter(label, _references(function))
        return label

    def _class(self, owner: type) -> str:
        name = f"{owner.__module__}.{owner.__qualname__}"
        if not self._is_own(owner.__module__):
            return name
        label, known = self._label(owner, name)
        if not known:
            self.found[label] = source_of(owner)
            self._enter(label, ((f"base {index}", base) for index, base in enumerate(owner.__bases__)))
            if isinstance(owner, enum.EnumType):
                members: Iterable[enum.Enum] = owner
                self._enter(label, ((member.name, member.value) for member in members))
            for attribute, held in vars(owner).items() if not isinstance(owner, enum.EnumType) else ():
                method = None if attribute.startswith("__annotate") else _method(held)  # the source has annotations
                if method is None and not attribute.startswith("__"):
                    self.found[f"{label} {attribute}"] = self.describe(held)
                elif method is not None and self._is_own(_module_name(method)) and not _is_generated(method):
                    self._enter(f"{label}.{attribute}", _references(method))
        return label

    def _enter(self, label: str, references: Iterable[tuple[str, Any]]) -> None:
        for used, meant in references:
            self.found[f"{label} {used}"] = self.describe(meant)

    def _label(self, value: Any, name: str) -> tuple[str, bool]:
        """Return a value's label, and whether it is entered. Lambdas of one module are told apart by their order."""
        if id(value) in self._labels:
            return self._labels[id(value)], True
        number = sum(label.partition(":")[0] == name for label in self._labels.values())
        label = f"{name}:{number}" if number else name
        self._labels[id(value)] = label
        return label, False

    def _is_own(self, module: str) -> bool:
        return _package(module) == self.package and self.package not in _LIBRARIES

    # --- values -----------------------------------------------------------------------------------------------

    def _data(self, value: Any) -> str:
        """Return a text for a value without a source: equal for equal values, where that can be told."""
        if isinstance(value, enum.Enum):
            return f"{self.describe(type(value))}.{value.name}"
        if isinstance(value, str | PurePath):
            text = repr(str(value))
            return text.replace(self.folder, "<package>") if self.folder else text
        if isinstance(value, re.Pattern):  # its repr is cut
            return f"pattern({value.pattern!r}, {int(value.flags)})"
        if isinstance(value, types.ModuleType):
            return value.__name__
        if isinstance(value, ZoneInfo) and value.key:
            return f"ZoneInfo({value.key}, {zone_rules(value.key)})"
        if isinstance(value, types.BuiltinFunctionType):
            return f"{value.__module__}.{value.__name__}"
        if id(value) in self._within:
            return "..."
        self._within.add(id(value))
        try:
            return self._container(value)
        finally:
            self._within.remove(id(value))

    def _container(self, value: Any) -> str:
        kind = type(value)
        name = self.describe(kind) if self._is_own(kind.__module__) else kind.__qualname__
        if isinstance(value, list | tuple):
            return f"{name}[{', '.join(self.describe(part) for part in value)}]"
        if isinstance(value, set | frozenset):
            return f"{name}[{', '.join(sorted(self.describe(part) for part in value))}]"
        if isinstance(value, Mapping) and not isinstance(
            value, weakref.WeakKeyDictionary | weakref.WeakValueDictionary
        ):
            pairs = sorted((self.describe(key), self.describe(part)) for key, part in value.items())
            return f"{name}[{', '.join(f'{key}: {part}' for key, part in pairs)}]"
        if self._is_own(kind.__module__):
            state = [f"{attribute}={self.describe(part)}" for attribute, part in sorted(_state(value).items())]
            return f"{name}({', '.join(state)})"
        text = repr(value)
        return kind.__qualname__ if not isinstance(value, _SCALARS) and " at 0x" in text else text


def _package(module: str) -> str:
    return module.partition(".")[0]


def _module_name(value: Any) -> str:
    if isinstance(value, types.FunctionType):  # its __module__ may be that of a function that it wraps
        return str(value.__globals__.get("__name__", value.__module__))
    return str(getattr(value, "__module__", None) or type(value).__module__)


def _folder(package: str) -> str:
    module = sys.modules.get(package)
    places = list(getattr(module, "__path__", ())) or [Path(file).parent for file in (_file(module),) if file]
    return str(places[0]) if places else ""


def _file(module: types.ModuleType | None) -> str | None:
    return getattr(module, "__file__", None)


def _inner_functions(function: types.FunctionType) -> Iterator[Any]:
    """Yield the functions that a library's function has got, as that of a decorator has."""
    with suppress(AttributeError):
        yield function.__wrapped__  # type: ignore[attr-defined]
        return
    for _, value in _closure(function):
        if isinstance(value, types.FunctionType | functools.partial | types.MethodType):
            yield value


def _method(member: Any) -> types.FunctionType | None:
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    elif isinstance(member, property):
        member = member.fget
    elif isinstance(member, functools.cached_property):
        member = member.func
    return member if isinstance(member, types.FunctionType) else None


def _is_generated(function: types.FunctionType) -> bool:
    return function.__code__.co_filename.startswith("<")


def _state(value: Any) -> Mapping[str, Any]:
    slots = [name for kind in type(value).__mro__ for name in _slots(kind)]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return held | getattr(value, "__dict__", {})


def _slots(kind: type) -> Iterator[str]:
    slots = vars(kind).get("__slots__", ())
    yield from (name for name in ([slots] if isinstance(slots, str) else slots) if not name.startswith("__"))


def _references(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function's names mean: globals, members of modules, closures and defaults."""
    names = sorted(_names(function.__code__))
    for name in names:
        if name in function.__globals__ and not name.startswith("__"):
            meant = function.__globals__[name]
            yield name, meant
            if isinstance(meant, types.ModuleType):
                yield from _members(name, meant, names, set())
    for module in imported_modules(function):
        yield from _members(module.__name__, module, names, set())
    yield from _closure(function)
    yield "defaults", function.__defaults__ or ()
    yield "keyword defaults", function.__kwdefaults__ or {}


def _members(label: str, module: types.ModuleType, names: list[str], seen: set[str]) -> Iterator[tuple[str, Any]]:
    seen.add(module.__name__)
    for name in names:
        if name not in vars(module) or name.startswith("__"):
            continue
        meant = vars(module)[name]
        yield f"{label}.{name}", meant
        inner = meant.__name__ if isinstance(meant, types.ModuleType) else ""
        if inner and inner not in seen and _package(inner) == _package(module.__name__):
            yield from _members(f"{label}.{name}", meant, names, seen)


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a cell that is empty as yet
            yield name, cell.cell_contents


def _names(code: types.CodeType) -> set[str]:
    """Return the names in a function's code, and in that of the functions and comprehensions within it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)

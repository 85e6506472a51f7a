"""What a user's function says: its source without comments and docstrings, and that of what it refers to.

Names are followed through the function's own package: functions, classes, modules, objects and plain values. Functions
of libraries are named and not followed. Nothing depends on where the package is installed, on the order of its lines or
on the process: the same source says the same everywhere.
"""

import decimal
import enum
import functools
import re
import string
import sys
import types
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, time, timedelta
from pathlib import Path, PurePath
from typing import Any, get_origin
from zoneinfo import ZoneInfo

from tailrace.backfill.fingerprints.references import (
    Identity,
    attributes,
    field_defaults,
    further_methods,
    held_functions,
    implementations,
    inner_functions,
    is_generated,
    is_within,
    method,
    module_name,
    package_of,
    references,
    root_of,
    state_of,
    used_names,
)
from tailrace.backfill.fingerprints.source_text import dict_displays, source_of, tables
from tailrace.definition.times.zones import zone_rules

_SCALARS = (int, float, complex, bool, bytes, type(None))
_VALUES = (int, float, complex, bytes, decimal.Decimal, date, time, timedelta)
_WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
_LOOK_UPS = {"get", "__getitem__", "__contains__"}
_BOUND = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
type _References = Callable[[types.FunctionType], Iterable[tuple[str, Any]]]
_LIBRARIES = sys.stdlib_module_names | {"tailrace"}


def describe_function(function: Any) -> Mapping[str, str]:
    """Return the sources, by name, of a function or another object and of everything in its package that it refers to.

    Raises:
        DefinitionError: a source cannot be read, such as that of a function made by ``exec``.
    """
    return _described(Identity(function))


@functools.lru_cache(maxsize=1024)
def _described(identity: Identity) -> Mapping[str, str]:
    return _Description(identity.value).found


class _Description:
    """A description under way. ``found`` holds the source of each function and class, and what their names mean."""

    def __init__(self, function: Any) -> None:
        self.package = package_of(module_name(root_of(function)))
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
            of: Any = value.__self__
            is_table = getattr(value, "__name__", "") in _LOOK_UPS and self._is_library_mapping(of)
            return f"{inner} of {self._mapping(of, is_table=True) if is_table else self.describe(of)}"
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, functools.singledispatchmethod):
            return f"singledispatchmethod of {self.describe(value.dispatcher)}"
        if isinstance(value, classmethod):
            return f"classmethod of {self.describe(value.__func__)}"
        if isinstance(value, type):
            return self._class(value)
        if isinstance(origin := get_origin(value), type) and self._is_own(origin.__module__):  # such as Table[int]
            return f"{self._class(origin)} as {value!r}"
        if callable(value) and not self._is_own(type(value).__module__) and hasattr(value, "__wrapped__"):  # as a cache
            return f"{type(value).__qualname__} of {self.describe(value.__wrapped__)}"
        return self._data(value)

    # --- functions and classes --------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> str:
        name = f"{module_name(function)}.{function.__code__.co_qualname}"
        if not self._is_own(module_name(function)):
            inner = [self.describe(part) for part in inner_functions(function)]
            return (f"{name} of {', '.join(inner)}" if inner else name) + self._implementations(function)
        label, known = self._label(function, name)
        if not known:
            self.found[label] = source_of(function)
            self._enter(label, references(function), tables(function))
            self._enter(label, attributes(function))
        return label

    def _implementations(self, function: types.FunctionType) -> str:
        """Return the implementations of a generic function, as far as they are the package's own."""
        own = {
            self.describe(kind): self.describe(one)
            for kind, one in implementations(function).items()
            if self._is_own(module_name(getattr(one, "__func__", one)))
        }
        return f", {', '.join(f'{kind}: {one}' for kind, one in sorted(own.items()))}" if own else ""

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
                self._enter(label, ((member.name, member.value) for member in members), dict_displays(owner))
            else:
                self._members(label, owner)
            if self._is_own(type(owner).__module__):
                self._enter(label, [("metaclass", type(owner))])
            self._enter(
                label, ((name, made) for name, made in field_defaults(owner) if not self._is_library_class(made))
            )
            for further, one in further_methods(owner):
                self._enter_method(label, owner, further, one, used_names)
        return label

    def _members(self, label: str, owner: type) -> None:
        displays = dict_displays(owner) | {"_field_defaults"}  # whose order is that of a named tuple's fields
        for attribute, held in vars(owner).items():
            found = None if attribute.startswith("__annotate") else method(held)  # the source has annotations
            if found is None and not attribute.startswith("__"):
                self._enter(label, [(attribute, held)], displays)
            elif found is not None:
                self._enter_method(label, owner, attribute, found, references)
            if found is not None and self._is_own(type(held).__module__):  # such as a property of another kind
                self._enter(label, [(f"{attribute} kind", type(held))])

    def _enter_method(self, label: str, owner: type, name: str, function: Any, referred: _References) -> None:
        """Enter what a class's method refers to; for one that was written elsewhere, such as a decorator's, all."""
        if not isinstance(function, types.FunctionType):
            return
        roots = [root_of(one) for one in (function, *inner_functions(function))]
        written = [one for one in roots if self._is_own(module_name(one)) and not is_generated(one)]
        if function in written and is_within(function, owner):
            self._enter(f"{label}.{name}", referred(function), tables(function))
        elif written and not is_generated(function):
            self._enter(label, [(name, function)])

    def _enter(self, label: str, references: Iterable[tuple[str, Any]], unordered: Collection[str] = ()) -> None:
        for used, meant in references:
            is_table = used.rpartition(".")[2] in unordered and self._is_library_mapping(meant)
            self.found[f"{label} {used}"] = self._mapping(meant, is_table=True) if is_table else self.describe(meant)

    def _label(self, value: Any, name: str) -> tuple[str, bool]:
        """Return a value's label, and whether it is entered. Lambdas of one module are told apart by their order."""
        if id(value) in self._labels:
            return self._labels[id(value)], True
        number = sum(label.partition(":")[0] == name for label in self._labels.values())
        label = f"{name}:{number}" if number else name
        self._labels[id(value)] = label
        return label, False

    def _is_own(self, module: str) -> bool:
        return package_of(module) == self.package and self.package not in _LIBRARIES

    def _is_library_class(self, value: Any) -> bool:
        return isinstance(value, type) and not self._is_own(value.__module__)

    # --- values -----------------------------------------------------------------------------------------------

    def _data(self, value: Any) -> str:
        """Return a text for a value without a source: equal for equal values, where that can be told."""
        if isinstance(value, enum.Enum):
            return f"{self.describe(type(value))}.{value.name}"
        if isinstance(value, str | PurePath) and not (isinstance(value, str) and self._is_own(type(value).__module__)):
            return self._text(str(value))
        if isinstance(value, re.Pattern):  # its repr is cut
            return f"pattern({value.pattern!r}, {int(value.flags)})"
        if isinstance(value, types.ModuleType):
            return value.__name__
        if _is_a(value, "logging.Logger"):  # its level is the process's
            return f"<{type(value).__name__} {value.name} (WARNING)>"
        if _is_a(value, "os._Environ"):
            return "os.environ"
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

    def _text(self, value: str) -> str:
        text = repr(value)
        return text.replace(self.folder, "<package>") if self.folder else text

    def _container(self, value: Any) -> str:
        name = self._kind(value)
        if isinstance(value, list | tuple):
            return self._with_state(f"{name}[{', '.join(self.describe(part) for part in value)}]", value)
        if isinstance(value, set | frozenset):
            return self._with_state(f"{name}[{', '.join(sorted(self.describe(part) for part in value))}]", value)
        if isinstance(value, Mapping) and not isinstance(value, _WEAK):
            return self._mapping(value)
        if self._is_own(type(value).__module__):
            return f"{name}({', '.join([*self._contents(value), *self._state(value)])})"
        return self._of_library(value)

    def _contents(self, value: Any) -> list[str]:
        """Return what an object of the package's own class holds besides its attributes."""
        if isinstance(value, str):
            return [self._text(str.__str__(value))]
        if isinstance(value, deque):
            return [f"[{', '.join(self.describe(part) for part in value)}] of {value.maxlen}"]
        return [base.__repr__(value) for base in type(value).__mro__ if base in _VALUES][:1]

    def _kind(self, value: Any) -> str:
        kind = type(value)
        return self.describe(kind) if self._is_own(kind.__module__) else kind.__qualname__

    def _is_library_mapping(self, value: Any) -> bool:
        """Tell whether a value is a mapping that looks up as Python's do."""
        is_mapping = isinstance(value, Mapping) and not isinstance(value, _WEAK)
        return is_mapping and not self._is_own(type(value).__module__) and not _is_a(value, "os._Environ")

    def _mapping(self, value: Mapping[Any, Any], *, is_table: bool = False) -> str:
        pairs = [(self.describe(key), self.describe(part)) for key, part in value.items()]
        parts = ", ".join(f"{key}: {part}" for key, part in (sorted(pairs) if is_table else pairs))
        factory = value.default_factory if isinstance(value, defaultdict) else None
        otherwise = f" or {self.describe(factory)}" if factory else ""
        return self._with_state(f"{self._kind(value)}[{parts}]{otherwise}", value)

    def _state(self, value: Any) -> list[str]:
        return [f"{attribute}={self.describe(part)}" for attribute, part in sorted(state_of(value).items())]

    def _with_state(self, text: str, value: Any) -> str:
        """Return the text of a collection with the attributes of its class that do not just hold its contents."""
        if not self._is_own(type(value).__module__):
            return text
        contents = text[text.index("[") :]
        state = [held for held in self._state(value) if not held.endswith(contents)]
        return f"{text}({', '.join(state)})" if state else text

    def _of_library(self, value: Any) -> str:
        name = type(value).__qualname__
        if isinstance(value, decimal.Context):  # calculations leave their flags in it
            value = value.copy()
            value.clear_flags()
        text = repr(value)
        if isinstance(value, _SCALARS) or " at 0x" not in text:
            return text
        if isinstance(value, deque):
            return f"{name}[{', '.join(self.describe(part) for part in value)}] of {value.maxlen}"
        if isinstance(value, types.SimpleNamespace | string.Template):
            return f"{name}({', '.join(self._state(value))})"
        held = {self.describe(part) for part in held_functions(value) if self._is_own(module_name(root_of(part)))}
        return f"{name} of {', '.join(sorted(held))}" if held else name


def _is_a(value: Any, name: str) -> bool:
    """Tell whether a value is of a class with this name, which the core does not import."""
    return any(f"{kind.__module__}.{kind.__qualname__}" == name for kind in type(value).__mro__)


def _folder(package: str) -> str:
    module = sys.modules.get(package)
    places = list(getattr(module, "__path__", ())) or [Path(file).parent for file in (_file(module),) if file]
    return str(places[0]) if places else ""


def _file(module: types.ModuleType | None) -> str | None:
    return getattr(module, "__file__", None)

"""What functions, classes and objects refer to, one step deep: their globals, members, methods and attributes."""

import dataclasses
import enum
import functools
import gc
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from msgspec import NODEFAULT, Struct, defstruct

from tailrace.backfill.fingerprints.source_text import imported_modules

_FACTORY: Any = type(defstruct("_Sample", [("made", list[int], [])]).__struct_defaults__[0])
_FUNCTIONS = (types.FunctionType, functools.partial, types.MethodType)
_OF_MODULES = {
    *vars(types.ModuleType("any")),
    *("__annotations__", "__builtins__", "__cached__", "__file__", "__path__"),
}


class Identity:
    """An object by its identity: one that its own rules call equal, such as ``Over(1)`` and ``Over(True)``, is another.

    It also keeps the object, so that no later one has the same id.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def package_of(module: str) -> str:
    """Return the package that a module's name begins with."""
    return module.partition(".")[0]


def module_name(value: Any) -> str:
    """Return the name of the module in which a function, a class or an object's class was written."""
    if isinstance(value, types.FunctionType):  # its __module__ may be that of a function that it wraps
        return str(value.__globals__.get("__name__", value.__module__))
    return str(getattr(value, "__module__", None) or type(value).__module__)


def references(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function's names mean: globals, members of modules, closures and defaults."""
    yield from used_names(function)
    yield "defaults", function.__defaults__ or ()
    yield "keyword defaults", dict(sorted((function.__kwdefaults__ or {}).items()))  # their order means nothing


def used_names(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function's names mean, without its defaults."""
    names = sorted(_names(function.__code__))
    for name in names:
        if name in function.__globals__ and name not in _OF_MODULES:
            meant = function.__globals__[name]
            yield name, meant
            if isinstance(meant, types.ModuleType):
                yield from _members(name, meant, names, set())
    for module in imported_modules(function):
        yield from _members(module.__name__, module, names, set())
    yield from _closure(function)


def attributes(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what was assigned to a function's attributes."""
    yield from ((f".{name}", held) for name, held in sorted(vars(function).items()) if not name.startswith("__"))


def root_of(function: Any) -> Any:
    """Return the function that a partial one or a method calls."""
    while isinstance(function, functools.partial | types.MethodType):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return function


def held_functions(value: Any) -> Iterator[Any]:
    """Yield the functions that a library's object holds. Some, like `functools.cmp_to_key`, show them to `gc` alone."""
    for part in [*gc.get_referents(value), *getattr(value, "__dict__", {}).values()]:
        if isinstance(part, _FUNCTIONS):
            yield part


def inner_functions(function: types.FunctionType) -> Iterator[Any]:
    """Yield the functions that a library's function holds, such as a decorator's."""
    with suppress(AttributeError):
        yield function.__wrapped__  # type: ignore[attr-defined]
        return
    for _, value in _closure(function):
        if isinstance(value, _FUNCTIONS):
            yield value


def implementations(function: types.FunctionType) -> Mapping[type, Any]:
    """Return what was registered with a function that `functools.singledispatch` made, by the class of the argument."""
    registered = getattr(function, "registry", None)
    if module_name(function) != "functools" or not isinstance(registered, Mapping):
        return {}
    return {kind: implementation for kind, implementation in registered.items() if kind is not object}


def method(member: Any) -> types.FunctionType | None:
    """Return the function of a class's member; None if it is not a method."""
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    elif isinstance(member, property | types.DynamicClassAttribute):  # the latter is that of an enum
        member = member.fget
    elif isinstance(member, functools.cached_property):
        member = member.func
    return member if isinstance(member, types.FunctionType) else None


def further_methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Yield what sets and deletes a class's properties, and an enum's methods."""
    of_enum = isinstance(owner, enum.EnumType)
    for name, member in vars(owner).items():
        if isinstance(member, property):
            yield f"{name}.setter", member.fset
            yield f"{name}.deleter", member.fdel
        if of_enum and (found := method(member)):  # its own __new__ is held under names that differ by release
            yield found.__name__ if name.endswith("_") else name, found


def field_defaults(owner: type) -> Iterator[tuple[str, Any]]:
    """Yield what makes the defaults of a dataclass's or a struct's fields, and a struct's defaults themselves."""
    is_dataclass = any("__dataclass_fields__" in vars(kind) for kind in owner.__mro__)  # a metaclass may have any name
    for field in dataclasses.fields(owner) if is_dataclass else ():
        if field.default_factory is not dataclasses.MISSING:
            yield f"{field.name} factory", field.default_factory
    if issubclass(owner, Struct):  # a dataclass's defaults are attributes of the class or in its __init__
        defaults = owner.__struct_defaults__  # of the last fields; msgspec.structs.fields would evaluate annotations
        for name, default in zip(reversed(owner.__struct_fields__), reversed(defaults), strict=False):
            if isinstance(default, _FACTORY):
                yield f"{name} factory", default.factory
            elif default is not NODEFAULT:
                yield f"{name} default", default


def is_generated(function: Any) -> bool:
    """Tell whether no file holds a function's source, such as that of a dataclass's `__init__`."""
    return isinstance(function, types.FunctionType) and function.__code__.co_filename.startswith("<")


def is_within(function: types.FunctionType, owner: type) -> bool:
    """Tell whether a function was written in a class's body, so that the class's source has it."""
    name = function.__code__.co_qualname
    return module_name(function) == owner.__module__ and name.startswith(f"{owner.__qualname__}.")


def state_of(value: Any) -> Mapping[str, Any]:
    """Return an object's attributes, without those that `functools.update_wrapper` has copied to it."""
    slots = [name for kind in type(value).__mro__ for name in _slots(kind)]
    held = {name: getattr(value, name) for name in slots if _has(value, name)}
    own = value.__dict__ if _has(value, "__dict__") else {}
    held |= own if isinstance(own, Mapping) else {}
    if "__wrapped__" in held:
        return {name: part for name, part in held.items() if name == "__wrapped__" or not name.startswith("__")}
    return held


def _has(value: Any, name: str) -> bool:
    try:
        return hasattr(value, name)
    except Exception:  # noqa: BLE001 - a __getattr__ of one's own may raise anything for what is not there
        return False


def _slots(kind: type) -> Iterator[str]:
    slots = vars(kind).get("__slots__", ())
    for name in [slots] if isinstance(slots, str) else slots:
        if not name.startswith("__"):
            yield name
        elif not name.endswith("__"):  # a private one is held under the name that Python gives it
            yield f"_{kind.__name__.lstrip('_')}{name}"


def _members(label: str, module: types.ModuleType, names: list[str], seen: set[str]) -> Iterator[tuple[str, Any]]:
    seen.add(module.__name__)
    for name in names:
        if name not in vars(module) or name in _OF_MODULES:
            continue
        meant = vars(module)[name]
        yield f"{label}.{name}", meant
        inner = meant.__name__ if isinstance(meant, types.ModuleType) else ""
        if inner and inner not in seen and package_of(inner) == package_of(module.__name__):
            yield from _members(f"{label}.{name}", meant, names, seen)


def _closure(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a cell that is empty as yet
            yield name, cell.cell_contents


def _names(code: types.CodeType) -> set[str]:
    """Return the names in a function's code, and in that of the functions and comprehensions within it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)

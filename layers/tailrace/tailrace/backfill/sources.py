"""What a user's function says: its source without comments and docstrings, and that of what it refers to.

Names are followed through the function's own package: functions, classes, modules and plain values. Functions of
libraries are named and not followed.
"""

import ast
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tailrace.errors import DefinitionError

_PLAIN = (str, int, float, complex, bool, bytes, type(None))


def describe_function(function: Callable[..., Any]) -> Mapping[str, str]:
    """Return what a function and everything of its package that it refers to say, by qualified names.

    Raises:
        DefinitionError: a source cannot be read, as of a function that was made by ``exec``.
    """
    found: dict[str, str] = {}
    _describe(function, _package(function), found)
    return found


def _describe(value: Any, package: str, found: dict[str, str]) -> str:
    """Enter what a value says, if it has a source of its own, and return what stands for it."""
    if isinstance(value, functools.partial):
        parts = [value.func, *value.args, *(part for pair in sorted(value.keywords.items()) for part in pair)]
        return f"partial({', '.join(_describe(part, package, found) for part in parts)})"
    if isinstance(value, types.MethodType):
        return f"{_describe(value.__func__, package, found)} of {_describe(value.__self__, package, found)}"
    if not isinstance(value, types.FunctionType | type):
        return _plain(value, package, found)
    name = f"{value.__module__}.{value.__qualname__}"
    if _package(value) != package:
        return name
    if isinstance(value, types.FunctionType):
        name = f"{name}:{value.__code__.co_firstlineno}" if "<lambda>" in name or "<locals>" in name else name
    label = name.partition(":")[0]
    if name not in found:
        found[name] = ""
        found[name] = _source(value)
        functions = [value] if isinstance(value, types.FunctionType) else list(_methods(value))
        for one in functions:
            for used, meant in _references(one):
                found[f"{name} {used}"] = _describe(meant, package, found)
    return label


def _package(value: Any) -> str:
    return str(getattr(value, "__module__", None) or type(value).__module__).partition(".")[0]


def _plain(value: Any, package: str, found: dict[str, str]) -> str:
    """Return a text for a value without a source: equal for equal values, where that can be told."""
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[{', '.join(_describe(part, package, found) for part in value)}]"
    if isinstance(value, set | frozenset):
        return f"set[{', '.join(sorted(_describe(part, package, found) for part in value))}]"
    if isinstance(value, Mapping):
        parts = sorted((_describe(key, package, found), _describe(part, package, found)) for key, part in value.items())
        return f"mapping[{', '.join(f'{key}: {part}' for key, part in parts)}]"
    if isinstance(value, types.ModuleType | types.BuiltinFunctionType):
        return value.__name__
    text = repr(value)
    return type(value).__qualname__ if not isinstance(value, _PLAIN) and " at 0x" in text else text


def _methods(owner: type) -> Iterator[types.FunctionType]:
    for member in vars(owner).values():
        inner = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if isinstance(inner, types.FunctionType):
            yield inner


def _references(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function's names mean: globals, members of modules, closures and defaults."""
    names = sorted(_names(function.__code__))
    for name in names:
        if name in function.__globals__:
            meant = function.__globals__[name]
            yield name, meant
            if isinstance(meant, types.ModuleType):
                inner = [(other, vars(meant)[other]) for other in names if other in vars(meant)]
                yield from ((f"{name}.{other}", value) for other, value in inner if not other.startswith("__"))
    yield from zip(
        function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=True
    )
    yield "defaults", function.__defaults__ or ()
    yield "keyword defaults", function.__kwdefaults__ or {}


def _names(code: types.CodeType) -> set[str]:
    """Return the names in a function's code, and in that of the functions and comprehensions within it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)


def _source(value: types.FunctionType | type) -> str:
    text = f"the source of {value.__module__}.{value.__qualname__} cannot be read: write it in a module"
    if isinstance(value, types.FunctionType) and value.__code__.co_filename.startswith("<"):
        raise DefinitionError(text)  # for "<string>", inspect may return the text of `python -c`
    try:
        lines, first = inspect.getsourcelines(value)
        module = inspect.getsource(inspect.getmodule(value) or value)
    except (OSError, TypeError) as error:
        raise DefinitionError(text) from error
    tree = ast.parse(module)
    kinds = ast.Lambda if value.__name__ == "<lambda>" else (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    last = first + len(lines)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds) and first <= node.lineno < last]
    named = [node for node in nodes if isinstance(node, ast.Lambda) or node.name == value.__name__]
    # several lambdas in the same lines cannot be told apart: all of them count
    chosen = named if kinds is ast.Lambda else named[:1]
    return "; ".join(ast.unparse(_without_docstrings(node)) for node in chosen)


def _without_docstrings(node: ast.AST) -> ast.AST:
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and isinstance(body, list):
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                inner.body = body[1:] or [ast.Pass()]
    return node

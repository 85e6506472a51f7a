"""What functions and classes say, without comments, docstrings and formatting. Each module is parsed once."""

import ast
import functools
import importlib
import linecache
import sys
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import resolve_name

from tailrace.backfill.fingerprints.syntax_text import syntax_text
from tailrace.errors import DefinitionError

type _Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def source_of(value: types.FunctionType | type) -> str:
    """Return what a function or class says. Several lambdas that begin in one line cannot be told apart: all count.

    Raises:
        DefinitionError: a function's source cannot be read. A class without one, such as a named tuple, says nothing.
    """
    texts = [text for _, text in _definitions(value)]
    if not texts and isinstance(value, types.FunctionType):
        name = f"{value.__module__}.{value.__qualname__}"
        raise DefinitionError(f"the source of {name} cannot be read: write it in a module")
    return "; ".join(texts)


def imported_modules(function: types.FunctionType) -> Iterator[types.ModuleType]:
    """Yield the modules of the function's own package that it imports within its body."""
    package = str(function.__globals__.get("__package__") or "")
    names = {name for node, _ in _definitions(function) for name in _imports(node, package)}
    for name in sorted(names):
        if name.partition(".")[0] == package.partition(".")[0]:
            with suppress(ImportError):  # a name of `from package import name` need not be a module
                yield importlib.import_module(name)


def tables(function: types.FunctionType) -> set[str]:
    """Return the names that a function only looks something up in: `A[key]`, `A.get(key)`, `key in a_module.A`.

    The order of such a table's entries means nothing to it.
    """
    used, looked_up = Counter[str](), Counter[str]()
    for node, _ in _definitions(function):
        for inner in ast.walk(node):
            used.update(_identifier(inner))
            for table in _tables(inner):
                looked_up.update(_identifier(table))
    return {name for name, count in looked_up.items() if count == used[name]}


def dict_displays(owner: type) -> set[str]:
    """Return the attributes that a class's body writes out as a dict: its source shows their order."""
    statements = [statement for node, _ in _definitions(owner) for statement in getattr(node, "body", ())]
    return {
        target.id
        for statement in statements
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _is_display(statement.value)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    }


def _is_display(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Dict) and None not in node.keys  # a key of `**others` is None


def _identifier(node: ast.AST) -> list[str]:
    return [node.id] if isinstance(node, ast.Name) else [node.attr] if isinstance(node, ast.Attribute) else []


def _tables(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Subscript(value=table, ctx=ast.Load()):
            yield table
        case ast.Call(func=ast.Attribute(value=table, attr="get")):
            yield table
        case ast.Compare(ops=operators, comparators=compared):
            pairs = zip(operators, compared, strict=True)
            yield from (table for operator, table in pairs if isinstance(operator, ast.In | ast.NotIn))


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            with suppress(ImportError):  # beyond the package
                module = resolve_name("." * inner.level + (inner.module or ""), package)
                yield module
                yield from (f"{module}.{alias.name}" for alias in inner.names)


def _definitions(value: types.FunctionType | type) -> list[tuple[_Definition, str]]:
    if isinstance(value, types.FunctionType):
        file, line, names = value.__code__.co_filename, value.__code__.co_firstlineno, value.__globals__
        kind: type | tuple[type, ...] = (
            ast.Lambda if value.__code__.co_name == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
        )
    else:
        module = sys.modules.get(value.__module__)
        file, line, names = getattr(module, "__file__", None) or "", vars(value).get("__firstlineno__", 0), vars(module)
        kind = ast.ClassDef
    if file.startswith("<"):
        return []
    linecache.checkcache(file)
    parsed = _parse("".join(linecache.getlines(file, dict(names))))
    return [(node, parsed.text(node)) for node in parsed.beginning_in(line) if isinstance(node, kind)]


class _Module:
    """A parsed module: its definitions by the line in which they begin, decorators included, and their texts."""

    def __init__(self, text: str) -> None:
        self._nodes: dict[int, list[_Definition]] = {}
        self._texts: dict[_Definition, str] = {}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, _DEFINITIONS):
                lines = [node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]
                self._nodes.setdefault(min(lines), []).append(node)

    def beginning_in(self, line: int) -> list[_Definition]:
        """Return the definitions that begin in a line, the outer ones first."""
        return self._nodes.get(line, [])

    def text(self, node: _Definition) -> str:
        """Return what a definition says."""
        if node not in self._texts:
            self._texts[node] = syntax_text(_without_remarks(node))
        return self._texts[node]


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> _Module:
    try:
        return _Module(text)
    except (SyntaxError, ValueError):  # the file was changed since it was imported
        return _Module("")


def _without_remarks(node: ast.AST) -> ast.AST:
    """Remove docstrings and other strings that stand alone."""
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(body, list):
            inner.body = [one for one in body if not _is_remark(one)] or [ast.Pass()]  # type: ignore[attr-defined]
    return node


def _is_remark(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)

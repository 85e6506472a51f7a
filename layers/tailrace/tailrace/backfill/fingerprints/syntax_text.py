"""Writes a syntax tree as text that is the same under every release of Python.

Fingerprints outlive the interpreter: Lambda updates it by itself, and a developer's is another one. `ast.unparse` and
`ast.dump` write the same tree in different ways from release to release, even within one minor version: 3.13.0 and
3.13.5 choose different quotes for an f-string. A tree may also hold the same f-string in different pieces.
"""

import ast
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

_WITHOUT_MEANING = {"ctx", "kind", "type_comment"}
"""Fields that say how a node is written or used, which its place says, too."""


def syntax_text(value: Any) -> str:
    """Return what a tree says: the names of its nodes, and their fields that hold something, in the grammar's order.

    ``value`` is a node, or what a node's field holds.
    """
    if isinstance(value, ast.Constant):
        return _constant(value.value)
    if isinstance(value, ast.JoinedStr):
        return f"JoinedStr({', '.join(_pieces(value))})"
    if isinstance(value, ast.AST):
        fields = ((name, getattr(value, name, None)) for name in value._fields if name not in _WITHOUT_MEANING)
        parts = [f"{name}={syntax_text(held)}" for name, held in fields if not _is_empty(name, held)]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, list):
        return f"[{', '.join(syntax_text(part) for part in value)}]"
    return "-" if value is None else _constant(value)  # such as the key of `**others` in a dict, which is not None


def _constant(value: Any) -> str:
    """Return a value with its type. `repr` of a text depends on the release's Unicode, and of an int on its length."""
    text = hex(value) if type(value) is int else ascii(value)
    return f"{type(value).__name__} {text}"


def _is_empty(name: str, held: Any) -> bool:
    """Tell whether a field holds nothing: later releases add fields that earlier ones lack, and empty formats."""
    return held is None or held == [] or (name == "format_spec" and not list(_pieces(held)))


def _pieces(joined: ast.JoinedStr) -> Iterator[str]:
    """Yield the pieces of an f-string, with texts that follow each other as one."""
    for is_text, together in groupby(joined.values, lambda one: isinstance(one, ast.Constant)):
        pieces: Sequence[ast.expr] = list(together)
        if is_text:
            text = "".join(str(one.value) for one in pieces if isinstance(one, ast.Constant))
            if text:
                yield _constant(text)
        else:
            yield from map(syntax_text, pieces)

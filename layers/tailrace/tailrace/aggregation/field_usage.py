"""Finding out which fields of an item a predicate reads, where its bytecode proves it.

A predicate is a pure function of the item. If all it does with the item is look up fields by name, it returns the same
for any two items that agree in these fields, so its result can be cached. This is read from the bytecode, not observed
in a call, because another call may take another branch.
"""

import dis
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from tailrace.definition.fields.paths import source_of

# names that give access to a function's variables indirectly
_INTROSPECTION_NAMES = frozenset(["locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe"])

_LOOKUP_LENGTH = 5  # instructions at most


def predicate_fields(predicate: Callable[[Any], Any]) -> frozenset[str] | None:
    """Return the paths that a predicate looks up, by ``item["name"]`` or ``item.get("name", …)`` at any depth.

    ``(item.get("name") or {}).get("inner")`` is such a look-up, too.

    None if it uses the item in any other way or is not a Python function: it may then depend on the whole item.
    """
    if not isinstance(predicate, FunctionType) or predicate.__code__.co_argcount < 1:
        return None
    code = predicate.__code__
    item = code.co_varnames[0]
    if item in code.co_cellvars or not _INTROSPECTION_NAMES.isdisjoint(code.co_names):
        return None
    paths: set[str] = set()
    instructions = list(dis.get_instructions(code))
    for position, instruction in enumerate(instructions):
        if not _uses_variable(instruction, item):
            continue
        steps = _looked_up_path(instructions, position + 1) if instruction.opname == "LOAD_FAST" else ()
        if not steps:
            return None
        paths.add(source_of(steps))
    return frozenset(paths)


def _uses_variable(instruction: dis.Instruction, variable: str) -> bool:
    named = instruction.argval
    return "_FAST" in instruction.opname and (named == variable or (isinstance(named, tuple) and variable in named))


def _looked_up_path(instructions: Sequence[dis.Instruction], start: int) -> list[str]:
    """Return the names that these instructions look up in turn, given that the item has been loaded before them."""
    steps: list[str] = []
    while (found := _lookup(instructions[start : start + _LOOKUP_LENGTH])) is not None:
        name, length = found
        steps.append(name)
        start += length
        if _is_or_empty(instructions[start : start + _LOOKUP_LENGTH + 1]):
            start += _LOOKUP_LENGTH
    return steps


def _lookup(instructions: Sequence[dis.Instruction]) -> tuple[str, int] | None:
    """Return the field that the first of these instructions look up, and the number of these; None if they do not."""
    match [(step.opname, step.argval) for step in instructions]:
        case [("LOAD_CONST", str(name)), ("BINARY_SUBSCR", _), *_]:
            return name, 2
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("CALL", 1), *_]:
            return name, 3
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("LOAD_CONST", _), ("CALL", 2), *_]:
            return name, 4
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("BUILD_MAP", 0), ("CALL", 2), *_]:
            return name, 4
    return None


def _is_or_empty(instructions: Sequence[dis.Instruction]) -> bool:
    """Tell whether instructions are ``… or {}``: a look-up in the result depends on nothing but what it looks up."""
    match [(step.opname, step.argval) for step in instructions]:
        case [("COPY", 1), ("TO_BOOL", _), ("POP_JUMP_IF_TRUE", target), ("POP_TOP", _), ("BUILD_MAP", 0), _]:
            return bool(target == instructions[-1].offset)
    return False

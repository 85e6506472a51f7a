"""Finding out which fields of an item a predicate reads, where its bytecode proves it.

A predicate is a pure function of the item. If all it does with the item is look up fields by name, it returns the same
for any two items that agree in these fields, so its result can be cached. This is read from the bytecode, not observed
in a call, because another call may take another branch.
"""

import dis
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType
from typing import Any

# names that give access to a function's variables indirectly
_INTROSPECTION_NAMES = frozenset(["locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe"])


def predicate_fields(predicate: Callable[[Any], Any]) -> frozenset[str] | None:
    """Return the fields that a predicate looks up, by ``item["name"]`` or ``item.get("name", …)``.

    None if it uses the item in any other way or is not a Python function: it may then depend on the whole item.
    """
    if not isinstance(predicate, FunctionType) or predicate.__code__.co_argcount < 1:
        return None
    code = predicate.__code__
    item = code.co_varnames[0]
    if item in code.co_cellvars or not _INTROSPECTION_NAMES.isdisjoint(code.co_names):
        return None
    fields: set[str] = set()
    instructions = list(dis.get_instructions(code))
    for position, instruction in enumerate(instructions):
        if not _uses_variable(instruction, item):
            continue
        name = _looked_up_field(instructions[position : position + 5]) if instruction.opname == "LOAD_FAST" else None
        if name is None:
            return None
        fields.add(name)
    return frozenset(fields)


def _uses_variable(instruction: dis.Instruction, variable: str) -> bool:
    named = instruction.argval
    return "_FAST" in instruction.opname and (named == variable or (isinstance(named, tuple) and variable in named))


def _looked_up_field(instructions: list[dis.Instruction]) -> str | None:
    """Return the field that these instructions look up, given that the first one loads the item; else None."""
    steps: Iterator[tuple[str, Any]] = ((step.opname, step.argval) for step in islice(instructions, 1, None))
    match list(steps):
        case [("LOAD_CONST", str(name)), ("BINARY_SUBSCR", _), *_]:
            return name
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("CALL", 1), *_]:
            return name
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("LOAD_CONST", _), ("CALL", 2), *_]:
            return name
    return None

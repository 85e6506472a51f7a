"""Which fields of an item a predicate reads, as far as its code shows it beyond doubt.

A predicate is a pure function of the item. If it does nothing with the item but look up fields by name, two items that
agree in these fields get the same answer, so an answer can be kept and found again. This is read from the code itself,
not watched in a call: another call may take another way.
"""

import dis
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType
from typing import Any

# what reaches a function's variables without naming them
_INTROSPECTION_NAMES = frozenset(["locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe"])


def predicate_fields(predicate: Callable[[Any], Any]) -> frozenset[str] | None:
    """Return the fields of its argument that a function looks up, by ``item["name"]`` or ``item.get("name", …)``.

    None where the argument is used in any other way, or the function is not one written in Python: then it may depend
    on the whole item.
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
    """Return the field that is looked up by the instructions that follow the loading of an item, if one is."""
    steps: Iterator[tuple[str, Any]] = ((step.opname, step.argval) for step in islice(instructions, 1, None))
    match list(steps):
        case [("LOAD_CONST", str(name)), ("BINARY_SUBSCR", _), *_]:
            return name
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("CALL", 1), *_]:
            return name
        case [("LOAD_ATTR", "get"), ("LOAD_CONST", str(name)), ("LOAD_CONST", _), ("CALL", 2), *_]:
            return name
    return None

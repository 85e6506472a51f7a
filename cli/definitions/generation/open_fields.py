"""What to make of fields that a schema leaves open: maps and lists, as far as groups, measures and predicates show."""

from collections.abc import Iterable, Mapping
from typing import Any

from tailrace.definition.field_uses import FieldUse
from tailrace.definition.fields.elements import KEY, VALUE
from tailrace.definition.item_fields import ItemFields
from tailrace.definition.json_schema.paths import ELEMENT, Path

_CONTAINER = frozenset(["array", "object"])
_LEAVES: Mapping[frozenset[str], Mapping[str, Any]] = {
    frozenset(["number"]): {"type": "number"},
    frozenset(["number", "string"]): {"type": "string", "format": "date-time"},
    _CONTAINER: {},
}
_SCALAR = {"type": ["string", "number", "boolean"]}
_MAP = {"type": "object"}


def open_fields(uses: Iterable[FieldUse], fields: ItemFields) -> Mapping[str, Mapping[str, Any]]:
    """Return a schema of each top-level field in which fields or elements are used, as far as its own does not say."""
    found = list(uses)
    entries = {each for each in {use.each for use in found if use.each} if _are_entries(each, found)}
    leaves: dict[Path, Mapping[str, Any]] = {}
    for use in found:
        path = _path(use, fields, is_entry=use.each in entries)
        if len(path) > 1:
            leaves.setdefault(path, {} if fields.is_described(path) else _LEAVES.get(use.types, _SCALAR))
    return {str(name): _schema(inner, entries, (name,)) for name, inner in _by_step(leaves).items()}


def _are_entries(each: Path, uses: Iterable[FieldUse]) -> bool:
    """Tell whether a field's elements are used as a map's entries only."""
    return all(use.path[len(each) :][:1] in {(KEY,), (VALUE,)} for use in uses if use.each == each)


def _path(use: FieldUse, fields: ItemFields, *, is_entry: bool) -> Path:
    if is_entry and not use.is_entry_in(fields):
        return (*use.each, ELEMENT, *use.path[len(use.each) + 1 :])
    path = use.path_in(fields) or (*use.each, ELEMENT)
    return (*path, ELEMENT) if use.types == _CONTAINER else path


def _by_step(leaves: Mapping[Path, Mapping[str, Any]]) -> dict[Any, dict[Path, Mapping[str, Any]]]:
    found: dict[Any, dict[Path, Mapping[str, Any]]] = {}
    for (step, *rest), leaf in leaves.items():
        found.setdefault(step, {})[tuple(rest)] = leaf
    return found


def _schema(leaves: Mapping[Path, Mapping[str, Any]], entries: Iterable[Path], path: Path) -> Mapping[str, Any]:
    inner = _by_step({rest: leaf for rest, leaf in leaves.items() if rest})
    made = {step: _schema(rest, entries, (*path, step)) for step, rest in inner.items()}
    if ELEMENT in made:
        element = made[ELEMENT]
        return {"additionalProperties": element} | _MAP if path in entries else {"type": "array", "items": element}
    return {"properties": made} | _MAP if made else next(iter(leaves.values()))

"""The fields that an aggregate uses, and the check that valid items can have usable values there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tailrace.definition.collection import Collection
from tailrace.definition.fields.paths import field_path, source_of
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import Group
from tailrace.definition.json_schema.paths import Path, Paths
from tailrace.definition.json_schema.types import ALL_TYPES
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.errors import DefinitionError

_NUMBER = frozenset(["number"])
_TIME = frozenset(["number", "string"])
_SCALAR = frozenset(["boolean", "number", "string"])
_NEEDS = {_NUMBER: "a number", _TIME: "a time: a string or a number", _SCALAR: "a string, number or boolean"}
_ARTICLES = {"array": "a list", "object": "an object"}


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A field that a group or measure reads.

    Attributes:
        what: the group or measure, for messages.
        source: the field, as it is spelled in the definition.
        path: the steps to it from the item.
        types: the types of values that can be used.
    """

    what: str
    source: str
    path: Path
    types: frozenset[str]

    @property
    def need(self) -> str:
        """The types that can be used, in words."""
        return _NEEDS[self.types]


def field_uses(groups: Iterable[Group], measures: Mapping[str, Measure | OrderMeasure]) -> Iterator[FieldUse]:
    """Yield each field that groups and measures read, in their order."""
    for group in groups:
        yield _use_of_group(group)
    for name, measure in measures.items():
        yield from _uses_of_measure(name, measure)


def _use_of_group(group: Group) -> FieldUse:
    if isinstance(group, BucketGroup):
        return _use(f"{group.unit}({group.source!r})", group.source, _TIME)
    return _use(f"field({group.source!r})", group.source, _SCALAR)


def _uses_of_measure(name: str, measure: Measure | OrderMeasure) -> Iterator[FieldUse]:
    if measure.source is None:
        return
    what = f"measure {name!r}, {measure.kind}({measure.source!r})"
    if isinstance(measure, Measure):
        yield _use(what, measure.source, _NUMBER)
        return
    yield _use(what, measure.source, _SCALAR if measure.values.error is None else _NUMBER)
    if measure.values.at is not None:
        yield _use(f"measure {name!r}, by={measure.values.at!r}", measure.values.at, _TIME)
    if measure.values.by is not None:
        yield _use(f"measure {name!r}, by_value={measure.values.by!r}", measure.values.by, _SCALAR)
    for source in measure.values.show or ():
        yield _use(f"measure {name!r}, show={source!r}", source, _SCALAR)


def _use(what: str, source: str, types: frozenset[str]) -> FieldUse:
    return FieldUse(what, source, field_path(source).steps, types)


def check_uses(context: str, collection: Collection, uses: Iterable[FieldUse]) -> None:
    """Check each use against the schema, if items reach it unchanged: a transform may add and change any field.

    Raises:
        DefinitionError: no valid item has a usable value there, so that nothing would ever be counted.
    """
    if collection.transform is not None:
        return
    paths = collection.compiled.paths
    for use in uses:
        found = paths.types(use.path)
        if not found & use.types:
            reason = _missing(collection, paths, use) if not found else _unusable(collection, use, found)
            raise DefinitionError(f"{context}: {reason}")


def _missing(collection: Collection, paths: Paths, use: FieldUse) -> str:
    for length in range(1, len(use.path)):
        found = paths.types(use.path[:length])
        if found and not found & {"array", "object"}:
            step = ".".join(map(str, use.path[:length]))
            return f"unknown field {use.source!r}: {step!r} is {in_words(found)} in the schema of {collection.name!r}"
        if not found:
            return unknown_field(
                use.source, str(use.path[length - 1]), collection.name, paths.names(use.path[: length - 1])
            )
    return unknown_field(use.source, str(use.path[-1]), collection.name, paths.names(use.path[:-1]))


def _unusable(collection: Collection, use: FieldUse, found: frozenset[str]) -> str:
    return f"{use.what} needs {use.need}, but {use.source!r} is {in_words(found)} in the schema of {collection.name!r}"


def unknown_field(source: str, step: str, owner: str, known: Iterable[str]) -> str:
    """Return the sentence for a field that does not exist, with the closest name of those that do."""
    names = [source_of([name]) for name in sorted(known)]
    close = get_close_matches(source_of([step]), names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown field {source!r}{hint}; {owner!r} has {', '.join(names) or 'no fields'}"


def in_words(types: Iterable[str]) -> str:
    """Return JSON Schema's types in words."""
    return " or ".join("null" if kind == "null" else _ARTICLES.get(kind, f"a {kind}") for kind in sorted(types))


def may_be_unusable(use: FieldUse, types: frozenset[str]) -> Sequence[str]:
    """Return the types that a schema allows for a field and that cannot be used; none if it allows any type."""
    return () if types == ALL_TYPES else sorted(types - use.types - {"null"})


def value_at(item: Any, path: Path) -> Any:
    """Return the value at a path of names; None where a step is missing."""
    for step in path:
        if not isinstance(item, dict) or not isinstance(step, str):
            return None
        item = item.get(step)
    return item

"""The fields that an aggregate uses, and the check that valid items can have usable values there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tailrace.definition.collection import Collection
from tailrace.definition.fields.elements import KEY, VALUE
from tailrace.definition.fields.paths import FieldPath, field_path, source_of
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import Group
from tailrace.definition.item_fields import BINARY, ItemFields
from tailrace.definition.json_schema.paths import ELEMENT, NOTHING, Path, Step
from tailrace.definition.json_schema.types import ALL_TYPES
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.ratios import AnyMeasure, Ratio
from tailrace.errors import DefinitionError

_NUMBER = frozenset(["number"])
_TIME = frozenset(["number", "string"])
_SCALAR = frozenset(["boolean", "number", "string"])
_NAME = frozenset(["string"])
_CONTAINER = frozenset(["array", "object"])
_NEEDS = {
    _NUMBER: "a number",
    _TIME: "a time: a string or a number",
    _SCALAR: "a string, number or boolean",
    _CONTAINER: "a list, set or map",
}
_ARTICLES = {"array": "a list", "object": "an object", BINARY: "binary", "null": "null"}


class FieldUse(Struct, frozen=True):
    """A field that a group or measure reads.

    Attributes:
        what: the group or measure, for messages.
        source: the field, as it is spelled in the definition.
        path: the steps to it from the item; with ``each=``, from the item as an element sees it.
        types: the types of values that can be used.
        each: the steps to the list, set or map whose elements count, where the field is in an element.
    """

    what: str
    source: str
    path: Path
    types: frozenset[str]
    each: Path = ()

    @property
    def need(self) -> str:
        """The types that can be used, in words."""
        return _NEEDS[self.types]

    def source_to(self, length: int) -> str:
        """Return the first steps of the path as they are spelled in a definition."""
        return _spelled(self.path[:length])

    def types_in(self, fields: ItemFields) -> frozenset[str]:
        """Return the types that the field may have in valid items; none if there can be no value."""
        if not self.each:
            return fields.types(self.path)
        kinds = fields.types(self.each)
        found = self._entry_types(fields) if "array" not in kinds or "object" in kinds else NOTHING
        return found if self.is_entry_in(fields) else found | fields.types(self._path_of_element())

    def is_entry_in(self, fields: ItemFields) -> bool:
        """Tell whether the field is in an entry of a map, which has a key and a value, and in no list's element."""
        return bool(self.each) and "array" not in fields.types(self.each)

    def path_in(self, fields: ItemFields) -> Path | None:
        """Return the path into a valid item; None for the name of a map's entry, which a schema does not describe.

        Where the elements may be those of a list or of a map, it is the path that has usable values.
        """
        if not self.each:
            return self.path
        path = self._path_of_element()
        if self._in_entry[:1] not in {(KEY,), (VALUE,)} or (
            not self.is_entry_in(fields) and (fields.types(path) & self.types or not self._entry_types(fields))
        ):
            return path
        return None if self._in_entry == (KEY,) else (*self.each, ELEMENT, *self._in_entry[1:])

    @property
    def _in_entry(self) -> Path:
        """The steps from an element, or from an entry with its key and value."""
        return self.path[len(self.each) :]

    def _path_of_element(self) -> Path:
        return (*self.each, ELEMENT, *self._in_entry)

    def _entry_types(self, fields: ItemFields) -> frozenset[str]:
        """Return the types that the field may have in a map's entry."""
        match self._in_entry:
            case ():
                return frozenset(["object"])
            case (step, *rest) if step == VALUE:
                return fields.types((*self.each, ELEMENT, *rest))
        return _NAME if self._in_entry == (KEY,) else NOTHING


def field_uses(
    groups: Iterable[Group], measures: Mapping[str, Measure | OrderMeasure], each: FieldPath | None = None
) -> Iterator[FieldUse]:
    """Yield each field that groups and measures read, in their order; first the one with the elements that count."""
    uses = [
        *map(_use_of_group, groups),
        *(use for name, measure in measures.items() for use in _uses_of_measure(name, measure)),
    ]
    if each is None:
        yield from uses
        return
    yield _use(f"each={each.source!r}", each.source, _CONTAINER)
    yield from (in_elements(use, each) for use in uses)


def ratio_uses(measures: Mapping[str, AnyMeasure], each: FieldPath | None = None) -> Iterator[FieldUse]:
    """Yield the fields whose values ratios divide: a minimum may be a text, and a ratio of it is never a number."""
    for name, one in measures.items():
        for part in (one.numerator, one.denominator) if isinstance(one, Ratio) else ():
            measure = measures[part]
            if isinstance(measure, OrderMeasure) and not measure.is_counted:
                use = _use(f"{name!r}, a ratio with {part!r},", measure.source, _NUMBER)
                yield use if each is None else in_elements(use, each)


def in_elements(use: FieldUse, each: FieldPath) -> FieldUse:
    """Return a use of a field in an aggregate that counts the elements of a field."""
    return replace(use, each=each.steps) if use.path[: len(each.steps)] == each.steps else use


def _use_of_group(group: Group) -> FieldUse:
    if isinstance(group, BucketGroup):
        return _use(group.spelled, group.source, _TIME)
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
    fields = collection.fields
    for use in uses:
        found = use.types_in(fields)
        if not found & use.types:
            reason = _missing(collection, use) if not found else _unusable(collection, use, found)
            raise DefinitionError(f"{context}: {reason}")
        meant = fields.misread(use.path_in(fields) or use.path)
        if meant is not None:
            raise DefinitionError(f"{context}: {use.what}: {meant}")
        path = use.path_in(fields) if use.types == _TIME else None
        texts = None if path is None else fields.why_no_time(path)
        if texts is not None:
            raise DefinitionError(
                f"{context}: {use.what} needs a time, but {use.source!r} is {texts} of {collection.name!r}"
            )


def _missing(collection: Collection, use: FieldUse) -> str:
    fields = collection.fields
    if use.path[0] in collection.keys.reserved:
        return f"{use.what}: {collection.keys.reserved_text(str(use.path[0]))}"
    path = use.path_in(fields) or use.path
    inner = use.path[len(use.each) :]
    if use.is_entry_in(fields) and inner[:1] not in {(KEY,), (VALUE,)}:
        owner = f"an entry of {'.'.join(map(str, use.each))!r}"
        return unknown_field(use.source, str(inner[0]), owner, (KEY, VALUE), _spelled(use.each))
    if use.is_entry_in(fields) and inner[:1] == (KEY,):
        return f"unknown field {use.source!r}: {use.source_to(len(use.each) + 1)!r} is a string, the name of an entry"
    for length in range(1, len(path)):
        found = fields.types(path[:length])
        if not found:
            return _unknown(collection, use, path[:length])
        if not _leads_on(found, path[length]):
            problem = f"{_describe(path[:length])} is {in_words(found)} {_place(collection, path)}"
            hint = (
                f"; each={use.source_to(length)!r} counts its elements" if found == {"array"} and not use.each else ""
            )
            return f"unknown field {use.source!r}: {problem}{hint}"
    return _unknown(collection, use, path)


def _leads_on(types: frozenset[str], step: Step) -> bool:
    """Tell whether a value of these types may have something at a step."""
    return "object" in types or (step is ELEMENT and "array" in types)


def _unknown(collection: Collection, use: FieldUse, path: Path) -> str:
    """Return the sentence for a path whose last step leads to no value."""
    *outer, step = path
    known, name = collection.fields.names(tuple(outer)), str(step)
    if name in known:
        return f"{use.what}: the schema of {collection.name!r} allows no value for {use.source!r}"
    owner = f"{_describe(outer)} of {collection.name!r}" if outer else repr(collection.name)
    return unknown_field(use.source, name, owner, known, _spelled(outer))


def _spelled(path: Iterable[Step]) -> str:
    """Return a path into an item as it is spelled in a definition; empty for the item itself."""
    steps = [str(step) for step in path if step is not ELEMENT]
    return source_of(steps) if steps else ""


def _describe(path: Sequence[Step]) -> str:
    """Return a place in an item in words: ``'address'``, or ``an element of 'lines'``."""
    names = [str(step) for step in path if step is not ELEMENT]
    if path[-1] is ELEMENT:
        return f"an element of {'.'.join(names)!r}"
    return repr(".".join(names))


def _unusable(collection: Collection, use: FieldUse, found: frozenset[str]) -> str:
    return f"{use.what} needs {use.need}, but {use.source!r} is {in_words(found)} {_place(collection, use.path)}"


def _place(collection: Collection, path: Path) -> str:
    return f"in the {collection.fields.source_of(path)} of {collection.name!r}"


def unknown_field(source: str, step: str, owner: str, known: Iterable[str], outer: str = "") -> str:
    """Return the sentence for a field that does not exist, with the closest name of those that do.

    ``owner`` is what lacks it, in words; ``outer`` the path to it, if it is not the item.
    """
    names = [source_of([name]) for name in sorted(known)]
    close = get_close_matches(source_of([step]), names, n=1)
    hint = f" (did you mean {'.'.join(filter(None, (outer, close[0])))!r}?)" if close else ""
    return f"unknown field {source!r}{hint}; {owner} has {', '.join(names) or 'no fields'}"


def in_words(types: Iterable[str]) -> str:
    """Return JSON Schema's types in words."""
    return " or ".join(_ARTICLES.get(kind, f"a {kind}") for kind in sorted(types))


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

"""What a schema says about the value at a path into an item: its possible types, and the names next to it.

The types are an upper bound: a type that is missing from them is one that no valid item has there. What the schema
leaves open stays possible.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from tailrace.definition.json_schema.impossible_values import has_no_value, is_forbidden, refuses_text
from tailrace.definition.json_schema.pattern_rules import matches
from tailrace.definition.json_schema.references import References
from tailrace.definition.json_schema.types import ALL_TYPES, type_of, types_of


class Element:
    """The step into a list's elements, a set's members or a map's entries, whichever the value is."""

    def __str__(self) -> str:
        return "[]"


ELEMENT: Final = Element()

type Step = str | Element
type Path = tuple[Step, ...]

NOTHING: frozenset[str] = frozenset()
_MAX_KNOWN = 100_000
_CONTAINERS = frozenset(["array", "object"])
_ARRAY_WORDS = frozenset(["items", "prefixItems", "contains", "unevaluatedItems"])
"""The keywords that evaluate elements."""


class Paths:
    """Answers for one schema."""

    def __init__(self, document: Any, references: References) -> None:
        self._document = document
        self._references = references
        self._known: dict[tuple[int, Path], frozenset[str]] = {}
        self._known_texts: dict[tuple[int, Path], frozenset[str] | None] = {}

    def types(self, path: Path) -> frozenset[str]:
        """Return the types that a value at the path may have in a valid item; none if there can be no value."""
        if len(self._known) > _MAX_KNOWN:  # of the columns of files, which may have any names
            self._known.clear()
        return self._types(self._document, path) & (ALL_TYPES if path else {"object"})

    def texts(self, path: Path) -> frozenset[str] | None:
        """Return the texts that a value at the path may be, if the schema lists them; None if it may be any text."""
        return self._texts(self._document, path)

    @cached_property
    def conditional(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What conditions, which are under ``if`` and ``not``, say about the item's fields, by name."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        conditions = [one[word] for one in self._in_place(self._document) for word in ("if", "not") if word in one]
        for part in (part for condition in conditions for part in self._in_place(condition)):
            for name, inner in part.get("properties", {}).items():
                found.setdefault(name, []).extend(self._in_place(inner))
        return found

    def is_sometimes_text(self, name: str) -> bool:
        """Tell whether the item's field may be a text, but only where the schema says so, or nothing about the field.

        As where ``then`` makes the field a number in the items of one kind, and nothing describes it in the others.
        """
        always = {id(part) for part in self._always([self._document])}
        named = [(part, inner) for part in self._in_place(self._document) for inner in _named(part, name)]
        types = [(part, inner, types_of(self._in_place(inner))) for part, inner in named]
        described = [(part, inner, found) for part, inner, found in types if found is not None]
        return (
            bool(described)
            and "string" in self.types((name,))
            and not any(id(part) in always for part, _, _ in described)
            and all("string" in found or "string" not in self._types(inner, ()) for _, inner, found in described)
        )

    def is_described(self, path: Path) -> bool:
        """Tell whether the schema says anything about values at the path."""
        schemas: list[Any] = [self._document]
        for step in path:
            schemas = [inner for one in schemas for part in self._in_place(one) for inner in _described(part, step)]
        return any(part for one in schemas for part in self._in_place(one)) or any(one is True for one in schemas)

    def names(self, path: Path) -> frozenset[str]:
        """Return the field names that the schema mentions for objects at the path."""
        schemas: list[Any] = [self._document]
        for step in path:
            schemas = [inner for one in schemas for part in self._in_place(one) for inner in _described(part, step)]
        found = (part.get("properties", {}) for one in schemas for part in self._in_place(one))
        return frozenset(name for names in found for name in names)

    def required(self, path: Sequence[str]) -> frozenset[str]:
        """Return the names that each object at the path has to have, wherever there is one."""
        schemas: list[Any] = [self._document]
        for step in path:
            schemas = [inner for part in self._always(schemas) for inner in self._field(part, step)]
        return frozenset(name for part in self._always(schemas) for name in part.get("required", ()))

    def _always(self, schemas: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
        """Yield each of the schemas, and of those that all their values have to satisfy, once."""
        seen: set[int] = set()
        waiting = list(schemas)
        while waiting:
            found = waiting.pop()
            if isinstance(found, Mapping) and id(found) not in seen:
                seen.add(id(found))
                yield found
                waiting += (*self._targets(found), *found.get("allOf", ()))

    def _in_place(self, schema: Any) -> Iterator[Mapping[str, Any]]:
        return self._references.in_place(schema)

    def _types(self, schema: Any, path: Path) -> frozenset[str]:
        if not isinstance(schema, Mapping):
            return ALL_TYPES if schema is True else NOTHING
        key = id(schema), path
        if key not in self._known:
            self._known[key] = self._intersected(schema, path)
        return self._known[key]

    def _intersected(self, schema: Mapping[str, Any], path: Path) -> frozenset[str]:
        if path and not self._types(schema, ()) & (_CONTAINERS if isinstance(path[0], Element) else {"object"}):
            return NOTHING
        found = self._own_types(schema, path)
        for inner in (*self._targets(schema), *schema.get("allOf", ())):
            found &= self._types(inner, path)
        for alternatives in _alternatives(schema):
            found &= NOTHING.union(*(self._types(inner, path) for inner in alternatives))
        if path and path[0] in schema.get("dependentSchemas", {}):
            found &= self._types(schema["dependentSchemas"][path[0]], path)
        return found

    def _targets(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        for target in self._references.resolved(schema):
            # a dynamic reference leads to one of several schemas, depending on the way there: it says nothing here
            if target.pointer is not None and target.dynamic is None:
                yield target.schema

    def _own_types(self, schema: Mapping[str, Any], path: Path) -> frozenset[str]:
        found = ALL_TYPES
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values is not None:
            found = frozenset(type_of(value) for root in values for value in _values_at(root, path))
        if not path:
            stated = schema.get("type", ALL_TYPES)
            stated = {stated} if isinstance(stated, str) else stated
            possible = {"number" if kind == "integer" else kind for kind in stated}
            parts = list(self._always([schema]))
            return found & possible - {kind for kind in possible if has_no_value(parts, kind)}
        step, rest = path[0], path[1:]
        if isinstance(step, Element):
            return found & NOTHING.union(*(self._types(inner, rest) for inner in self._elements(schema)))
        for inner in self._field(schema, step):
            found &= self._types(inner, rest)
        return found

    def _texts(self, schema: Any, path: Path) -> frozenset[str] | None:
        if not isinstance(schema, Mapping):
            return None if schema is True else NOTHING
        key = id(schema), path
        if key not in self._known_texts:
            self._known_texts[key] = self._intersected_texts(schema, path)
        return self._known_texts[key]

    def _intersected_texts(self, schema: Mapping[str, Any], path: Path) -> frozenset[str] | None:
        lists = list(self._own_texts(schema, path))
        lists += [self._texts(inner, path) for inner in (*self._targets(schema), *schema.get("allOf", ()))]
        lists += [_united(self._texts(inner, path) for inner in found) for found in _alternatives(schema)]
        known = [texts for texts in lists if texts is not None]
        return frozenset.intersection(*known) if known else None

    def _own_texts(self, schema: Mapping[str, Any], path: Path) -> Iterator[frozenset[str] | None]:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values is not None:
            found = (value for root in values for value in _values_at(root, path))
            yield frozenset(value for value in found if isinstance(value, str))
        if not path:
            yield None if "string" in self._types(schema, ()) else NOTHING
        elif isinstance(path[0], Element):
            yield _united(self._texts(inner, path[1:]) for inner in self._elements(schema))
        else:
            yield from (self._texts(inner, path[1:]) for inner in self._field(schema, path[0]))

    def _field(self, schema: Mapping[str, Any], name: str) -> Iterator[Any]:
        """Yield the subschemas that a field's value has to satisfy, as far as this part of the schema says it."""
        named = list(_named(schema, name))
        yield from named or [schema.get("additionalProperties", True)]
        if "unevaluatedProperties" in schema and not any(
            self._evaluates(inner, name, schema) for inner in self._annotating(schema)
        ):
            yield schema["unevaluatedProperties"]
        if is_forbidden(schema.get("not", False), name):
            yield False
        if "propertyNames" in schema and self._refuses_name(schema["propertyNames"], name):
            yield False

    def _annotating(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the schema, and all that may evaluate members of the same value, in ``if`` as well."""
        waiting: list[Any] = [schema]
        while waiting:
            for part in self._in_place(waiting.pop()):
                yield part
                waiting += [part["if"]] if "if" in part else []

    @staticmethod
    def _evaluates(schema: Mapping[str, Any], name: str, around: Mapping[str, Any]) -> bool:
        words = ["additionalProperties"] if schema is around else ["additionalProperties", "unevaluatedProperties"]
        return any(True for _ in _named(schema, name)) or any(schema.get(word, False) is not False for word in words)

    def _refuses_name(self, names: Any, name: str) -> bool:
        """Tell whether a schema of names certainly refuses one."""
        texts = self._texts(names, ())
        return (
            names is False
            or (texts is not None and name not in texts)
            or any(refuses_text(part, name) for part in self._always([names]))
        )

    def _elements(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the subschemas one of which an element or entry satisfies."""
        kinds = self._types(schema, ())
        if "array" in kinds and schema.get("maxItems") != 0:
            yield from schema.get("prefixItems", ())
            yield schema.get("items", self._other_elements(schema))
        if "object" in kinds and schema.get("maxProperties") != 0:
            yield from schema.get("properties", {}).values()
            yield from schema.get("patternProperties", {}).values()
            yield schema.get("additionalProperties", True)

    def _other_elements(self, schema: Mapping[str, Any]) -> Any:
        """Return what elements satisfy if ``items`` does not describe them."""
        others = (part for part in self._annotating(schema) if part is not schema)
        is_only = "contains" not in schema and all(_ARRAY_WORDS.isdisjoint(part) for part in others)
        return schema.get("unevaluatedItems", True) if is_only else True


def _united(lists: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """Return all texts of several lists; None if one may have any."""
    found = list(lists)
    known = [texts for texts in found if texts is not None]
    return NOTHING.union(*known) if len(known) == len(found) else None


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """Yield each list of schemas at least one of which a value satisfies."""
    yield from (schema[word] for word in ("anyOf", "oneOf") if word in schema)
    if "if" in schema:
        yield [schema.get("then", True), schema.get("else", True)]


def _named(schema: Mapping[str, Any], name: str) -> Iterator[Any]:
    if name in schema.get("properties", {}):
        yield schema["properties"][name]
    yield from (inner for pattern, inner in schema.get("patternProperties", {}).items() if matches(pattern, name))


def _described(schema: Mapping[str, Any], step: Step) -> Iterator[Any]:
    """Yield the subschemas that a schema has for a step."""
    if isinstance(step, str):
        named = list(_named(schema, step))
        others = [schema[word] for word in ("additionalProperties", "unevaluatedProperties") if word in schema]
        yield from named or [inner for inner in others if isinstance(inner, Mapping)]
        return
    yield from schema.get("prefixItems", ())
    yield from (schema[word] for word in ("items", "additionalProperties") if word in schema)
    yield from (*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values())


def _values_at(value: Any, path: Path) -> Iterator[Any]:
    if not path:
        yield value
    elif isinstance(value, Mapping):
        step = path[0]
        inner = list(value.values()) if isinstance(step, Element) else [value[step]] if step in value else []
        for one in inner:
            yield from _values_at(one, path[1:])
    elif isinstance(value, list | tuple) and isinstance(path[0], Element):
        for one in value:
            yield from _values_at(one, path[1:])

"""References between the parts of a schema: resolved once, and checked to be neither broken nor circular."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from tailrace.definition.json_schema.keywords import REFERENCES, applied_in_place, subschemas, unescape_pointer
from tailrace.errors import DefinitionError

_PREDEFINED = "https://json-schema.org/draft/2020-12/"


class Target(NamedTuple):
    """Where a reference leads.

    Attributes:
        uri: the reference, with its base.
        schema: the target; None if it is one of JSON Schema's own schemas, which are not part of the document.
        pointer: the target's place in the document, as a JSON Pointer; None as for ``schema``.
        dynamic: the dynamic anchor, if several parts have it, and the way to the reference decides which one is meant.
    """

    uri: str
    schema: Any
    pointer: str | None
    dynamic: str | None = None


class References:
    """The targets of a schema's references.

    Raises:
        DefinitionError: a reference leads to no schema of the document; or references form a circle on the same value,
            so that no item could ever be validated.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._schemas: dict[int, tuple[Any, str, str]] = {}  # with its base URI and its pointer, by identity
        self._by_uri: dict[str, Any] = {}
        self._dynamic: dict[str, list[Any]] = {}
        self._index(document, "", "")
        self._targets = {key: self._resolve(schema) for key, (schema, _, _) in self._schemas.items()}
        self._check_circles()

    def in_place(self, schema: Any, *, always: bool = False) -> Iterator[Mapping[str, Any]]:
        """Yield the schema and all that may apply to the same value: through references, allOf, anyOf, then and so on.

        With ``always``, only those that every value must satisfy: through references and allOf.
        """
        seen: set[int] = set()
        waiting = [schema]
        while waiting:
            found = waiting.pop()
            if not isinstance(found, Mapping) or id(found) in seen:
                continue
            seen.add(id(found))
            yield found
            waiting += self._targets.get(id(found), ())
            waiting += [
                inner
                for keyword, inner in applied_in_place(found)
                if keyword == "allOf" or not (always or keyword in ("not", "if"))
            ]

    def most_parts_in_place(self) -> int:
        """Return how many parts of the schema, and required fields, one value may violate, beyond the first part."""
        return max(map(self._parts_in_place, [schema for schema, _, _ in self._schemas.values()]), default=1) - 1

    def _parts_in_place(self, schema: Any) -> int:
        parts = list(self.in_place(schema))
        required = [len(part.get("required", ())) for part in parts]
        required += [len(names) for part in parts for names in part.get("dependentRequired", {}).values()]
        return len(parts) + sum(required)

    def targets(self, schema: Mapping[str, Any]) -> Sequence[Any]:
        """Return the schemas that a schema refers to."""
        return self._targets.get(id(schema), ())

    def part(self, key: int) -> tuple[Mapping[str, Any], str]:
        """Return the part of the schema with this identity, and its pointer."""
        schema, _, pointer = self._schemas[key]
        return schema, pointer

    def dynamic_anchors(self, schema: Mapping[str, Any]) -> Mapping[str, int]:
        """Return the identities of the parts that dynamic anchors name in the same resource (the nearest ``$id``).

        Only for names that occur in several resources: all others lead to one part, from wherever they are used.
        """
        base = self._schemas[id(schema)][1]
        return {
            name: id(part)
            for name, parts in self._dynamic.items()
            if len(parts) > 1
            for part in parts
            if self._schemas[id(part)][1] == base
        }

    def pointer(self, schema: Mapping[str, Any], reference: object) -> str | None:
        """Return the pointer to the part that a text in a part refers to; None if it refers to none."""
        try:
            target, pointer = self._find(_join(self._schemas[id(schema)][1], str(reference)))
        except ValueError:  # it is not a URI
            return None
        return pointer if id(target) in self._schemas else None

    def resolved(self, schema: Mapping[str, Any]) -> Iterator[Target]:
        """Yield where each reference of a part leads."""
        base = self._schemas[id(schema)][1]
        for keyword in REFERENCES:
            reference = schema.get(keyword)
            if not isinstance(reference, str):
                continue
            uri = _join(base, reference)
            if uri.startswith(_PREDEFINED):
                yield Target(uri, None, None)
                continue
            target, pointer = self._find(uri)
            if not isinstance(target, bool) and id(target) not in self._schemas:
                raise DefinitionError(
                    f"unresolved schema reference {reference!r}; define it under $defs (schemas are not fetched)"
                )
            # the validator follows $ref to a dynamic anchor as it follows $dynamicRef, against the specification
            name = target.get("$dynamicAnchor") if isinstance(target, Mapping) else None
            is_dynamic = name == urldefrag(uri)[1] and len(self._dynamic[name]) > 1
            yield Target(uri, target, pointer, name if is_dynamic else None)

    def _index(self, schema: Any, base: str, pointer: str) -> None:
        if not isinstance(schema, Mapping):
            return
        if isinstance(schema.get("$id"), str):
            base = _join(base, schema["$id"]).removesuffix("#")
        if not self._schemas or "$id" in schema:
            self._name(base, schema)
        self._schemas[id(schema)] = schema, base, pointer
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                self._name(f"{base}#{schema[keyword]}", schema)
        if isinstance(schema.get("$dynamicAnchor"), str):
            self._dynamic.setdefault(schema["$dynamicAnchor"], []).append(schema)
        for _, step, inner in subschemas(schema):
            self._index(inner, base, pointer + step)

    def _name(self, uri: str, schema: Any) -> None:
        if self._by_uri.setdefault(uri, schema) is not schema:
            raise DefinitionError(f"two parts of the schema are named {uri!r}, by $id or $anchor: rename one")

    def _resolve(self, schema: Mapping[str, Any]) -> list[Any]:
        """Return the schemas that a schema may refer to."""
        targets = []
        for target in self.resolved(schema):
            targets += [] if target.pointer is None else [target.schema]
            targets += [] if target.dynamic is None else self._dynamic[target.dynamic]
        return targets

    def _find(self, uri: str) -> tuple[Any, str]:
        """Return what a URI names, None if nothing; and its pointer."""
        if uri in self._by_uri:
            found = self._by_uri[uri]
            return found, self._schemas[id(found)][2]
        resource, fragment = urldefrag(uri)
        node = self._by_uri.get(resource)
        if node is None or (fragment and not fragment.startswith("/")):
            return None, ""
        pointer = self._schemas[id(node)][2] + unquote(fragment)
        for part in unquote(fragment).split("/")[1:]:
            name = unescape_pointer(part)
            if isinstance(node, Mapping):
                node = node.get(name)
            elif isinstance(node, list | tuple) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            else:
                return None, ""
        return node, pointer

    def _check_circles(self) -> None:
        done: set[int] = set()
        for schema, _, _ in self._schemas.values():
            self._visit(schema, done, [])

    def _visit(self, schema: Any, done: set[int], path: list[int]) -> None:
        if not isinstance(schema, Mapping) or id(schema) in done:
            return
        if id(schema) in path:
            visited = [self._schemas[key][0] for key in path]
            named = [f"{word} {part[word]!r}" for part in visited for word in REFERENCES if word in part]
            raise DefinitionError(
                f"the schema's references form a circle on the same value, at {named[0]}: "
                "refer to it from properties or items, whose values are smaller"
            )
        path.append(id(schema))
        for inner in (*self._targets[id(schema)], *(inner for _, inner in applied_in_place(schema))):
            self._visit(inner, done, path)
        path.pop()
        done.add(id(schema))


def _join(base: str, reference: str) -> str:
    if not reference.startswith("#"):
        return urljoin(base, reference)
    return urldefrag(base)[0] + ("" if reference == "#" else reference)

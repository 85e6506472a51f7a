"""References between the parts of a schema: resolved once, and checked to be neither broken nor circular."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from tailrace.definition.json_schema.keywords import REFERENCES, applied_in_place, subschemas, unescape_pointer
from tailrace.errors import DefinitionError

_PREDEFINED = "https://json-schema.org/draft/2020-12/"


class References:
    """The targets of a schema's references.

    Raises:
        DefinitionError: a reference leads to no schema of the document; or references form a circle on the same value,
            so that no item could ever be validated.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._schemas: dict[int, tuple[Any, str]] = {}  # with its base URI, by identity
        self._by_uri: dict[str, Any] = {}
        self._dynamic: dict[str, list[Any]] = {}
        self._index(document, "")
        self._targets = {key: self._resolve(schema, base) for key, (schema, base) in self._schemas.items()}
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
        return max(map(self._parts_in_place, [schema for schema, _ in self._schemas.values()]), default=1) - 1

    def _parts_in_place(self, schema: Any) -> int:
        parts = list(self.in_place(schema))
        required = [len(part.get("required", ())) for part in parts]
        required += [len(names) for part in parts for names in part.get("dependentRequired", {}).values()]
        return len(parts) + sum(required)

    def targets(self, schema: Mapping[str, Any]) -> Sequence[Any]:
        """Return the schemas that a schema refers to."""
        return self._targets.get(id(schema), ())

    def _index(self, schema: Any, base: str) -> None:
        if not isinstance(schema, Mapping):
            return
        if isinstance(schema.get("$id"), str):
            base = _join(base, schema["$id"]).removesuffix("#")
        if not self._schemas or "$id" in schema:
            self._name(base, schema)
        self._schemas[id(schema)] = schema, base
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                self._name(f"{base}#{schema[keyword]}", schema)
        if isinstance(schema.get("$dynamicAnchor"), str):
            self._dynamic.setdefault(schema["$dynamicAnchor"], []).append(schema)
        for _, _, inner in subschemas(schema):
            self._index(inner, base)

    def _name(self, uri: str, schema: Any) -> None:
        if self._by_uri.setdefault(uri, schema) is not schema:
            raise DefinitionError(f"two parts of the schema are named {uri!r}, by $id or $anchor: rename one")

    def _resolve(self, schema: Mapping[str, Any], base: str) -> list[Any]:
        """Return the schemas that a schema may refer to."""
        targets = []
        for keyword in REFERENCES:
            reference = schema.get(keyword)
            if not isinstance(reference, str) or _join(base, reference).startswith(_PREDEFINED):
                continue
            target = self._find(_join(base, reference))
            if not isinstance(target, bool) and id(target) not in self._schemas:
                raise DefinitionError(
                    f"unresolved schema reference {reference!r}; define it under $defs (schemas are not fetched)"
                )
            targets.append(target)
            if keyword == "$dynamicRef" and isinstance(target, Mapping):
                targets += self._dynamic.get(str(target.get("$dynamicAnchor")), [])
        return targets

    def _find(self, uri: str) -> Any:
        if uri in self._by_uri:
            return self._by_uri[uri]
        resource, fragment = urldefrag(uri)
        node = self._by_uri.get(resource)
        if fragment and not fragment.startswith("/"):
            return None
        for part in unquote(fragment).split("/")[1:]:
            name = unescape_pointer(part)
            if isinstance(node, Mapping):
                node = node.get(name)
            elif isinstance(node, list | tuple) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            else:
                return None
        return node

    def _check_circles(self) -> None:
        done: set[int] = set()
        for schema, _ in self._schemas.values():
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

"""A schema at a place within another document, such as OpenAPI's.

There, it is not a document of its own: two collections may use the same ``$id``, or the same anchors. So each reference
becomes a pointer to where its target now is, and the names of parts are left out. A dynamic reference that leads to
different parts, depending on the way there, gets a copy of what is on each way.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tailrace.definition.json_schema.keywords import LISTS, MAPS, REFERENCES, SINGLE, subschemas
from tailrace.definition.json_schema.references import References, Target

_OF_DOCUMENTS = frozenset(["$schema", "$id", "$anchor", "$dynamicAnchor"])
_IN_POINTERS = "/~!$&'()*+,;=:@"

type _Scope = frozenset[tuple[str, int]]
"""The identity of the part to which each dynamic anchor leads; only for anchors that name several parts."""


class Embedding:
    """The form of a schema at a place.

    Args:
        document: the schema.
        references: its references.
        place: a reference to the place, such as ``#/components/schemas/item``.
    """

    def __init__(self, document: Mapping[str, Any], references: References, place: str) -> None:
        self._references = references
        self._place = place
        self._own_scopes: dict[int, _Scope] = {}
        self._names: dict[tuple[int, _Scope], str] = {}
        self._copies: dict[str, Any] = {}
        self._taken = document.get("$defs", {})
        self._settle(document, frozenset())
        self.schema: dict[str, Any] = self._embed(document, frozenset())
        if self._copies:
            self.schema["$defs"] = self.schema.get("$defs", {}) | self._copies

    def _settle(self, schema: Any, scope: _Scope) -> None:
        """Note the scope that each part has at its own place."""
        if isinstance(schema, Mapping):
            self._own_scopes[id(schema)] = scope = self._entered(schema, scope)
            for _, _, inner in subschemas(schema):
                self._settle(inner, scope)

    def _entered(self, schema: Mapping[str, Any], scope: _Scope) -> _Scope:
        """Return the scope within a part that is reached from a scope: the outermost anchor of a name counts."""
        anchors = self._references.dynamic_anchors(schema)
        outer = dict(scope)
        return scope | {(name, key) for name, key in anchors.items() if name not in outer}

    def _embed(self, schema: Any, scope: _Scope) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        scope = self._entered(schema, scope)
        found: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in SINGLE:
                found[keyword] = self._embed(value, scope)
            elif keyword in LISTS:
                found[keyword] = [self._embed(inner, scope) for inner in value]
            elif keyword in MAPS:
                found[keyword] = {name: self._embed(inner, scope) for name, inner in value.items()}
            elif keyword == "discriminator":
                found[keyword] = self._discriminator(schema, value)
            elif keyword not in _OF_DOCUMENTS and keyword not in REFERENCES:
                found[keyword] = value  # data, whatever it looks like
        led = [self._reference(target, scope) for target in self._references.resolved(schema)]
        if len(led) > 1:
            found["allOf"] = [*found.get("allOf", ()), *({"$ref": one} for one in led)]
        elif led:
            found = {"$ref": led[0]} | found
        return found

    def _reference(self, target: Target, scope: _Scope) -> str:
        if target.pointer is None:
            return target.uri
        schema, pointer = target.schema, target.pointer
        if target.dynamic is not None and target.dynamic in dict(scope):
            schema, pointer = self._references.part(dict(scope)[target.dynamic])
        if isinstance(schema, Mapping):
            scope = self._entered(schema, scope)
            if scope != self._own_scopes[id(schema)]:
                pointer = f"/$defs/{self._copy(schema, scope)}"
        return self._at(pointer)

    def _discriminator(self, schema: Mapping[str, Any], value: Any) -> Any:
        """Return OpenAPI's annotation; its mapping leads to schemas, by name or by reference."""
        if not isinstance(value, Mapping) or not isinstance(value.get("mapping"), Mapping):
            return value
        led = {name: (one, self._references.pointer(schema, one)) for name, one in value["mapping"].items()}
        mapping = {name: one if pointer is None else self._at(pointer) for name, (one, pointer) in led.items()}
        return {**value, "mapping": mapping}

    def _at(self, pointer: str) -> str:
        return self._place + quote(pointer, safe=_IN_POINTERS)

    def _copy(self, schema: Mapping[str, Any], scope: _Scope) -> str:
        """Return the name of a copy of a part, as it is when it is reached from this scope."""
        key = id(schema), scope
        if key not in self._names:
            number = len(self._names) + 1
            while f"dynamic-{number}" in self._taken or f"dynamic-{number}" in self._copies:
                number += 1
            name = self._names[key] = f"dynamic-{number}"
            self._copies[name] = True  # until its own references have been followed, which may lead back to it
            self._copies[name] = self._embed(schema, scope)
        return self._names[key]

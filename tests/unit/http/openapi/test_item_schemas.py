"""The document's schema of items accepts what the collection's own accepts, and each of its references leads to a part.

The other validator here is ``jsonschema``, which shares no code with the collection's.
"""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tailrace import Collection, Pipeline
from tailrace.definition.json_schema.keywords import subschemas
from tailrace.encoding.tagged_json import dumps
from tailrace.http.openapi.document import build_document, security

INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
ADDRESS = "https://example.com/v.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

GENERIC_LIST = {
    "$id": "list",
    "type": "array",
    "items": {"$dynamicRef": "#T"},
    "$defs": {"T": {"$dynamicAnchor": "T", "not": {}}},
}
TREE = {
    "$id": "tree",
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {"a": INTEGER, "b": {"type": "array", "items": {"$dynamicRef": "#node"}}},
}


def list_of(name: str, element: dict[str, Any]) -> dict[str, Any]:
    return {"$id": name, "$ref": "list", "$defs": {"T": {"$dynamicAnchor": "T"} | element}}


SCHEMAS: dict[str, dict[str, Any]] = {
    "pointer": {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": INTEGER}},
    "itself": {"properties": {"a": INTEGER, "b": {"$ref": "#"}}},
    "names in pointers": {
        "properties": {"a": {"$ref": "#/$defs/a~1b~0c%25%20%5E"}, "b": {"$ref": "#/allOf/1"}},
        "$defs": {"a/b~c% ^": INTEGER},
        "allOf": [True, {"type": ["object", "string"]}],
    },
    "a boolean": {"properties": {"a": {"$ref": "#/$defs/no"}, "b": {"$ref": "#/$defs/yes"}},
                  "$defs": {"no": False, "yes": True}},
    "anchor": {"properties": {"a": {"$ref": "#num"}}, "$defs": {"n": {"$anchor": "num", "type": "integer"}}},
    "dynamic pointer": {"properties": {"a": {"$dynamicRef": "#/$defs/n"}}, "$defs": {"n": INTEGER}},
    "dynamic anchor": {"$dynamicAnchor": "node", "properties": {"a": INTEGER, "b": {"$dynamicRef": "#node"}}},
    "dynamic anchor by $ref": {"$dynamicAnchor": "node", "properties": {"a": INTEGER, "b": {"$ref": "#node"}}},
    "dynamic reference to an anchor": {
        "properties": {"a": {"$dynamicRef": "#num"}}, "$defs": {"n": {"$anchor": "num", "type": "integer"}},
    },
    "both references": {
        "properties": {"a": {"$ref": "#/$defs/n", "$dynamicRef": "#/$defs/m", "allOf": [{"maximum": 5}]}},
        "$defs": {"n": INTEGER, "m": {"minimum": 1}},
    },
    "own address": {"$id": ADDRESS, "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "v.json#/$defs/n"}},
                    "$defs": {"n": INTEGER}},
    "relative address": {"$id": ADDRESS, "properties": {"a": {"$ref": "n.json"}, "b": {"$ref": f"{ADDRESS}#"}},
                         "$defs": {"n": {"$id": "n.json", "type": "integer"}}},
    "inner address": {
        "properties": {"a": {"$ref": "urn:x:n"}, "b": {"$ref": "#/$defs/n/$defs/m"}},
        "$defs": {"n": {"$id": "urn:x:n", "$ref": "#/$defs/m", "$defs": {"m": INTEGER}}, "m": TEXT},
    },
    "inner address with an anchor": {
        "properties": {"a": {"$ref": "urn:x:n#m"}, "b": {"$ref": "#m"}},
        "$defs": {"n": {"$id": "urn:x:n", "$defs": {"m": {"$anchor": "m", "type": "integer"}}},
                  "m": {"$anchor": "m", "type": "string"}},
    },
    "inner address in place": {
        "properties": {"a": {"$id": "urn:x:a", "anyOf": [{"$ref": "#/$defs/m"}], "$defs": {"m": INTEGER}}},
        "$defs": {"m": TEXT},
    },
    "JSON Schema's own": {"$id": "https://json-schema.org/draft/2020-12/mine", "properties": {"a": {"$ref": "schema"}}},
    "a list of each": {
        "properties": {"a": {"$ref": "numbers"}, "b": {"$ref": "texts"}},
        "$defs": {"l": GENERIC_LIST, "n": list_of("numbers", INTEGER), "t": list_of("texts", TEXT),
                  "dynamic-1": INTEGER},
    },
    "a tree": {"properties": {"a": {"$ref": "tree"}}, "$defs": {"t": TREE}},
    "a strict tree": {"$dynamicAnchor": "node", "$ref": "tree", "unevaluatedProperties": False, "$defs": {"t": TREE}},
    "a strict tree inside": {
        "properties": {"a": {"$ref": "tree"}, "b": {"$ref": "strict"}},
        "$defs": {
            "s": {"$id": "strict", "$dynamicAnchor": "node", "$ref": "tree", "unevaluatedProperties": False},
            "t": TREE,
        },
    },
    "a dynamic anchor elsewhere by $ref": {
        "$id": ADDRESS, "$dynamicAnchor": "node",
        "properties": {"a": INTEGER, "b": {"$ref": "inner#node"}},
        "$defs": {"i": {"$id": "inner", "$dynamicAnchor": "node", "properties": {"a": TEXT}}},
    },
    "a dynamic pointer to a dynamic anchor": {
        "$dynamicAnchor": "node",
        "properties": {"a": {"$ref": "inner"}},
        "$defs": {"i": {"$id": "inner", "properties": {"a": {"$dynamicRef": "#/$defs/n"}},
                        "$defs": {"n": {"$dynamicAnchor": "node", "type": "integer"}}}},
    },
    "definitions": {
        "properties": {"a": {"$ref": "#/definitions/const"}},
        "definitions": {"const": {"properties": {"a": {"$ref": "#/definitions/enum"}}}, "enum": INTEGER},
    },
    "parts named like keywords": {
        "properties": {"a": {"$ref": "#/$defs/$ref"}, "b": {"$ref": "#/$defs/properties/properties/a"}},
        "$defs": {"$ref": {"$ref": "#/$defs/const"}, "const": INTEGER, "enum": TEXT, "$id": INTEGER,
                  "properties": {"properties": {"a": {"$ref": "#/$defs/enum"}}}},
    },
    "fields named like keywords": {
        "properties": {"$ref": INTEGER, "enum": {"$ref": "#/$defs/n"}, "const": {"$ref": "#/$defs/n"}, "$id": TEXT,
                       "$anchor": INTEGER, "default": {"$ref": "#/properties/$ref"}, "a": {"$ref": "#/properties/$id"}},
        "required": ["a"],
        "$defs": {"n": INTEGER},
    },
    "dependent": {
        "dependentSchemas": {"a": {"$ref": "#/$defs/n"}, "default": {"$ref": "#/$defs/n"}, "b": False},
        "dependentRequired": {"x": ["a"]},
        "$defs": {"n": {"required": ["x"]}},
    },
    "patterns": {
        "patternProperties": {"^[ab]$": {"$ref": "#/patternProperties/^[$]"}, "^[$]": INTEGER},
        "additionalProperties": False,
    },
    "conditions": {
        "if": {"properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["a"]},
        "then": {"$ref": "#/$defs/then"}, "else": {"$ref": "#/$defs/else"},
        "$defs": {"n": INTEGER, "then": {"required": ["b"]}, "else": {"properties": {"b": TEXT}}},
    },
    "unevaluated": {
        "allOf": [{"$ref": "#/$defs/base"}], "properties": {"b": {"prefixItems": [INTEGER], "$ref": "#/$defs/list"}},
        "unevaluatedProperties": {"$ref": "#/$defs/n"},
        "$defs": {"base": {"properties": {"a": TEXT}}, "n": INTEGER, "list": {"unevaluatedItems": False}},
    },
    "unevaluated after dynamic": {
        "$dynamicRef": "#base", "$ref": "#/$defs/other", "unevaluatedProperties": False,
        "$defs": {"base": {"$dynamicAnchor": "base", "properties": {"a": INTEGER}}, "other": {"properties": {"b": {}}}},
    },
    "content": {
        "properties": {"a": {"contentMediaType": "application/json", "contentSchema": {"$ref": "#/$defs/n"}}},
        "$defs": {"n": INTEGER},
    },
    "names": {"propertyNames": {"$ref": "#/$defs/name"}, "$defs": {"name": {"maxLength": 1}}},
    "data": {
        "$schema": DRAFT,
        "x-note": {"$ref": "#/nowhere"},
        "example": {"$ref": "#/nowhere"},
        "examples": [{"$ref": "#/nowhere"}],
        "default": {"$ref": "#/nowhere"},
        "properties": {
            "a": {"x-k": {"$ref": "#/y"}, "example": {"$ref": "#y"}, "const": {"$ref": "#"}},
            "b": {"enum": [{"$ref": "#"}, {"$id": "urn:y"}], "xml": {"$ref": "#/z"}},
        },
    },
}  # fmt: skip

VALUES: list[Any] = [
    0, 2, 9, "x", None, True, [], [1], ["x"], [1, 2], {}, {"a": 1}, {"a": "x"}, {"c": 1}, {"$ref": "#"},
    {"$id": "urn:y"}, {"type": "integer"}, {"type": 5}, [{"a": 1}], [{"a": "x"}], [{"c": 1}], [{"b": [{"c": 1}]}],
    {"b": [{"c": 1}]}, {"a": {"a": 1}}, {"a": {"a": "x"}}, {"b": {"a": "x"}},
]  # fmt: skip
ITEMS: list[dict[str, Any]] = [
    {},
    *({name: value} for name, value in product(["a", "b", "x", "$ref", "enum", "const", "default", "$id"], VALUES)),
    *({"a": one, "b": other} for one, other in product(VALUES, VALUES)),
    *({"a": value, name: "x"} for name, value in product(["x", "default"], VALUES)),
]


def whole(*schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a pipeline with collections of these schemas, as readers get it."""
    collections = [Collection(f"c{number}", schema=schema) for number, schema in enumerate(schemas)]
    made: dict[str, Any] = json.loads(dumps(build_document(Pipeline(collections=collections), security(None))))
    return made


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for _, _, inner in subschemas(schema):
            yield from parts(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_accepts_the_same_items(name: str) -> None:
    own = Collection("c0", schema=SCHEMAS[name]).compiled
    validator = Draft202012Validator({"$ref": "#/components/schemas/c0-item"} | whole(SCHEMAS[name]))
    accepted = [item for item in ITEMS if own.is_valid(item)]
    assert [item for item in ITEMS if validator.is_valid(item)] == accepted
    assert accepted
    assert len(accepted) < len(ITEMS) or name == "content"  # which asserts nothing


@pytest.mark.parametrize("schema", [{}, {"properties": {"a": {"$ref": "#"}}}, {"type": ["object", "null"]}])
def test_items_are_objects(schema: dict[str, Any]) -> None:
    validator = Draft202012Validator({"$ref": "#/components/schemas/c0-item"} | whole(schema))
    assert not any(map(validator.is_valid, (None, True, 7, "x", [], [{}])))
    assert validator.is_valid({"a": {}})
    assert validator.is_valid({"a": 7})  # where the schema refers to itself, it allows all that it allows


def test_every_reference_leads_to_a_part_and_no_part_has_a_name_of_its_own() -> None:
    found = whole(*SCHEMAS.values())  # several have the same anchors and addresses
    resolver = Registry().with_resource("", DRAFT202012.create_resource(found)).resolver()
    schemas = found["components"]["schemas"]
    known = {id(part) for schema in schemas.values() for part in parts(schema)}
    references = [part["$ref"] for schema in schemas.values() for part in parts(schema) if "$ref" in part]
    assert len(references) > len(SCHEMAS)
    for reference in references:
        target = reference == DRAFT or resolver.lookup(reference).contents
        assert isinstance(target, bool) or id(target) in known
    for schema in schemas.values():
        for part in parts(schema):
            assert part.keys().isdisjoint(["$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef"])


def test_data_stays_as_it_is() -> None:
    found = whole(SCHEMAS["data"])["components"]["schemas"]["c0-item"]["allOf"][0]
    assert found == {name: value for name, value in SCHEMAS["data"].items() if name != "$schema"}


def test_a_discriminator_leads_to_parts_as_references_do() -> None:
    mapping = {
        "a": "#/$defs/a",
        "b": "#b",
        "c": "c.json",
        "d": "problem",
        "e": "#/components/schemas/problem",
        "f": 7,
        "g": "//[",
    }
    schema = {
        "type": "object",
        "discriminator": {"propertyName": "kind", "mapping": mapping},
        "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#b"}, {"$ref": "c.json"}],
        "$defs": {"a": {}, "b": {"$anchor": "b"}, "c": {"$id": "c.json"}},
    }
    found = whole(schema)["components"]["schemas"]["c0-item"]
    led = [one["$ref"] for one in found["oneOf"]]
    assert led == [f"#/components/schemas/c0-item/$defs/{name}" for name in "abc"]
    assert found["discriminator"] == {
        "propertyName": "kind",
        "mapping": mapping | dict(zip("abc", led, strict=True)),
    }
    for odd in (5, {"propertyName": "kind"}, {"mapping": ["#/$defs/a"]}):
        assert (
            whole({"type": "object", "discriminator": odd})["components"]["schemas"]["c0-item"]["discriminator"] == odd
        )

"""Hostile schemas: refused when they are defined, or items under them are valid or invalid; nothing else is raised."""

import io
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace import Collection
from tailrace.aws.items.rows import StoredItem, validated_row
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.tagged_json import loads
from tailrace.errors import DefinitionError, InvalidItem, InvalidMessage
from tailrace.inputs.lines import Format, read_lines
from tests.hostile.corpus import SIGNS
from tests.hostile.example_settings import hostile
from tests.hostile.strategies import bodies

SCHEMAS, ITEMS_PER_SCHEMA = 1_000, 4

_names = st.sampled_from(["k", "v", "n", "t", "id", "a/b", "~0", "", "%25", *SIGNS[:20]])
_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        10**40,
        "",
        "text",
        "s3cr3t#",
        [],
        [1],
        ["k"],
        {},
        {"k": 1},
        "^a$",
        "(",
        "\\d+",
        "#",
        "#/$defs/a",
    ]
)
_patterns = st.sampled_from(
    ["", "^$", "^[a-z]+$", "\\S", "(a|b)*c", "[", "(?<x>a)", "\\p{L}", "a{99999}", "\ud800", "^\\w{2}#~"]
)


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    by_name = st.dictionaries(_names, inner, max_size=3)
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(
            ["object", "string", "number", "integer", "null", "array", ["string", "null"], "text", [], 1]
        ),
        "properties": by_name,
        "patternProperties": st.dictionaries(_patterns, inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "required": st.lists(_names, max_size=2),
        "dependentRequired": st.dictionaries(_names, st.lists(_names, max_size=2), max_size=2),
        "dependentSchemas": by_name,
        "items": inner,
        "prefixItems": some,
        "contains": inner,
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "enum": st.lists(_values, max_size=3),
        "const": _values,
        "minimum": _values,
        "multipleOf": st.sampled_from([1, 0.01, 1e-30, 0, -1, 10**40]),
        "maxLength": _values,
        "pattern": _patterns,
        "format": st.sampled_from(["date-time", "email", "x"]),
        "uniqueItems": _values,
        "$ref": st.sampled_from(
            ["#", "#/$defs/a", "#/$defs/b", "#/properties/k", "#/nowhere", "http://127.0.0.1:1/x", "#a", ""]
        ),
        "$defs": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
        "$schema": st.sampled_from(
            ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#", ""]
        ),
        "unknown": _values,
    }
    member = st.sampled_from(sorted(keywords)).flatmap(lambda name: st.tuples(st.just(name), keywords[name]))
    return st.lists(member, max_size=4).map(dict)


schemas: st.SearchStrategy[Any] = st.recursive(st.one_of(st.booleans(), _values, st.just({})), _schemas, max_leaves=6)


def test_hostile_schemas_are_refused_or_judge_every_item() -> None:
    outcomes = Counter[str]()

    @hostile(SCHEMAS)
    @given(_schemas(schemas), st.lists(bodies, min_size=ITEMS_PER_SCHEMA, max_size=ITEMS_PER_SCHEMA))
    def play(schema: Any, texts: list[str]) -> None:
        try:
            things = Collection("things", schema=schema, id_from="*")
        except DefinitionError as error:
            outcomes["refused schemas"] += bool(str(error))
            return
        pipeline = Pipeline([things])
        for text in texts:
            try:
                item = loads(text)
                if isinstance(item, dict):
                    validated_row(pipeline, "things", "1", StoredItem(item))
                    outcomes["valid items"] += 1
            except InvalidItem as error:
                outcomes["invalid items"] += bool(error.violations)
            except InvalidMessage:
                outcomes["unreadable items"] += 1
        lines = "\n".join(["{}", *texts]).encode(errors="surrogatepass")
        forms: list[tuple[Format, bytes]] = [("jsonl", lines), ("csv", b"id,k,v,n,t\n" + lines)]
        for form, body in forms:
            outcomes["lines"] += len(list(read_lines(io.BytesIO(body), form, things.compiled, things.id_columns)))

    play()
    assert set(outcomes) == {"refused schemas", "valid items", "invalid items", "unreadable items", "lines"}
    assert min(outcomes.values()) > SCHEMAS // 20

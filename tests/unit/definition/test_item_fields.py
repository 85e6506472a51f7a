"""What key, match= and the table's own attributes say of a collection's fields, and where a definition contradicts."""

from collections.abc import Callable
from typing import Any

import pytest

from tailrace import Aggregate, Collection, count, day, days, distinct, field, first, hour, largest, maximum, total
from tailrace.errors import DefinitionError

KEY = {"PK": "C#{text}", "SK": "{number:number}"}
BINARY = {"PK": "{binary:binary}", "SK": "{text}"}
OPEN: dict[str, Any] = {}


def collection(schema: Any = OPEN, key: Any = KEY, **others: Any) -> Collection:
    return Collection("things", schema=schema, key=key, **others)


def with_field(name: str, schema: Any, **others: Any) -> Callable[[], Collection]:
    return lambda: collection({"properties": {name: schema}}, **others)


def counting(*groups: Any, of: Collection | None = None, **measures: Any) -> Callable[[], Aggregate]:
    return lambda: Aggregate(
        "a", of=of or collection(match={"kind": "Order", "open": True}), by=groups, measures=measures or {"n": count()}
    )


BINARY_KEY = collection(key=BINARY)
MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a sum of a text key": (counting(n=total("text")), "needs a number, but 'text' is a string in the key of 'things'"),
    "elements of a text key": (
        lambda: Aggregate("b", of=collection(), each="text", by=[], measures={"n": count()}),
        "'text' is a string in the key",
    ),
    "elements of a number key": (
        lambda: Aggregate("b", of=collection(), each="number", by=[], measures={"n": count()}),
        "'number' is a number in the key",
    ),
    "a step into a text key": (counting(field("text.name")), "'text' is a string in the key of 'things'"),
    "a group by a binary key": (counting(field("binary"), of=BINARY_KEY), "'binary' is binary in the key"),
    "a sum of a binary key": (counting(n=total("binary"), of=BINARY_KEY), "'binary' is binary in the key"),
    "a day of a binary key": (counting(day("binary"), of=BINARY_KEY), "'binary' is binary in the key"),
    "values of a binary key": (counting(n=distinct("binary"), of=BINARY_KEY), "'binary' is binary in the key"),
    "a binary key shown": (
        counting(n=largest("x", 3, show=["binary"]), of=BINARY_KEY),
        "'binary' is binary in the key",
    ),
    "a binary key as an order": (counting(n=first("x", by="binary"), of=BINARY_KEY), "'binary' is binary in the key"),
    "a sum of a fixed text": (counting(n=total("kind")), "'kind' is a string in the match= of 'things'"),
    "an hour of a fixed text": (counting(hour("kind")), "needs a time, but 'kind' is 'Order' in the match="),
    "an hour of a fixed boolean": (counting(hour("open")), "'open' is a boolean in the match= of 'things'"),
    "a step into a fixed text": (counting(field("kind.name")), "'kind' is a string in the match= of 'things'"),
    "a group by a key attribute": (counting(field("PK")), "'PK' is an attribute of the table's key, not a field"),
    "a measure of the TTL": (
        counting(n=maximum("expires_at")),
        "'expires_at' is the table's TTL attribute, not a field",
    ),
    "a group in a key attribute": (counting(field("SK.day")), "'SK' is an attribute of the table's key, not a field"),
    "a group by a global table's attribute": (counting(field("aws:rep:updateregion")), "an attribute of global tables"),
    "a group by a plain key": (
        counting(field("pk", name="key"), of=Collection("x", schema={})),
        "'pk' is an attribute of the",
    ),
    "a schema that says number of a text": (
        with_field("text", {"type": "integer"}),
        "a text, and the schema allows number",
    ),
    "a schema that says text of a number": (
        with_field("number", {"type": "string"}),
        "a number, and the schema allows string",
    ),
    "a schema that says number of binary": (
        with_field("binary", {"type": "number"}, key=BINARY),
        "which a schema sees as a string",
    ),
    "a schema that says null": (with_field("text", {"type": ["null", "array"]}), "allows array or null"),
    "a schema that forbids a field": (with_field("text", False), "a text, and the schema allows nothing"),
    "other fields are numbers": (lambda: collection({"additionalProperties": {"type": "number"}}), "'text' a text"),
    "a schema by reference": (
        lambda: collection({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"text": {"enum": [1, 2]}}}}}),
        "'text' a text",
    ),
    "a key attribute in the schema": (
        with_field("PK", {"type": "string"}),
        "the schema has the field 'PK', but 'PK' is an attribute of the table's key",
    ),
    "a key attribute required": (lambda: collection({"required": ["SK"]}), "the schema has the field 'SK'"),
    "a plain key in the schema": (
        lambda: Collection("x", schema={"properties": {"pk": {}}}),
        "the schema has the field 'pk'",
    ),
    "a TTL in the schema": (with_field("ends", {}, ttl="ends"), "'ends' is the table's TTL attribute"),
    "the plain TTL in the schema": (with_field("expires_at", {}), "'expires_at' is the table's TTL attribute"),
    "a global table's attribute": (
        with_field("aws:rep:deleting", {}),
        "'aws:rep:deleting' is an attribute of global tables",
    ),
    "the engine's attribute": (with_field("~etag", {}), "'~etag' is an attribute of the engine"),
    "match= on a key attribute": (
        lambda: collection(match={"PK": "C#1"}),
        "match=: 'PK' is an attribute of the table's key",
    ),
    "match= on a field of the key": (lambda: collection(match={"text": "1"}), "match=: 'text' is in the key"),
    "match= on an attribute that is its own field": (
        lambda: collection(key={"a": "{a}"}, match={"a": "1"}),
        "'a' is in the key",
    ),
    "match= on the TTL": (
        lambda: collection(match={"expires_at": 1}),
        "match=: 'expires_at' is the table's TTL attribute",
    ),
    "match= on a global table's attribute": (lambda: collection(match={"aws:rep:updatetime": 1}), "global tables"),
    "match= that the schema forbids": (
        with_field("kind", {"type": "number"}, match={"kind": "A"}),
        "'A' is not of type 'number'",
    ),
    "match= outside an enum": (
        with_field("kind", {"enum": ["B"]}, match={"kind": "A"}),
        "which the schema does not allow",
    ),
    "match= against a pattern": (with_field("kind", {"pattern": "^B"}, match={"kind": "A"}), "does not match"),
    "match= that a closed schema lacks": (
        lambda: Collection("x", schema={"additionalProperties": False}, match={"kind": "A"}),
        "it allows no such field",
    ),
    "key= against the schema's names": (
        lambda: collection(schema={"propertyNames": {"pattern": "^[A-Z]"}}),
        "key= makes the field 'text' a text, and the schema allows nothing there",
    ),
    "match= against the schema's names": (
        lambda: Collection("x", schema={"propertyNames": {"enum": ["a"]}}, match={"kind": "A"}),
        "match= gives the field 'kind' the value 'A', which the schema does not allow",
    ),
    "received= in the TTL": (
        lambda: collection(received="expires_at"),
        "received=: 'expires_at' is the table's TTL attribute",
    ),
    "received= in a key attribute": (
        lambda: collection(received="PK"),
        "received=: 'PK' is an attribute of the table's key",
    ),
    "received= in the key": (lambda: collection(received="text"), "which is in the key or match="),
    "received= in match=": (lambda: collection(received="kind", match={"kind": "A"}), "which is in the key or match="),
    "received= in a number key": (lambda: collection(received="number"), "which must be a string in the key"),
    "keep_from= in a binary key": (
        lambda: collection(key=BINARY, keep=days(1), keep_from="binary"),
        "must be a number or a string in the key",
    ),
    "keep_from= in a key attribute": (
        lambda: collection(keep=days(1), keep_from="PK"),
        "'PK' is an attribute of the table's key",
    ),
    "keep_from= in a fixed boolean": (
        lambda: collection(match={"open": True}, keep=days(1), keep_from="open"),
        "in the match=",
    ),
    "id_from= of a list": (
        lambda: Collection("x", schema={"properties": {"a": {"type": "array"}}}, id_from="a"),
        "'a', which is not a text",
    ),
    "id_from= of a key attribute": (
        lambda: collection(id_from=("PK", "SK")),
        "'PK' is an attribute of the table's key",
    ),
    "id_from= of too few fields": (
        lambda: collection(id_from="text"),
        "the id consists of the key's fields, 'text', 'number'",
    ),
    "id_from= in another order": (lambda: collection(id_from=("number", "text")), "in this order"),
    "id_from= of a digest for two fields": (lambda: collection(id_from="*"), "in this order"),
    "id_from= of a digest for a number": (lambda: collection(key={"n": "{n:number}"}, id_from="*"), "in this order"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_contradiction_is_refused_with_the_definition(mistake: str) -> None:
    make, told = MISTAKES[mistake]
    with pytest.raises(DefinitionError) as failure:
        make()
    assert told in str(failure.value)
    assert "\n" not in str(failure.value)


ALLOWED: dict[str, Callable[[], object]] = {
    "a sum of a number key": counting(n=total("number")),
    "a day of a text key": counting(day("text")),
    "a day of a number key": counting(day("number", unit="ms")),
    "a group by a text key": counting(field("text"), field("number")),
    "a group by a fixed value": counting(field("kind"), field("open")),
    "a key attribute that is its own field": counting(field("a"), of=collection(key={"a": "{a}"})),
    "a schema of the key's types": lambda: collection(
        {"properties": {"text": {"type": "string"}, "number": {"type": "integer"}}, "additionalProperties": False}
    ),
    "a schema that sees binary as a text": with_field("binary", {"type": "string"}, key=BINARY),
    "a schema of several types": with_field("text", {"type": ["string", "null"]}),
    "a schema that forbids a key attribute": with_field("PK", False),
    "pk as a field of a table with other keys": with_field("pk", {"type": "string"}),
    "expires_at as a field of a table with another TTL": with_field("expires_at", {"type": "string"}, ttl="ends"),
    "a group by them": counting(field("pk", name="key"), day("expires_at"), of=collection(ttl="ends")),
    "a transform that makes what it likes": counting(
        field("PK"), n=total("text"), of=collection(transform=lambda item: item)
    ),
    "match= in a branch of the schema": lambda: collection(
        {"if": {"required": ["x"]}, "else": {"properties": {"kind": {"const": "B"}}}}, match={"kind": "A"}
    ),
    "match= in an enum": with_field("kind", {"enum": ["A", "B"]}, match={"kind": "A"}),
    "received= beside the key": lambda: collection(received="came"),
    "keep_from= in the key": lambda: collection(keep=days(1), keep_from="number"),
    "id_from= of one field of its own": lambda: collection(id_from=("name", "number")),
    "id_from= of a digest for a text": lambda: collection(key={"PK": "C#{text}"}, id_from="*"),
    "a field id in the key": lambda: collection(key={"id": "{id}"}),
    "a field id among several": lambda: collection(key={"PK": "C#{customer}", "SK": "O#{id}"}),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_is_possible_is_not_refused(case: str) -> None:
    ALLOWED[case]()

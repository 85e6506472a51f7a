"""What a violation, or a schema that is refused, says to people."""

from decimal import Decimal
from typing import Any

import pytest

from tailrace import Collection
from tailrace.definition.schemas import Schema
from tailrace.errors import DefinitionError

BELOW_A: list[tuple[Any, Any, str, str, str]] = [
    (False, 1, "/a", "properties", "'a' is not allowed here"),
    ({"$ref": "#/$defs/none"}, 1, "/a", "properties", "'a' is not allowed here"),
    ({"items": False}, [1], "/a/0", "items", "element 1 is not allowed"),
    ({"prefixItems": [True, False]}, [1, 2], "/a/1", "prefixItems", "element 2 is not allowed"),
    ({"contains": {"const": 1}}, [2], "/a", "contains", "no element matches"),
    ({"contains": {"const": 1}, "minContains": 2}, [1], "/a", "minContains", "too few elements match"),
    ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], "/a", "maxContains", "too many elements match"),
    ({"propertyNames": {"maxLength": 1}}, {"bc": 1}, "/a", "maxLength", "the name 'bc': "),
    ({"propertyNames": {"pattern": "\\d"}}, {"bc": 1}, "/a", "pattern", "the name 'bc': 'bc' does not match '\\\\d'"),
    ({"propertyNames": {"const": "x"}}, {"bc": 1}, "/a", "const", "the name 'bc': \"x\" was expected"),
    ({"additionalProperties": False}, {"bc": 1}, "/a", "additionalProperties", "'bc' was unexpected"),
    ({"unevaluatedProperties": False}, {"bc": 1}, "/a", "unevaluatedProperties", "'bc' was unexpected"),
    ({"patternProperties": {"^b": False}}, {"bc": 1}, "/a/bc", "patternProperties", "'bc' is not allowed here"),
    ({"dependentSchemas": {"bc": False}}, {"bc": 1}, "/a", "dependentSchemas", "'bc' is not allowed here"),
    ({"multipleOf": 2}, 3, "/a", "multipleOf", "3 is not a multiple of 2"),
    ({"multipleOf": 0.25}, Decimal("0.3"), "/a", "multipleOf", "0.3 is not a multiple of 0.25"),
    ({"const": 4.5}, "x", "/a", "const", "4.5 was expected"),
    ({"enum": [1]}, 2, "/a", "enum", "2 is not one of 1"),
    ({"enum": ["a", 3, 4.5]}, "x", "/a", "enum", '"x" is not one of "a", 3 or 4.5'),
    ({"enum": ["a", 1, 2, 3]}, [Decimal("1.5")], "/a", "enum", '[1.5] is not one of "a", 1 or 2 other candidates'),
    ({"minimum": 4.5}, 3, "/a", "minimum", "3 is less than the minimum of 4.5"),
    ({"maximum": 0.5}, 3, "/a", "maximum", "3 is greater than the maximum of 0.5"),
    ({"exclusiveMinimum": 4.5}, 4, "/a", "exclusiveMinimum", "4 is less than or equal to the minimum of 4.5"),
    ({"exclusiveMaximum": 0.5}, 4, "/a", "exclusiveMaximum", "4 is greater than or equal to the maximum of 0.5"),
    ({"not": {"multipleOf": 0.5}}, 1, "/a", "not", '{"multipleOf":0.5} is not allowed for 1'),
    ({"not": {"enum": ['a"b', 1]}}, 1, "/a", "not", '{"enum":["a\\"b",1]} is not allowed for 1'),
    ({"propertyNames": {"enum": ["x", 1]}}, {"bc": 1}, "/a", "enum", '"bc" is not one of "x" or 1'),
    ({"allOf": [True, False]}, 1, "/a", "allOf", "no value is allowed here: the schema under 'allOf' is false"),
    ({"if": True, "then": False}, 1, "/a", "then", "no value is allowed here: the schema under 'then' is false"),
]


@pytest.mark.parametrize(("schema", "value", "pointer", "keyword", "message"), BELOW_A)
def test_a_violation_tells_where_and_why(schema: Any, value: Any, pointer: str, keyword: str, message: str) -> None:
    (found,) = Schema({"properties": {"a": schema}, "$defs": {"none": False}}).violations({"a": value})
    assert (found.pointer, found.keyword) == (pointer, keyword)
    assert message in found.message


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"exclusiveMinimum": True, "minimum": 1}, "^/properties/a/exclusiveMinimum: .*write the bound itself"),
        ({"exclusiveMaximum": False}, "^/properties/a/exclusiveMaximum: .*write the bound itself"),
        ({"required": True}, "^/properties/a/required: .*a list of names"),
        ({"type": "int"}, "^/properties/a/type: there is no type 'int'; did you mean 'integer'"),
        ({"type": ["string", "Null"]}, "there is no type 'Null'; did you mean 'null'"),
        ({"type": "any"}, "there is no type 'any'; the types are string, number"),
        ({"type": 3}, "/properties/a/type"),
        ({"minimum": float("nan")}, "nan is not a number in JSON"),
        ({"const": Decimal("Infinity")}, "Infinity is not a number in JSON"),
        ({"$dynamicRef": "#n", "$dynamicAnchor": "n"}, "circle on the same value, at .dynamicRef '#n'"),
        ({"anyOf": [{"$id": "b"}, {"$id": "b"}]}, "two parts of the schema are named 'b'"),
        ({"anyOf": [{"$anchor": "b"}, {"$dynamicAnchor": "b"}]}, "two parts of the schema are named '#b'"),
    ],
)
def test_a_schema_that_is_refused_says_what_to_write(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(DefinitionError, match=reason):
        Schema({"properties": {"a": schema}})


def test_a_schema_of_any_depth_is_refused_with_the_reason() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"properties": {"a": deep}}
    with pytest.raises(DefinitionError, match="nested too deeply"):
        Schema(deep)


@pytest.mark.parametrize(
    "schema", [{"type": "array"}, {"allOf": [False]}, {"const": 1}, {"enum": []}, {"$ref": "#/$defs/s"}]
)
def test_a_schema_that_allows_no_object_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="'things': the schema allows no object"):
        Collection("things", schema={"$defs": {"s": {"type": "string"}}} | schema)

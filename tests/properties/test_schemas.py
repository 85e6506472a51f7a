"""Validation agrees with ``jsonschema``, adapted to exact numbers and to ECMA-262's patterns."""

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from operator import eq, ge, gt, le, lt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from tailrace.definition.schemas import Schema
from tailrace.encoding.numbers import EXACT
from tailrace.errors import DefinitionError
from tests import strategies

small_numbers = st.sampled_from([-2, 0, 1, 2, 3, Decimal("0.5"), Decimal("1.5"), 10**20, Decimal("-1e-10")])
words = st.sampled_from(["", "a", "ab", "AB1", "a\n", "é", "𝕏", "0", "٣"])
scalars = st.one_of(st.none(), st.booleans(), small_numbers, words)
instances = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
limits = st.integers(0, 3)
types = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])
patterns = st.sampled_from(["^[A-Z]{2}$", "^a", "b$", "[a-z]+", "^[A-Z0-9]{1,3}$", "^\\d+$", "a|b", "(?i:A)"])

leaves = st.one_of(
    st.builds(lambda value: {"type": value}, st.one_of(types, st.lists(types, min_size=1, max_size=2, unique=True))),
    st.builds(lambda value: {"enum": value}, st.lists(scalars, min_size=1, max_size=3, unique_by=repr)),
    st.builds(lambda value: {"const": value}, instances),
    st.builds(
        lambda key, value: {key: value}, st.sampled_from(["minimum", "maximum", "exclusiveMinimum"]), small_numbers
    ),
    st.builds(
        lambda key, value: {key: value}, st.sampled_from(["minLength", "maxLength", "minItems", "maxItems"]), limits
    ),
    st.builds(lambda key, value: {key: value}, st.sampled_from(["minProperties", "maxProperties"]), limits),
    st.builds(lambda value: {"pattern": value}, patterns),
    st.builds(lambda value: {"multipleOf": value}, st.sampled_from([1, 2, Decimal("0.5"), Decimal("1e-11")])),
    st.just({"uniqueItems": True}),
    st.builds(lambda a, b: {"dependentRequired": {a: [b]}}, words, words),
    st.builds(lambda value: {"required": value}, st.lists(words, max_size=2, unique=True)),
    st.booleans(),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda value: {"properties": value}, st.dictionaries(words, inner, max_size=3)),
        st.builds(lambda value: {"additionalProperties": value}, inner),
        st.builds(
            lambda key, value: {key: value}, st.sampled_from(["items", "not", "contains", "propertyNames"]), inner
        ),
        st.builds(
            lambda key, value: {key: value},
            st.sampled_from(["allOf", "anyOf", "oneOf", "prefixItems"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
    ),
    max_leaves=6,
).filter(lambda schema: isinstance(schema, dict))


def _is_integer(_checker: Any, value: Any) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: Any, value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _multiple_of(_validator: Any, step: Any, value: Any, _schema: Any) -> Any:
    if _is_number(None, value) and EXACT.remainder(Decimal(value), Decimal(step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Any:
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value, re.ASCII):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


Reference: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={"multipleOf": _multiple_of, "pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)


@given(schemas, instances)
def test_both_validators_agree(document: dict[str, Any], instance: Any) -> None:
    schema = Schema(document)
    assert schema.is_valid(instance) == Reference(schema.document).is_valid(instance)
    assert schema.is_valid(instance) == (not schema.violations(instance))


@given(schemas, st.dictionaries(strategies.awkward_texts, strategies.values, max_size=3))
def test_both_validators_accept_any_dynamodb_value_as_input(document: dict[str, Any], item: dict[str, Any]) -> None:
    schema = Schema(document)
    assert schema.is_valid(item) == (schema.violations(item) == ())


@pytest.mark.parametrize(
    "field",
    [
        {"pattern": "^\\p{Nonsense}"},
        {"pattern": "a{2,1}"},
        {"pattern": "["},
        {"patternProperties": {"^\\p": True}},
        {"$ref": "#/$defs/none"},
        {"$ref": "#/$defs/none", "uniqueItems": True},
        {"$ref": "https://example.com/other"},
        {"items": {"$dynamicRef": "#none"}},
        {"minimum": "1", "maximum": 0.5},
    ],
)
def test_a_schema_that_would_fail_on_an_item_is_rejected_at_import(field: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"JSON Schema|unresolved schema reference"):
        Schema({"properties": {"a": field}})


def test_schemas_may_refer_to_their_own_parts() -> None:
    number = {"$id": "https://example.com/number", "$anchor": "n", "type": "number", "multipleOf": 0.5}
    for target in ("#/$defs/number", "https://example.com/number", "https://example.com/number#n"):
        schema = Schema({"properties": {"a": {"$ref": target}}, "$defs": {"number": number}})
        assert [schema.is_valid({"a": value}) for value in (Decimal("1.5"), Decimal("1.2"), "1.5")] == [
            True,
            False,
            False,
        ]


@pytest.mark.parametrize("step", [0.01, Decimal("0.01"), 1, 7])
@pytest.mark.parametrize("value", [10**37 + 1, Decimal("1E+125"), Decimal("1E-130"), Decimal("19.99"), 21, "text"])
def test_multiple_of_is_exact(step: Any, value: Any) -> None:
    whole = isinstance(value, str) or Fraction(value) % Fraction(str(step)) == 0
    schema = Schema({"properties": {"a": {"multipleOf": step}}})
    assert schema.is_valid({"a": value}) == whole
    assert len(schema.violations({"a": value})) == (not whole)


WIDE: list[Any] = [
    10**20,
    2**53 + 1,
    Decimal("9007199254740992.5"),
    Decimal("9007199254740993.5"),
    10**37 + 1,
    Decimal("1E-130"),
]
WIDE += [0, 1, -(2**53) - 1, Decimal("-9007199254740993.5"), Decimal("8045206756619973129.19"), 10**125]
COMPARED: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "minimum": ge,
    "maximum": le,
    "exclusiveMinimum": gt,
    "exclusiveMaximum": lt,
    "const": eq,
    "multipleOf": lambda value, step: value % step == 0,
}


@pytest.mark.parametrize("keyword", COMPARED)
def test_numbers_are_compared_exactly(keyword: str) -> None:
    for limit in (number for number in WIDE if keyword != "multipleOf" or number > 0):
        schema = Schema({"properties": {"a": {keyword: limit}, "b": {"enum": [limit, "text"]}}})
        for value in WIDE:
            expected = COMPARED[keyword](Fraction(value), Fraction(limit))
            assert schema.is_valid({"a": value}) == expected, (value, limit)
            assert schema.is_valid({"b": value}) == (value == limit)


@pytest.mark.parametrize("keyword", ["minimum", "maximum", "const"])
def test_a_float_in_a_schema_is_the_decimal_that_repr_shows(keyword: str) -> None:
    schema = Schema({"properties": {"a": {keyword: 0.1}}})
    for item in ({"a": Decimal("0.1")}, {"a": Decimal("0.10000000000000000000001")}, {"a": Decimal("0.09999999999")}):
        assert schema.is_valid(item) == (not list(Reference(schema.document).iter_errors(item)))
    assert schema.is_valid({"a": Decimal("0.1")})


def test_a_float_in_an_item_of_a_test_is_the_decimal_that_repr_shows() -> None:
    """Such as that of a test that calls ``prepare``; items that are stored have none."""
    fields = {"enum": [0.1, "a"], "const": 0.1, "multipleOf": 0.1, "minimum": 0.1, "maximum": 0.1}
    for keyword, limit in fields.items():
        schema = Schema({"properties": {"a": {keyword: limit}}})
        valid = [schema.is_valid({"a": value}) for value in (0.1, 0.05, 0.25)]
        assert valid == [True, keyword == "maximum", keyword == "minimum"], keyword


def test_every_violation_is_reported_with_a_pointer() -> None:
    schema = Schema(
        {
            "required": ["a"],
            "properties": {"b": {"type": "integer"}, "c/d": {"items": {"maxLength": 1}}},
            "additionalProperties": False,
        }
    )
    found = {(v.pointer, v.keyword) for v in schema.violations({"b": "x", "c/d": ["long", "x", "long"], "e": 1})}
    assert found == {
        ("", "required"),
        ("", "additionalProperties"),
        ("/b", "type"),
        ("/c~1d/0", "maxLength"),
        ("/c~1d/2", "maxLength"),
    }


def test_a_forbidden_field_is_reported_with_a_pointer_to_it() -> None:
    schema = Schema({"if": {"required": ["a"]}, "then": {"properties": {"b": False}}})
    (found,) = schema.violations({"a": 1, "b": 2})
    assert (found.pointer, found.keyword, found.message) == ("/b", "properties", "'b' is not allowed here")


def test_integral_decimals_are_integers_and_dollar_matches_only_the_end() -> None:
    assert Schema({"type": "integer"}).is_valid(Decimal("4.0"))  # type: ignore[arg-type]
    assert not Schema({"pattern": "^a|b$"}).is_valid("b\n")  # type: ignore[arg-type]
    assert not Schema({"pattern": "^ab$"}).is_valid("ab\n")  # type: ignore[arg-type]

"""Items that would hold a function up: the time that a schema takes grows with the item, and not with its square."""

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest

from tailrace.definition.json_schema.growth import count_values
from tailrace.definition.schemas import Schema

UNIQUE = Schema({"properties": {"a": {"uniqueItems": True}}})
NUMBERS: dict[str, Callable[[int], Any]] = {
    "long integers": lambda n: 10**37 + n,
    "integers beyond a machine word": lambda n: 2**64 + n,
    "long decimals": lambda n: Decimal(f"0.{n:038d}1"),
    "integers whose hashes collide": lambda n: n * (2**61 - 1),
    "objects with long numbers": lambda n: {"n": 10**37 + n},
    "lists of long decimals": lambda n: [Decimal(f"1.{n:037d}")],
}
POOL: list[Any] = [
    *(1, Decimal("1.0"), True, False, 0, Decimal("-0.0"), Decimal("0E5"), None, "1", "", [], {}, [1], [True]),
    *({"a": 1}, {"a": Decimal("1.00")}, {"a": True}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, ["a"], "a", -1, Decimal(-1)),
    *(10**20, Decimal("1E+20"), 2**60, 2**60 - 1, Decimal(2**60), Decimal("0.5"), Decimal("0.50"), Decimal("1E-130")),
    *({"a": [1, {"b": 2}]}, {"a": [1, {"b": Decimal("2.0")}]}, Decimal("1E+130"), 10**130),
]


def cpu_seconds(action: Callable[[], Any]) -> float:
    """Return the shortest of three times."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        action()
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize("kind", NUMBERS)
def test_elements_that_must_differ_take_linear_time(kind: str) -> None:
    """Pair by pair, they would take ten thousand times as long as texts."""
    long = {"a": [NUMBERS[kind](number) for number in range(8_000)]}
    texts = {"a": [[str(number)] for number in range(8_000)]}
    assert UNIQUE.is_valid(long)
    assert cpu_seconds(lambda: UNIQUE.is_valid(long)) < 100 * cpu_seconds(lambda: UNIQUE.is_valid(texts))
    long["a"][-1] = long["a"][0]
    assert [found.message for found in UNIQUE.violations(long)] == ["elements 1 and 8000 are equal"]


RATES = [Decimal(number) / 100 for number in range(1, 150)]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "decimals": ({"enum": [*RATES, Decimal("1E-130")]}, Decimal("1E-130")),
    "integers": ({"anyOf": [{"enum": list(range(150))}, {"type": "number"}]}, Decimal("1E-130")),
    "long integers": ({"enum": [10**30 + number for number in range(150)]}, 10**30 + 149),
    "lists": ({"enum": [[rate] for rate in RATES]}, [RATES[-1]]),
    "constants": ({"oneOf": [{"const": rate} for rate in [*RATES, Decimal("1E-130")]]}, Decimal("1E-130")),
    "bounds": ({"allOf": [{"minimum": Decimal("1E-130")}] * 50}, Decimal("1E-130")),
    "a multiple": ({"allOf": [{"multipleOf": Decimal("1E-130")}] * 20}, 10**125),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_numbers_are_compared_in_microseconds(kind: str) -> None:
    """One by one, a thousand such values took three seconds, and an item has room for a hundred thousand."""
    field, value = OPTIONS[kind]
    schema = Schema({"properties": {"a": {"items": field}}})
    item = {"a": [value] * 1_000}
    assert schema.is_valid(item)
    assert cpu_seconds(lambda: schema.is_valid(item)) < 0.5


def test_a_long_list_is_no_option_at_once() -> None:
    """Each alternative took 45 ms to compare it with its lists, and a millisecond to say what it is not."""
    options = [{"enum": [1, [number]]} for number in range(100)] + [{"enum": [number, "x"]} for number in range(100)]
    schema = Schema({"properties": {"a": {"anyOf": [*options, {"type": "array"}]}}})
    item = {"a": [1] * 20_000}
    assert schema.is_valid(item)
    assert cpu_seconds(lambda: schema.is_valid(item)) < 0.2


def test_a_report_of_many_numbers_that_are_no_option_takes_no_time() -> None:
    schema = Schema({"properties": {"a": {"items": {"enum": RATES}}}})
    item = {"a": [Decimal("1E-130")] * 1_000}
    assert len(schema.violations(item)) == 1_000
    assert cpu_seconds(lambda: schema.violations(item)) < 0.5


def test_elements_are_compared_as_json_schema_says() -> None:
    reference = jsonschema_rs.Draft202012Validator({"uniqueItems": True})
    draw = random.Random(4)  # noqa: S311 - reproducible
    for _ in range(3_000):
        elements = draw.sample(POOL, draw.randint(2, 6))
        assert UNIQUE.is_valid({"a": elements}) == reference.is_valid(elements), elements


def test_what_is_no_array_or_need_not_differ_is_not_compared() -> None:
    assert UNIQUE.is_valid({"a": "aa"})
    assert UNIQUE.is_valid({"a": {"1", "2"}})
    assert Schema({"properties": {"a": {"uniqueItems": False}}}).is_valid({"a": [1, 1]})
    anyhow = Schema({"properties": {"a": {"anyOf": [{"uniqueItems": True}, {"maxItems": 2}]}}})
    assert [anyhow.is_valid({"a": elements}) for elements in ([1, 1], [1, 1, 2], [1, 2, 3])] == [True, False, True]


def test_many_missing_fields_of_a_large_item_are_told_in_short() -> None:
    """Each violation copies the item: all of them would take the product of both numbers."""
    names = [f"missing{number}" for number in range(1_000)]
    schema = Schema({"required": names})
    large = {f"f{number}": number for number in range(3_000)}
    assert len(schema.violations(large)) == 1
    assert len(schema.violations({"a": 1})) == len(names)
    parts = Schema({"allOf": [{"dependentRequired": {"f0": names[part : part + 10]}} for part in range(0, 1_000, 10)]})
    assert len(parts.violations(large)) == 1
    assert len(Schema({"required": names[:20]}).violations(large)) == 20


NAMES = [f"name{number:05d}" for number in range(9_000)]
COPIED: dict[str, tuple[dict[str, Any], Any]] = {
    "names": ({"propertyNames": {"maxLength": 3}}, dict.fromkeys(NAMES, 1)),
    "long ways": ({"additionalProperties": {"additionalProperties": {"type": "string"}}}, dict.fromkeys(NAMES, 1)),
    "options": ({"additionalProperties": {"items": {"enum": [f"y{n}" for n in range(5_000)]}}}, ["x"] * 9_000),
    "required fields": ({"required": NAMES[:500]}, "x" * 390_000),
}


@pytest.mark.parametrize("kind", COPIED)
def test_no_report_holds_more_than_a_function(kind: str) -> None:
    """The violations of these items, of less than 400 KB each, would hold half a gigabyte and more."""
    part, value = COPIED[kind]
    item = value if kind == "names" else {"n" * 60_000: value}
    began = time.process_time()
    (found,) = Schema(part).violations(item)
    assert found.keyword != "schema"
    assert len(found.pointer) + len(found.message) < 1_100
    (told,) = Schema({"anyOf": [part, {"required": ["other"]}]}).violations(item)
    assert told.message.startswith("invalid; the item is too large")
    assert not Schema({"anyOf": [part, {"required": ["n" * 60_000]}, {"required": ["name00001"]}]}).violations(item)
    assert time.process_time() - began < 5


MANY = 2_000
KEYED: list[Any] = [{"const": number} for number in range(MANY)]
HEAVY: dict[str, dict[str, Any]] = {
    "contains": {"contains": {"anyOf": KEYED}},
    "alternatives": {"items": {"anyOf": [*KEYED, {"type": "integer"}]}},
    "conditions": {"items": {"allOf": [{"if": one, "then": False} for one in KEYED]}},
    "a reference": {"prefixItems": [True], "items": {"$ref": "#/$defs/one"}},
    "exactly one": {"unevaluatedItems": {"oneOf": [*KEYED, {"minimum": MANY}]}},
}


@pytest.mark.parametrize("name", HEAVY)
def test_no_number_of_values_holds_a_schema_up(name: str) -> None:
    schema = Schema({"properties": {"a": HEAVY[name]}, "$defs": {"one": {"anyOf": [*KEYED, {"type": "integer"}]}}})
    elements = list(range(MANY, MANY + 60_000))
    began = time.process_time()
    assert not schema.is_valid({"a": elements})
    (found,) = schema.violations({"a": elements})
    assert time.process_time() - began < 5
    assert (found.pointer, found.keyword) == ("", "schema")
    assert found.message.startswith("60,002 values")
    assert schema.is_valid({"a": elements[:500]}) == (name != "contains")
    assert schema.is_valid({"b": elements})


def test_many_fields_and_alternatives_of_the_whole_item_are_no_burden() -> None:
    wide = {"properties": {f"f{number}": {"anyOf": [{"type": "integer"}, {"type": "null"}]} for number in range(2_000)}}
    kinds = [{"properties": {"kind": {"const": number}}, "required": ["kind"]} for number in range(400)]
    schema = Schema(wide | {"oneOf": kinds, "unevaluatedProperties": {"type": "array", "items": {"type": "integer"}}})
    assert schema.is_valid({f"f{number}": number for number in range(2_000)} | {"kind": 7, "list": [*range(60_000)]})
    assert not schema.is_valid({"kind": 400})


def test_patterns_that_meet_one_text_share_the_time() -> None:
    hard = [{"pattern": f"^(a|b)*a(a|b){{50}}c{{{number}}}$"} for number in range(1, 101)]
    schema = Schema({"properties": {"a": {"anyOf": hard}, **{f"f{n}": one for n, one in enumerate(hard)}}})
    draw = random.Random(1)  # noqa: S311 - reproducible
    text = "".join(draw.choices("ab", k=390_000))
    began = time.process_time()
    assert not schema.is_valid({"a": text})
    assert time.process_time() - began < 5
    assert schema.is_valid({"a": "a" * 52 + "c" * 7})
    # those of different fields meet different texts
    others = Schema({"properties": {f"f{number}": {"pattern": "^[a-z]{1,60}$|^x*$"} for number in range(200)}})
    assert others.is_valid({"f7": "x" * 390_000})


@pytest.mark.parametrize(
    ("value", "number"),
    [(None, 1), (7, 1), ("text", 1), ([], 1), ({}, 1), ({"a": "text", "b": [1, {"c": None}]}, 6)],
)
def test_a_value_is_counted_with_those_in_it(value: Any, number: int) -> None:
    assert count_values(value) == number

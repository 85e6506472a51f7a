"""Cells of a field that the schema describes in the items of one kind only."""

from typing import Any

import pytest

from tests.unit.inputs.reading import items

OF_KIND_N = {"properties": {"k": {"const": "n"}}, "required": ["k"]}
UNDESCRIBED = {
    "then": {"if": OF_KIND_N, "then": {"properties": {"a": {"type": ["integer", "null"]}}}},
    "then, and a name": {
        "properties": {"a": {"description": "x"}},
        "if": OF_KIND_N,
        "then": {"properties": {"a": {"type": "number"}}},
    },
    "else": {"if": {"not": OF_KIND_N}, "else": {"patternProperties": {"^a": {"enum": [7, 8]}}}},
    "oneOf": {"oneOf": [{"properties": {"k": {"const": "n"}, "a": {"const": 7}}}, {"not": OF_KIND_N}]},
    "anyOf": {"anyOf": [{"properties": {"a": {"type": "integer"}}, "required": ["n"]}, {"not": {"required": ["n"]}}]},
    "a pattern": {
        "oneOf": [
            {"properties": {"k": {"const": "n"}, "a": {"type": "integer"}}, "required": ["k"]},
            {"not": OF_KIND_N, "properties": {"a": {"pattern": "^[0-9]+$"}}},
        ]
    },
    "dependentSchemas": {"dependentSchemas": {"n": {"properties": {"a": {"type": "integer"}}}}},
}


@pytest.mark.parametrize("schema", UNDESCRIBED.values(), ids=UNDESCRIBED)
def test_a_cell_stays_text_in_items_in_which_nothing_describes_it(schema: dict[str, Any]) -> None:
    found = items(schema, "id,k,n,a,b\n1,n,1,7,07\n2,t,,7,07\n3,,,007,07\n")
    assert [(item["a"], item["b"]) for item in found] == [(7, "07"), ("7", "07"), ("007", "07")]


def test_each_of_several_cells_that_a_kind_describes_stays_text_in_the_other_kinds() -> None:
    kinds = {"n": "a", "m": "b"}
    schema = {
        "allOf": [
            {
                "if": {"properties": {"k": {"const": kind}}, "required": ["k"]},
                "then": {"properties": {name: {"type": "number"}}},
            }
            for kind, name in kinds.items()
        ]
    }
    found = items(schema, "id,k,a,b\n1,n,01,02\n2,m,01,02\n3,x,01,02\n4,n,x,02\n")
    assert [(item["a"], item["b"]) for item in found] == [(1, "02"), ("01", 2), ("01", "02"), ("x", 2)]

"""Collections: where a schema file is found, what a transform may do, and when violations are computed."""

import json
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from tailrace import Collection
from tailrace.encoding.numbers import EXACT
from tailrace.errors import DefinitionError, InvalidItem, Violation


def test_a_schema_path_is_relative_to_the_defining_module(tmp_path: Path) -> None:
    (tmp_path / "thing.json").write_text('{"required": ["a"], "properties": {"n": {"multipleOf": 0.01}}}')
    module = tmp_path / "custom.py"
    module.write_text("from tailrace import Collection\nthings = Collection('things', schema='thing.json')\n")
    space: dict[str, Any] = {"__file__": str(module), "__name__": "custom"}
    exec(compile(module.read_text(), str(module), "exec"), space)  # noqa: S102 - a module, run as import would run it
    with pytest.raises(InvalidItem):
        space["things"].prepare({})
    assert space["things"].prepare({"a": 1, "n": 3}) == {"a": 1, "n": 3}


def test_a_wrong_schema_is_named_with_its_collection_and_file(tmp_path: Path) -> None:
    wrong = {"properties": {"n": {"type": "strng"}}}
    reason = "/properties/n/type: there is no type 'strng'; did you mean 'string'[?]"
    with pytest.raises(DefinitionError, match=f"^collection 'things': schema=: {reason}"):
        Collection("things", schema=wrong)
    (tmp_path / "thing.json").write_text(json.dumps(wrong))
    with pytest.raises(DefinitionError, match=f"^collection 'things': the schema 'thing.json': {reason}"):
        Collection("things", schema=tmp_path / "thing.json")


def test_a_transform_gets_a_copy_and_its_errors_make_the_item_invalid() -> None:
    def careless(item: dict[str, Any]) -> dict[str, Any]:
        item["tags"].append("seen")
        item["b"] = 1 / item.pop("a")
        return item

    collection = Collection("x", schema={}, transform=careless)
    item = {"a": 2, "tags": ["new"]}
    assert collection.prepare(item) == {"b": Decimal("0.5"), "tags": ["new", "seen"]}
    assert isinstance(collection.prepare(item)["b"], Decimal)
    assert item == {"a": 2, "tags": ["new"]}
    with pytest.raises(InvalidItem) as caught:
        collection.prepare({"a": 0, "tags": []})
    assert caught.value.violations[0].keyword == "transform"


def test_a_transform_uses_pythons_default_decimal_context_wherever_it_runs() -> None:
    # a third at the 400 digits of the fold's context could not be stored
    collection = Collection("x", schema={}, transform=lambda item: {"third": item["a"] / Decimal(3)})
    with localcontext(EXACT):
        assert collection.prepare({"a": 1}) == {"third": Decimal("0." + "3" * 28)}
    assert collection.prepare({"a": 1}) == {"third": Decimal("0." + "3" * 28)}


def test_a_nan_makes_the_item_invalid() -> None:
    with pytest.raises(InvalidItem, match="NaN and infinity"):
        Collection("x", schema={}, transform=lambda _item: {"a": [float("nan")]}).prepare({})


def test_a_transform_that_does_not_return_a_dict_makes_the_item_invalid() -> None:
    with pytest.raises(InvalidItem, match="not a dict"):
        Collection("x", schema={}, transform=lambda _item: None).prepare({})  # type: ignore[arg-type, return-value]


def test_violations_are_computed_on_first_access(monkeypatch: pytest.MonkeyPatch) -> None:
    things = Collection("things", schema={"type": "object", "required": ["a", "b"]})
    found = things.compiled.violations({})
    calls: list[object] = []

    def violations(_schema: object, item: object) -> tuple[Violation, ...]:
        calls.append(item)
        return found

    monkeypatch.setattr(type(things.compiled), "violations", violations)
    with pytest.raises(InvalidItem) as caught:
        things.prepare({})
    assert not calls
    assert [one.keyword for one in caught.value.violations] == ["required", "required"]
    assert "'a'" in str(caught.value)
    assert len(calls) == 1

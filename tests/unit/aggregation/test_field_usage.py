"""Which fields a predicate reads: beyond doubt, or not at all."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import pytest

from pipeline.transforms import has_departed, is_disrupted
from tailrace.aggregation.field_usage import predicate_fields

A = "a"


def named(item: dict[str, Any]) -> bool:
    """Look up three fields in all the ways that are understood."""
    if item["kind"] == "large":
        return bool(item.get("paid"))
    return bool(item.get("size", 0) > 3)


@pytest.mark.parametrize(
    ("predicate", "fields"),
    [
        (named, {"kind", "paid", "size"}),
        (has_departed, {"status"}),
        (lambda item: item["a"]["b"], {"a"}),
        (lambda item, least=3: item["a"] > least, {"a"}),
        (lambda _item: True, set()),
    ],
)
def test_fields_that_are_looked_up_by_name_are_told(predicate: Callable[[Any], Any], fields: set[str]) -> None:
    assert predicate_fields(predicate) == frozenset(fields)


class Odd:
    """A predicate that is no function."""

    def __call__(self, item: dict[str, Any]) -> bool:
        """Look up a field."""
        return bool(item["a"])


def scanning(item: dict[str, Any]) -> bool:
    """Look at the item by another name."""
    return "x" in locals()["item"]


def replaced(item: dict[str, Any]) -> bool:
    """Look at something else by the item's name."""
    item = item["a"]
    return bool(item["b"])


@pytest.mark.parametrize(
    "predicate",
    [
        is_disrupted,  # gives the item to another function
        scanning,
        replaced,
        Odd(),
        Odd().__call__,
        len,
        partial(named),
        lru_cache(has_departed),
        lambda item: "a" in item,
        lambda item: len(item) > 1,
        lambda item: item[A],
        lambda item: item.get("a" + item["b"]),
        lambda item: item["a" if item["b"] else "c"],
        lambda item: item.get("a", item),
        lambda item: item.pop("a"),
        lambda item: any(item[name] for name in "ab"),
        lambda item: [lambda: item["a"]],
        lambda item: item == {"a": 1},
        lambda *items: items[0]["a"],
        lambda **item: item["a"],
    ],
)
def test_whoever_may_look_at_anything_else_is_not_trusted(predicate: Callable[..., Any]) -> None:
    assert predicate_fields(predicate) is None

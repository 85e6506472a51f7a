"""Which fields a predicate reads: proven by its bytecode, or unknown."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import pytest

from pipeline.transforms import has_departed, is_disrupted
from tailrace.aggregation.field_usage import predicate_fields

A = "a"


def named(item: dict[str, Any]) -> bool:
    """Look up three fields in every form that is recognized."""
    if item["kind"] == "large":
        return bool(item.get("paid"))
    return bool(item.get("size", 0) > 3)


@pytest.mark.parametrize(
    ("predicate", "fields"),
    [
        (named, {"kind", "paid", "size"}),
        (has_departed, {"status"}),
        (lambda item: item["a"]["b"], {"a.b"}),
        (lambda item: item["a"].get("b", 3)["c.d"] > 1, {r"a.b.c\.d"}),
        (lambda item: item.get("a", {}).get("b") == item["a"], {"a.b", "a"}),
        (lambda item: (item.get("a") or {}).get("b"), {"a.b"}),
        (lambda item: ((item.get("a") or {}).get("b") or {})["c"], {"a.b.c"}),
        (lambda item: item.get("a") or {}, {"a"}),
        (lambda item: item["a"]["b"][0], {"a.b"}),
        (lambda item: item["a"].pop("b"), {"a"}),
        (lambda item: (item["a"] if item["x"] else item["b"])["c"], {"a.c", "x", "b.c"}),
        (lambda item, least=3: item["a"] > least, {"a"}),
        (lambda _item: True, set()),
    ],
)
def test_fields_looked_up_by_name_are_found(predicate: Callable[[Any], Any], fields: set[str]) -> None:
    assert predicate_fields(predicate) == frozenset(fields)


class CallableObject:
    """A predicate that is not a function."""

    def __call__(self, item: dict[str, Any]) -> bool:
        """Look up a field."""
        return bool(item["a"])


def scanning(item: dict[str, Any]) -> bool:
    """Access the item under another name."""
    return "x" in locals()["item"]


def replaced(item: dict[str, Any]) -> bool:
    """Rebind the item's name."""
    item = item["a"]
    return bool(item["b"])


@pytest.mark.parametrize(
    "predicate",
    [
        is_disrupted,  # passes the item to another function
        scanning,
        replaced,
        CallableObject(),
        CallableObject().__call__,
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
def test_any_other_use_of_the_item_makes_its_fields_unknown(predicate: Callable[..., Any]) -> None:
    assert predicate_fields(predicate) is None

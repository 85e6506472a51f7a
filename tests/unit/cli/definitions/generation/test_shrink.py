"""An item that shows a fault is made smaller in single steps."""

from cli.definitions.generation.shrink import smallest


def test_the_smallest_item_is_as_small_as_single_steps_make_it() -> None:
    given = {"a": [{"b": "xyz", "c": 4711}, 2], "d": "q" * 50, "e": 1.5}
    found = smallest(given, lambda item: bool(item.get("a")) and "d" in item and len(item["d"]) >= 3)
    assert found["d"] in ("qqq", "aaa")
    assert len(found) == 2
    assert len(found["a"]) == 1

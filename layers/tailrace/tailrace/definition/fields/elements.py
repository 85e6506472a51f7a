"""The elements of a list, map or set in an item, and the item as each of them sees it."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from tailrace.definition.fields.paths import FieldPath
from tailrace.encoding.json_types import Item
from tailrace.encoding.text import shortened
from tailrace.errors import InvalidItem, Violation

KEY, VALUE = "key", "value"
"""The fields of a map's entry as an element."""


def elements(item: Item, path: FieldPath) -> Sequence[Any]:
    """Return the elements of a field: those of a list, the members of a set, ``{"key": …, "value": …}`` of a map.

    There are none if the field is missing or null.

    Raises:
        InvalidItem: it holds anything else.

    Example:
        >>> from tailrace.definition.fields.paths import field_path
        >>> elements({"stock": {"pear": 3, "fig": 5}}, field_path("stock"))
        [{'key': 'pear', 'value': 3}, {'key': 'fig', 'value': 5}]
    """
    value = path.read(item)
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return [{KEY: key, VALUE: inner} for key, inner in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)  # in the same order in every process
    text = f"has no elements: a value of type {type(value).__name__}; expected a list, map or set"
    raise InvalidItem([Violation(path.pointer, "each", text)])


def views(item: Item, path: FieldPath) -> Iterator[Item]:
    """Yield the item as each element sees it: with the element in place of the field that holds them all.

    It is one and the same dict each time, so that an item with many other fields costs no more for each element.

    Raises:
        InvalidItem: the field has no elements.

    Example:
        >>> from tailrace.definition.fields.paths import field_path
        >>> order = {"shop": "a", "lines": [{"product": "pear"}, {"product": "fig"}]}
        >>> [(view["shop"], view["lines"]["product"]) for view in views(order, field_path("lines"))]
        [('a', 'pear'), ('a', 'fig')]
    """
    found = elements(item, path)
    if not found:
        return
    *outer, last = path.steps
    view = holder = dict(item)
    for step in outer:
        holder[step] = holder = dict(holder[step])
    for element in found:
        holder[last] = element
        yield view


def in_element(violation: Violation, item: Item, path: FieldPath, position: int) -> Violation:
    """Return a violation that was found on an element's view, with the place in the item itself."""
    rest = violation.pointer.removeprefix(path.pointer)
    if rest == violation.pointer or (rest and not rest.startswith("/")):
        return violation
    value = path.read(item)
    if isinstance(value, set | frozenset):
        return violation
    if not isinstance(value, dict):
        return replace(violation, pointer=f"{path.pointer}/{position}{rest}")
    entry = FieldPath((*path.steps, list(value)[position])).pointer
    _, slash, inner = rest[1:].partition("/")  # "key" or "value", which are not fields of the item
    return replace(violation, pointer=shortened(entry + slash + inner))

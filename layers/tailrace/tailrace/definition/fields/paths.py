r"""Field paths: how a definition names a field of an item, at any depth.

``customer.address.country`` is the field ``country`` of the map ``address`` of the map ``customer``. In a name, a dot
is written ``\.`` and a backslash ``\\``. Where a step is missing or null, or leads through anything other than a map,
the field is missing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from operator import methodcaller
from typing import Any

from tailrace.encoding.json_types import Item
from tailrace.encoding.text import json_pointer
from tailrace.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class FieldPath:
    r"""A parsed path: the name of the top-level field, followed by those of the maps' entries.

    Attributes:
        steps: the names.
        read: returns the value of the field of an item; None if it is missing or null.
        pointer: the path as a JSON Pointer (RFC 6901).

    Example:
        >>> from tailrace.definition.fields.paths import field_path
        >>> field_path("customer.address.country").read({"customer": {"address": {"country": "NO"}}})
        'NO'
        >>> field_path(r"a\.b").steps
        ('a.b',)
    """

    steps: tuple[str, ...]
    read: Callable[[Item], Any] = field(init=False, repr=False, compare=False)
    pointer: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "read", _reader(self.steps))
        object.__setattr__(self, "pointer", "".join(map(json_pointer, self.steps)))

    @property
    def source(self) -> str:
        """The path as it is written in a definition."""
        return ".".join(map(_escape, self.steps))

    @property
    def name(self) -> str:
        """The field's own name, the last step."""
        return self.steps[-1]


@lru_cache(maxsize=4096)
def field_path(source: str) -> FieldPath:
    """Parse a path.

    Raises:
        DefinitionError: a step is empty, or a backslash is followed by neither a dot nor a backslash.
    """
    return FieldPath(tuple(_steps(source)))


def source_of(steps: Iterable[str]) -> str:
    """Return the path with these steps as it is written in a definition; the inverse of :func:`field_path`."""
    return FieldPath(tuple(steps)).source


def _escape(step: str) -> str:
    return step.replace("\\", "\\\\").replace(".", "\\.")


def _steps(source: str) -> Iterator[str]:
    step = ""
    characters = iter(source)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in ("\\", "."):
                text = r"in a field path, write \. for a dot in a name and \\ for a backslash"
                raise DefinitionError(f"{source!r}: {text}")
            step += escaped
        elif character == ".":
            yield _checked(step, source)
            step = ""
        else:
            step += character
    yield _checked(step, source)


def _checked(step: str, source: str) -> str:
    if not step:
        text = r"a dot separates the steps of a field path, and one of them is empty; write \. for a dot in a name"
        raise DefinitionError(f"{source!r}: {text}")
    return step


def _reader(steps: tuple[str, ...]) -> Callable[[Item], Any]:
    first, *others = steps
    if not others:
        return methodcaller("get", first)
    rest = tuple(others)

    def read(item: Item) -> Any:
        value: Any = item.get(first)
        for step in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value

    return read

"""How large a report of violations may be: each copies its value, its path, and what the schema allows there."""

from collections.abc import Mapping
from typing import Any

from tailrace.definition.json_schema.growth import Growth, count_values
from tailrace.definition.json_schema.references import References

_MAX_REPORTED, _KEYWORDS = 200_000, 20
"""A report takes a hundred times as long as a check, because each violation copies its value. So for an item of more
than 10,000 values, or fewer if one value may violate many parts of the schema, it has the first violation only."""

_MAX_CHARACTERS = 100_000_000
_VALUE_CHARACTERS = 64  # what a value takes in memory beyond its text, compared with a character


class ReportBounds:
    """Limits that keep the report of an invalid item within bounded time and memory.

    Attributes:
        max_values: an item of more values gets its first violation reported only.
        has_alternatives: whether one violation may contain all violations of the alternatives.
    """

    def __init__(self, growth: Growth, references: References) -> None:
        self._parts = 1 + references.most_parts_in_place()
        self.max_values = _MAX_REPORTED // (_KEYWORDS + self._parts - 1)
        self._names = growth.heaviest(lambda part: int("propertyNames" in part))
        self._options = growth.heaviest(_options)
        self.has_alternatives = bool(growth.heaviest(lambda part: int("anyOf" in part or "oneOf" in part)))

    def is_too_much(self, view: Any) -> bool:
        """Tell whether the violations of an item, as JSON Schema sees it, may take too much memory."""
        return self._parts * self._copied(view) + self._options * count_values(view) > _MAX_CHARACTERS

    def _copied(self, view: Any) -> int:
        """Return how many characters are copied if each value, and each name that is checked, is invalid once."""
        total = 0
        level = [(view, _VALUE_CHARACTERS, 0, 0)]
        while level:
            inner = []
            for value, size, copies, way in level:
                if isinstance(value, Mapping):
                    here = 1 + self._names * len(value)
                    inner += [
                        (one, _VALUE_CHARACTERS + len(name), copies + here, way + len(name))
                        for name, one in value.items()
                    ]
                else:
                    here = 1
                    if isinstance(value, list):
                        inner += [(one, _VALUE_CHARACTERS, copies + 1, way) for one in value]
                text = len(value) if isinstance(value, str) else 0
                total += (size + text) * (copies + here) + way * here
            level = inner
        return total


def _options(part: Mapping[str, Any]) -> int:
    listed = part.get("enum", ())
    return sum(_VALUE_CHARACTERS + (len(one) if isinstance(one, str) else 0) for one in listed)

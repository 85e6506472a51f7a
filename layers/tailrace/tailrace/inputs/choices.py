"""A row some of whose cells may be one thing or another: the first choice that makes the item valid."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from typing import Any, Final, Protocol

from tailrace.encoding.json_types import Item
from tailrace.errors import Violation

ABSENT: Final = object()
"""The choice that a field does not exist."""

type Choices = dict[str, list[Any]]
"""What a field may be, by name: at least two values, the preferred one first."""

_MAX_GUIDED = 16
_MAX_COMBINATIONS = 256
"""Bound what is tried for one row."""

_MAX_CHARACTERS = 2 * 1024 * 1024
"""Bound what is tried for one row in total: few combinations for a long one."""


class Judge(Protocol):
    """Judges an item."""

    def __call__(self, fields: Item, /, *, report: bool) -> Sequence[Violation] | None:
        """Return None if the item is valid; else its violations, or nothing if no report is wanted."""


def first_valid(fields: Item, choices: Choices, judge: Judge, size: int) -> Item:
    """Return the fields with as few changes to other choices as make the item valid; unchanged if none does.

    ``size`` is the number of characters in the row.
    """
    if judge(fields, report=False) is None:
        return fields
    tries = max(1, min(_MAX_COMBINATIONS, _MAX_CHARACTERS // max(size, 1)))
    found = _guided(fields, choices, judge, min(_MAX_GUIDED, tries))
    if found is None:
        tried = islice(_combinations(fields, choices), tries)
        found = next((c for c in tried if judge(c, report=False) is None), None)
    return fields if found is None else _with_fewer_changes(found, fields, choices, judge, tries)


def with_more(preferred: Item, fields: Item, judge: Judge, size: int) -> Item:
    """Return valid fields with as many of the preferred ones as leave them valid; ``size`` as above."""
    wanted = fields | preferred
    if judge(wanted, report=False) is None:
        return wanted
    choices = {name: [value, fields[name]] for name, value in preferred.items()}
    tries = max(1, min(_MAX_COMBINATIONS, _MAX_CHARACTERS // max(size, 1)))
    return _with_fewer_changes(fields, wanted, choices, judge, tries)


def _guided(fields: Item, choices: Choices, judge: Judge, tries: int) -> Item | None:
    """Change those fields that the violations name, until none is left."""
    left = {name: values[1:] for name, values in choices.items()}
    for _ in range(tries):
        violations = judge(fields, report=True)
        if violations is None:
            return fields
        named = {violation.pointer[1:].replace("~1", "/").replace("~0", "~") for violation in violations}
        changes = {name: left[name].pop(0) for name in named if left.get(name)}
        if not changes:
            return None
        fields = _changed(fields, changes)
    return None


def _combinations(fields: Item, choices: Choices) -> Iterator[Item]:
    """Yield the fields with one of them changed, with all of them changed, then with more and more of them changed."""
    several = (
        chosen
        for count in range(1, len(choices) + 1)
        for names in combinations(choices, count)
        for chosen in (dict(zip(names, values, strict=True)) for values in product(*(choices[n][1:] for n in names)))
    )
    singles = sum(len(values) - 1 for values in choices.values())
    yield from (_changed(fields, chosen) for chosen in islice(several, min(singles, _MAX_COMBINATIONS)))
    yield _changed(fields, {name: values[1] for name, values in choices.items()})
    yield from (_changed(fields, chosen) for chosen in islice(several, max(_MAX_COMBINATIONS - singles, 0)))


def _with_fewer_changes(found: Item, fields: Item, choices: Choices, judge: Judge, tries: int) -> Item:
    """Take back each change without which the item is valid as well."""
    changed = [name for name in choices if found.get(name, ABSENT) is not fields.get(name, ABSENT)]
    for name in changed[:tries] if len(changed) > 1 else ():
        candidate = _changed(found, {name: fields.get(name, ABSENT)})
        if judge(candidate, report=False) is None:
            found = candidate
    return found


def _changed(fields: Item, changes: Mapping[str, Any]) -> Item:
    """Return the fields with other values, in the same order."""
    return {name: value for name, value in (fields | dict(changes)).items() if value is not ABSENT}

"""Overlaps of key templates: a key that matches two of them, if there is one.

The search walks both templates at once, character by character, with a few characters that stand for all others. What
it finds is tried on both templates, so an example is always a true one.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tailrace.encoding.json_types import Item
from tailrace.encoding.key_templates import AttributeTemplate, KeyTemplate, Placeholder
from tailrace.errors import InvalidMessage

_MAX_TEXTS = 400
_MAX_SORT_KEYS = 60  # for each partition key
_MAX_VISITS = 20  # of the same place in both templates, for each character
_FILLERS = "a1x"

type _Steps = list[tuple[str, frozenset[str] | None]]


def find_overlap(one: KeyTemplate, other: KeyTemplate) -> Item | None:
    """Return a key that matches both templates, which have the same attributes; None if none was found."""
    first, *rest = ((one.attributes[name], other.attributes[name]) for name in one.attributes)
    for value in _common_values(*first):
        key = {first[0].name: value}
        if not rest:
            if _both(one, other, key):
                return key
            continue
        (pair,) = rest
        for second in (*_implied(pair, key, first), *islice(_common_values(*pair), _MAX_SORT_KEYS)):
            whole = key | {pair[0].name: second}
            if _both(one, other, whole):
                return whole
    return None


def _both(one: KeyTemplate, other: KeyTemplate, key: Item) -> bool:
    return one.parse(key) is not None and other.parse(key) is not None


def _implied(
    pair: tuple[AttributeTemplate, AttributeTemplate], key: Item, first: tuple[AttributeTemplate, AttributeTemplate]
) -> Iterator[Any]:
    """Yield the sort keys that the fields of a partition key make."""
    for template, source in zip(pair, first, strict=True):
        try:
            yield template.format(source.parse(key[source.name]) or {})
        except InvalidMessage:
            continue


def _common_values(one: AttributeTemplate, other: AttributeTemplate) -> Iterator[Any]:
    """Yield values that both templates may match, the shortest first."""
    if one.kind != other.kind:
        return
    if one.kind == "text":
        yield from _common_texts(_steps(one), _steps(other))
        return
    constants = [template.constant for template in (one, other) if template.constant is not None]
    yield constants[0] if constants else (1 if one.kind == "number" else b"\x01")


def _steps(template: AttributeTemplate) -> _Steps:
    """Return a template's steps: a character, or any but some of them, once or more."""
    steps: _Steps = []
    for part in template.parts:
        if isinstance(part, Placeholder):
            steps.append(("", frozenset() if part.takes_separators else template.separators))
        else:
            steps.extend((character, None) for character in part)
    return steps


def _common_texts(one: _Steps, other: _Steps) -> Iterator[str]:
    letters = dict.fromkeys([*_FILLERS, *(character for character, _ in (*one, *other) if character)])
    queue = deque([(0, 0, "")])
    visits: dict[tuple[int, int], int] = {}
    found = 0
    while queue and found < _MAX_TEXTS:
        here, there, text = queue.popleft()
        if (here, there) == (len(one), len(other)):
            yield text
            found += 1
        for letter in letters:
            for place in _next(one, here, letter):
                for other_place in _next(other, there, letter):
                    pair = place, other_place
                    if visits.get(pair, 0) < _MAX_VISITS * len(letters):
                        visits[pair] = visits.get(pair, 0) + 1
                        queue.append((*pair, text + letter))


def _next(steps: _Steps, place: int, letter: str) -> Iterator[int]:
    """Yield the places that a character leads to: on, or once more in the step before."""
    if place and _allows(steps[place - 1], letter) and steps[place - 1][1] is not None:
        yield place
    if place < len(steps) and _allows(steps[place], letter):
        yield place + 1


def _allows(step: tuple[str, frozenset[str] | None], letter: str) -> bool:
    character, excluded = step
    return letter == character if excluded is None else letter not in excluded

"""The smallest item that still breaks a law: fields and elements are left out, values made simpler, one by one."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import canonical_number

_MAX_TRIES = 3000


def smallest(item: Item, fails: Callable[[Item], bool], tries: int = _MAX_TRIES) -> Item:
    """Return an item as small as simple steps make it, for which ``fails`` is still true."""
    progress = True
    while progress and tries > 0:
        progress = False
        for candidate in _smaller(item):
            tries -= 1
            if tries <= 0:
                break
            if fails(candidate):
                item, progress = candidate, True
                break
    return item


def _smaller(value: Any) -> Iterator[Any]:
    """Yield values that are simpler than a value, the simplest first."""
    if isinstance(value, dict):
        for name in value:
            yield {other: inner for other, inner in value.items() if other != name}
        for name, inner in value.items():
            yield from (value | {name: simpler} for simpler in _smaller(inner))
    elif isinstance(value, list):
        yield from ([] for _ in value[:1])
        for index in range(len(value)):
            yield value[:index] + value[index + 1 :]
        for index, inner in enumerate(value):
            yield from ([*value[:index], simpler, *value[index + 1 :]] for simpler in _smaller(inner))
    elif isinstance(value, str):
        yield from _smaller_texts(value)
    elif isinstance(value, bool):
        yield from (False,) * value
    elif isinstance(value, int | Decimal):
        yield from _smaller_numbers(value)


def _smaller_texts(text: str) -> Iterator[str]:
    if not text:
        return
    yield ""
    yield text[: len(text) // 2]
    yield text[:-1]
    yield text[1:]
    for index, character in enumerate(text):
        simple = "0" if character.isdigit() else "a" if character.islower() else "A" if character.isupper() else "a"
        if character != simple and not (character.isascii() and not character.isalnum()):
            yield text[:index] + simple + text[index + 1 :]


def _smaller_numbers(number: int | Decimal) -> Iterator[Any]:
    if not number:
        return
    yield 0
    if number < 0:
        yield canonical_number(-Decimal(number))
    whole = int(number)
    if whole != number:
        yield whole
    if abs(whole) > 1:
        yield whole // 2 if whole > 0 else -(-whole // 2)
        yield whole - 1 if whole > 0 else whole + 1
        yield from (whole - step if whole > 0 else whole + step for step in (10, 100, 10_000) if abs(whole) > step)

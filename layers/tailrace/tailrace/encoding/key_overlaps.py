"""Overlaps of key templates: a key that matches two of them, if there is one.

Each attribute gives an equation of two sequences of characters and fields, such as ``ORDER#{order}`` and
``{kind}#{id}``. They are solved together, from left to right, by Levi's lemma: of two sequences that begin with a field
each, one field begins with the other. What a field turns out to be is put in its place everywhere, so fields that
recur, in the other attribute too, are the same. What is found is tried on both templates, so an example is always a
true one.

A field that recurs can make equations come back, with its rest in its place, or grow without end. So equations that
were seen before, except for the names of the fields, are left out, and so are those that no key can satisfy.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from msgspec import Struct

from tailrace.encoding.json_types import Item
from tailrace.encoding.key_templates import AttributeTemplate, KeyTemplate, Placeholder
from tailrace.encoding.keys import MAX_PARTITION_KEY_BYTES

_MAX_STATES = 20_000
_MAX_SYMBOLS = 1_000_000
"""The most that all examined states may hold together: growing states are expensive."""
_MAX_REPEATS = 200
"""How often the same equations are solved if a template has ``{name+}``.

What is before them then decides which of their solutions both templates match, and it differs from time to time.
"""
_FREE = "ax1bcdefghijklmnopqrstuvwyzäöü" + "".join(map(chr, range(0x4E00, 0x4E40)))
"""What a field may be that can be anything: the first of these that occurs in neither template is preferred."""


class Field(NamedTuple):
    """A field of one of the templates (0 or 1); ``part`` numbers the rests that were cut from the whole."""

    side: int
    name: str
    part: int = 0


class Value(NamedTuple):
    """A number or binary."""

    value: Any


type Symbol = str | Field | Value
type Sequence = tuple[Symbol, ...]
type Excluded = Mapping[Field, frozenset[str]]


class _State(Struct, frozen=True):
    """Equations that are left, what the attributes are so far, and the characters that no field may have."""

    equations: tuple[tuple[Sequence, Sequence], ...]
    values: tuple[Sequence, ...]
    excluded: Excluded

    @property
    def signature(self) -> tuple[Any, ...]:
        """The equations without the names of their fields, and what these fields exclude."""
        numbers: dict[Field, int] = {}
        equations = tuple(
            tuple(
                tuple((numbers.setdefault(each, len(numbers)),) if isinstance(each, Field) else each for each in side)
                for side in equation
            )
            for equation in self.equations
        )
        return equations, tuple(self.excluded.get(field) for field in numbers)

    def can_be_a_key(self) -> bool:
        """Whether no value is too long, and no side has more of a character than the other one can."""
        if max(map(len, self.values)) > MAX_PARTITION_KEY_BYTES:
            return False
        pairs = chain(self.equations, ((other, one) for one, other in self.equations))
        return not any(self._has_too_many(one, other) for one, other in pairs)

    def _has_too_many(self, one: Sequence, other: Sequence) -> bool:
        excluded = [self.excluded.get(symbol, frozenset()) for symbol in set(other) if isinstance(symbol, Field)]
        if not excluded:
            return len(one) > len(other)
        exact = frozenset.intersection(*excluded)
        return any(one.count(character) > other.count(character) for character in exact)

    def where(self, field: Field, found: Sequence) -> Iterator["_State"]:
        """Replace a field by a sequence, if the field can be it."""
        barred = self.excluded.get(field, frozenset())
        if any(symbol in barred for symbol in found if isinstance(symbol, str)):
            return
        inherited = {
            symbol: self.excluded.get(symbol, frozenset()) | barred for symbol in found if isinstance(symbol, Field)
        }
        pairs = ((_replaced(one, field, found), _replaced(other, field, found)) for one, other in self.equations)
        values = tuple(_replaced(value, field, found) for value in self.values)
        yield _State(tuple(pairs), values, {**self.excluded, **inherited})

    def where_longer(self, field: Field, beginning: Symbol) -> Iterator["_State"]:
        """Let a field begin with a symbol, and continue; only a text can."""
        if not isinstance(beginning, Value):
            yield from self.where(field, (beginning, field._replace(part=field.part + 1)))


def find_overlap(one: KeyTemplate, other: KeyTemplate) -> Item | None:
    """Return a key that matches both templates, which have the same attributes; None if none was found."""
    for key in _solutions(one, other):
        if one.parse(key) is not None and other.parse(key) is not None:
            return key
    return None


def _solutions(one: KeyTemplate, other: KeyTemplate) -> Iterator[Item]:
    """Yield keys that both templates make, except for what ``{name+}`` excludes; the shortest first."""
    sides = [[template.attributes[name] for name in one.attributes] for template in (one, other)]
    if any(first.kind != second.kind for first, second in zip(*sides, strict=True)):
        return
    excluded: dict[Field, frozenset[str]] = {}
    for side, attributes in enumerate(sides):
        for attribute in attributes:
            for part in attribute.placeholders:
                barred = frozenset() if part.takes_separators else attribute.separators
                field = Field(side, part.name)
                excluded[field] = excluded.get(field, frozenset()) | barred
    first, second = ([_sequence(side, attribute) for attribute in sides[side]] for side in (0, 1))
    used = {symbol for symbol in chain(*first, *second) if isinstance(symbol, str)}
    free = sorted(_FREE, key=lambda character: character in used)
    parts = chain.from_iterable(attribute.placeholders for attribute in chain(*sides))
    repeats = _MAX_REPEATS if any(part.takes_separators for part in parts) else 1
    for state in _solved(_State(tuple(zip(first, second, strict=True)), tuple(first), excluded), repeats):
        values = zip(one.attributes.values(), state.values, strict=True)
        yield {attribute.name: _value(attribute, value, state.excluded, free) for attribute, value in values}


def _solved(first: _State, repeats: int) -> Iterator[_State]:
    """Yield the states without an equation that the first one leads to, the closest first."""
    waiting, seen = deque([first]), Counter[tuple[Any, ...]]()
    states = symbols = 0
    while waiting and states < _MAX_STATES and symbols < _MAX_SYMBOLS:
        state = waiting.popleft()
        states += 1
        symbols += sum(map(len, chain(state.values, *state.equations)))
        if not state.equations:
            yield state
        elif state.can_be_a_key():
            signature = state.signature
            seen[signature] += 1
            if seen[signature] <= repeats:
                waiting.extend(_steps(state))


def _sequence(side: int, template: AttributeTemplate) -> Sequence:
    if template.constant is not None:
        return (Value(template.constant),)
    parts = ([Field(side, part.name)] if isinstance(part, Placeholder) else list(part) for part in template.parts)
    return tuple(chain.from_iterable(parts))


def _steps(state: _State) -> Iterator[_State]:
    """Yield what follows from the first symbols of the first equation that is left."""
    (one, other), *rest = state.equations
    if not one or not other:
        if not one and not other:
            yield _State(tuple(rest), state.values, state.excluded)
        return  # a field is never empty
    first, second = one[0], other[0]
    if first == second:
        yield _State(((one[1:], other[1:]), *rest), state.values, state.excluded)
        return
    if isinstance(first, Field):
        yield from state.where(first, (second,))
        yield from state.where_longer(first, second)
    if isinstance(second, Field):
        if not isinstance(first, Field):
            yield from state.where(second, (first,))
        yield from state.where_longer(second, first)


def _replaced(sequence: Sequence, field: Field, found: Sequence) -> Sequence:
    return tuple(chain.from_iterable(found if symbol == field else (symbol,) for symbol in sequence))


def _value(template: AttributeTemplate, value: Sequence, excluded: Excluded, free: list[str]) -> Any:
    if template.kind != "text":
        (symbol,) = value
        return symbol.value if isinstance(symbol, Value) else (1 if template.kind == "number" else b"\x01")
    return "".join(
        symbol
        if isinstance(symbol, str)
        else next((letter for letter in free if letter not in excluded.get(symbol, ())), "")  # type: ignore[arg-type]
        for symbol in value
    )

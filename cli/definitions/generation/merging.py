"""Schemas that apply to one value, merged to generate values: references and alternatives are taken apart."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct, field

from tailrace.definition.json_schema.pattern_rules import matches
from tailrace.definition.json_schema.types import ALL_TYPES, type_of
from tailrace.definition.schemas import Schema

type Parts = tuple[Any, ...]

_MAX_VARIANTS = 64
_MAX_NUMBER = 10**36
_INTEGER = "integer"


class Variant(Struct, frozen=True):
    """One way to be valid: schemas without references and alternatives, all of which apply."""

    parts: Sequence[Mapping[str, Any]]
    types: frozenset[str]
    integral: bool
    values: Sequence[Any] | None

    def every(self, keyword: str) -> list[Any]:
        """Return a keyword's values."""
        return [part[keyword] for part in self.parts if keyword in part]

    def every_at(self, keyword: str, index: int) -> list[Any]:
        """Return the members at a position of a keyword's lists."""
        return [members[index] for members in self.every(keyword) if index < len(members)]

    def highest(self, keyword: str, default: Any) -> Any:
        """Return the highest value of a lower bound."""
        return max([default, *self.every(keyword)])

    def lowest(self, keyword: str, default: Any) -> Any:
        """Return the lowest value of an upper bound."""
        return min([default, *self.every(keyword)])

    def bounds(self, extreme: int) -> tuple[Any, Any]:
        """Return the bounds of a number: where the schemas leave one open, ``extreme``, or far beyond the other one."""
        lower = max([*self.every("minimum"), *self.every("exclusiveMinimum")], default=None)
        upper = min([*self.every("maximum"), *self.every("exclusiveMaximum")], default=None)
        low = min(-extreme, 2 * (upper or 0)) if lower is None else lower
        high = max(extreme, 2 * low) if upper is None else upper
        return max(low, -_MAX_NUMBER), min(high, _MAX_NUMBER)

    def field(self, name: str) -> Parts:
        """Return the schemas of a field."""
        return tuple(inner for part in self.parts for inner in _of_field(part, name))

    def chosen_with(self, name: str) -> frozenset[str]:
        """Return a field with all fields that it needs next to it."""
        found, waiting = {name}, [name]
        while waiting:
            last = waiting.pop()
            needed = {other for needs in self.every("dependentRequired") for other in needs.get(last, ())} - found
            found |= needed
            waiting += needed
        return frozenset(found)

    @property
    def names(self) -> list[str]:
        """The fields that the schemas name, in order."""
        named = (name for part in self.parts for name in part.get("properties", {}))
        needed = (name for needs in self.every("dependentRequired") for names in needs.values() for name in names)
        return list(dict.fromkeys([*named, *self.required, *needed]))

    @property
    def required(self) -> list[str]:
        """The fields that are required."""
        return list(dict.fromkeys(name for names in self.every("required") for name in names))

    @property
    def is_open(self) -> bool:
        """Whether fields that no schema names are allowed."""
        words = ("additionalProperties", "unevaluatedProperties")
        return not any(part.get(word) is False for part in self.parts for word in words)


def _of_field(part: Mapping[str, Any], name: str) -> Iterator[Any]:
    named = [part["properties"][name]] if name in part.get("properties", {}) else []
    named += [inner for pattern, inner in part.get("patternProperties", {}).items() if matches(pattern, name)]
    yield from named or [part.get("additionalProperties", True)]


class Merger(Struct, frozen=True):
    """Takes the schemas of one document apart; ``kept`` keeps made schemas, which are known by identity."""

    schema: Schema
    kept: list[Any] = field(default_factory=list)

    def variants(self, parts: Parts) -> list[Variant]:
        """Return the ways in which a value can satisfy all the schemas; none if there is none."""
        found = (self._variant(flat) for flat in self._flat(list(parts), []))
        return list(islice((one for one in found if one is not None), _MAX_VARIANTS))

    def _flat(self, waiting: list[Any], done: list[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
        waiting, done = list(waiting), list(done)
        while waiting:
            part = waiting.pop()
            if part is False:
                return
            if part is True or any(part is known for known in done):
                continue
            done.append(part)
            waiting += [*self.schema.targets(part), *part.get("allOf", ())]
            alternatives = [self._choices(part, word) for word in ("anyOf", "oneOf", "if") if word in part]
            alternatives += [self._with_or_without(*each) for each in part.get("dependentSchemas", {}).items()]
            if alternatives:
                for choice in _product(alternatives):
                    yield from self._flat([*waiting, *choice], done)
                return
        yield done

    def _choices(self, part: Mapping[str, Any], word: str) -> list[list[Any]]:
        if word != "if":
            return [[inner] for inner in part[word]]
        negated = {"not": part["if"]}
        self.kept.append(negated)
        return [[part["if"], part.get("then", True)], [negated, part.get("else", True)]]

    def _with_or_without(self, name: str, inner: Any) -> list[list[Any]]:
        present, absent = {"required": [name]}, {"not": {"required": [name]}}
        self.kept.extend((present, absent))
        return [[present, inner], [absent]]

    def _variant(self, parts: list[Mapping[str, Any]]) -> Variant | None:
        parts = [*parts, *self._exclusions(parts)]
        types, integral = ALL_TYPES, False
        for part in parts:
            stated = part.get("type", ALL_TYPES)
            names = {stated} if isinstance(stated, str) else set(stated)
            integral |= _INTEGER in names and "number" not in names
            types &= {"number" if name == _INTEGER else name for name in names}
        values = self._values(parts, types)
        if not types or values == []:
            return None
        return Variant(parts, frozenset(types), integral, values)

    def _values(self, parts: Sequence[Mapping[str, Any]], types: frozenset[str]) -> list[Any] | None:
        listed = [
            [part["const"]] if "const" in part else part["enum"] for part in parts if {"const", "enum"} & part.keys()
        ]
        if not listed:
            return None
        excluded = [value for part in parts for value in part.get("x-excluded", ())]
        return [
            value
            for value in listed[0]
            if type_of(value) in types and value not in excluded and all(value in others for others in listed[1:])
        ]

    def _exclusions(self, parts: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield schemas that avoid the values which ``not`` names: of the value, or of one of its fields."""
        for part in parts:
            refused = part.get("not")
            if isinstance(refused, Mapping):
                made = _excluding(refused)
                if made:
                    self.kept.append(made)
                    yield made


def _excluding(refused: Mapping[str, Any]) -> dict[str, Any]:
    if "const" in refused or "enum" in refused:
        return {"x-excluded": [refused["const"]] if "const" in refused else list(refused["enum"])}
    fields = refused.get("properties", {})
    if len(fields) == 1 and set(refused) <= {"properties", "required", "type"}:
        (name, inner), *_ = fields.items()
        if isinstance(inner, Mapping):
            return {"properties": {name: {"not": inner}}}
    return {}


def _product(alternatives: Sequence[list[list[Any]]]) -> Iterator[list[Any]]:
    if not alternatives:
        yield []
        return
    for rest in _product(alternatives[1:]):
        for choice in alternatives[0]:
            yield [*choice, *rest]

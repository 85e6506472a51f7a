"""Items from a JSON Schema 2020-12 and the constants of the user's functions, at thousands a second.

No maintained library generates values for this draft. What the generator does not know about a schema, such as
``contains``, the schema itself filters out; examples and earlier items, changed in one field, help with such a schema.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import replace
from decimal import Decimal
from functools import partial
from itertools import islice
from random import Random
from typing import Any

from cli.definitions.generation.constants import stored
from cli.definitions.generation.merging import Merger, Parts, Variant
from cli.definitions.generation.texts import TIMES, lengths_in, text_maker
from cli.definitions.subject import Hint, Subject
from tailrace.encoding.json_types import Item, deep_copy
from tailrace.encoding.limits import MAX_ITEM_BYTES
from tailrace.encoding.numbers import EXACT, Number, canonical_number
from tailrace.encoding.tagged_json import canonical_json

type Maker = Callable[[Random, int], Any]

_EXTREME = 2 * 10**12  # milliseconds since 1970 of these years are below
_SMALL = 100
_MAX_ELEMENTS = 4
_MOST_COMPARED = 60
"""The longest list whose length the definition may compare with a constant."""
_MOST_ELEMENTS = MAX_ITEM_BYTES // 2
"""No item has more: an element takes two bytes."""
_MAX_DRAWS = 20
_MAX_DEPTH = 5
_HOPELESS_DEPTH = 40
_MAX_TRIES = 400
_LATE_TRIES = 20
_POOL = 500


class Impossible(Exception):
    """No value satisfies these schemas."""


class Generator:
    """Makes the items of one collection.

    Attributes:
        rejected: the number of made items that were not valid.
    """

    def __init__(self, subject: Subject, examples: Sequence[Item] = ()) -> None:
        self._constants, self._accepts = subject.constants, subject.accepts
        schema, also = subject.collection.compiled, subject.key_schema()
        self._merger = Merger(schema)
        self._makers: dict[tuple[Any, ...], Maker] = {}
        self._merger.kept.append(also)
        variants = self._merger.variants((schema.document, also))
        hints = subject.hints()
        self._roots = [self._object(variant, hints) for variant in variants]
        kinds = subject.collection.keys.fields
        self._binary = [name for name, kind in kinds.items() if kind == "binary"]
        """The fields that JSON Schema cannot describe."""
        self._examples = list(examples)
        self._pool: list[Item] = []
        self.rejected = 0

    def items(self, random: Random, until: float = math.inf) -> Iterator[Item]:
        """Yield valid items, all different, for as long as new ones are found.

        After ``until``, a moment of the monotonic clock, they are soon given up.
        """
        seen: set[str] = set()
        for example in self._examples:
            seen.add(canonical_json(example))
            yield deep_copy(example)
        misses = 0
        while misses < (_MAX_TRIES if time.monotonic() < until else _LATE_TRIES):
            item = self._try(random)
            text = None if item is None else canonical_json(item)
            if item is None or text is None or text in seen:
                misses += 1
                continue
            misses = 0
            seen.add(text)
            if len(self._pool) < _POOL:
                self._pool.append(deep_copy(item))
            yield item

    def _try(self, random: Random) -> Item | None:
        known = self._examples if self._examples and (not self._pool or random.random() < 0.2) else self._pool  # noqa: PLR2004
        try:
            item: Item = random.choice(self._roots)(random, 0) if self._roots else {}
            item |= {name: random.randbytes(random.choice([1, 2, 16])) for name in self._binary}
            if known and (not self._roots or random.random() < 0.3):  # noqa: PLR2004
                base = deep_copy(random.choice(known))
                name = random.choice([*base, *item] or [""])
                item = base | {name: item[name]} if name in item else {key: base[key] for key in base if key != name}
            if self._accepts(item):
                return item
        except Impossible:
            pass
        self.rejected += 1
        return None

    def _maker(self, parts: Parts, hint: str = "any") -> Maker:
        """Return a function that makes values under schemas."""
        key = (*map(id, parts), hint)
        if key not in self._makers:
            self._merger.kept.append(parts)
            self._makers[key] = partial(self._made_later, key)  # a schema may contain itself
            variants = self._merger.variants(parts)
            found = [maker for variant in variants for maker in self._of_variant(variant, hint)]
            flat = (replace(variant, types=variant.types & _SCALARS) for variant in variants)
            leaves = [maker for variant in flat for maker in self._of_variant(variant, hint)]
            self._makers[key] = partial(_one_of, found, leaves or found)
        return self._makers[key]

    def _hinted(self, parts: Parts, hint: Hint) -> Maker:
        """Return a function that makes values under schemas, and as far as possible as the definition expects them."""
        if isinstance(hint, str):
            return self._maker(parts, hint)
        both = (*parts, hint)
        if not self._merger.variants(both):
            return self._maker(parts)
        expected = [self._maker(both)]
        # what the schema itself says, such as null, is made as well
        others = [self._maker(parts)] if any(part is not True for part in parts) else []
        return partial(_one_of, [*expected * 3, *others], expected)

    def _made_later(self, key: tuple[Any, ...], random: Random, depth: int) -> Any:
        return self._makers[key](random, depth)

    def _of_variant(self, variant: Variant, hint: str) -> Iterator[Maker]:
        if variant.values is not None:
            values = [stored(value) for value in variant.values]
            yield lambda random, _depth: deep_copy(random.choice(values))
            return
        types = variant.types & _HINTED.get(hint, variant.types) or variant.types
        if hint == "any" and not any(part.keys() - _SILENT for part in variant.parts):
            types &= _SCALARS  # the schema says nothing
        if "number" in types:
            yield self._number(variant, is_time=hint == "time")
        if "string" in types:
            made = text_maker(variant, self._constants, is_time=hint == "time")
            yield lambda random, _depth: made(random)
        if "boolean" in types:
            yield lambda random, _depth: random.random() < 0.5  # noqa: PLR2004
        if "array" in types:
            yield self._array(variant)
        if "object" in types:
            yield self._object(variant, {})
        if "null" in types:
            yield lambda _random, _depth: None

    def _number(self, variant: Variant, *, is_time: bool) -> Maker:
        low, high = variant.bounds(_EXTREME)
        units = [unit for unit in (1, 1000) if low <= unit * TIMES[0] and unit * TIMES[-1] <= high]
        first, final = math.ceil(low), math.floor(high)
        steps = [Decimal(step) for step in variant.every("multipleOf")]
        constants = [number for number in self._constants.numbers if low <= number <= high]
        is_narrow = not variant.integral and 0 < high - low <= 1

        def number(random: Random, _depth: int) -> Number:
            chance, found = random.random(), Decimal(first)
            if units and random.random() < (0.9 if is_time else 0.1):
                found = Decimal(random.choice(TIMES) * random.choice(units))
            elif constants and chance < 0.4:  # noqa: PLR2004
                found = Decimal(random.choice(constants)) + random.choice([0, 0, 1, -1])
                if chance < 0.1:  # noqa: PLR2004
                    found = found * random.randint(-3, 9) + random.choice(constants)
            elif chance < 0.5:  # noqa: PLR2004
                found = Decimal(random.choice([first, final, 0, 1, -1]))
            elif first <= final:
                near = chance < 0.8 and first <= _SMALL and final >= -_SMALL  # noqa: PLR2004
                bounds = (max(first, -_SMALL), min(final, _SMALL)) if near else (first, final)
                found = Decimal(random.randint(*bounds))
            if not variant.integral and random.random() < 0.3:  # noqa: PLR2004
                found += Decimal(random.randrange(100)).scaleb(-2)
            if is_narrow and random.random() < 0.5:  # noqa: PLR2004
                found = Decimal(low) + (Decimal(high) - Decimal(low)) * random.randrange(1, 1000) / 1000
            for step in steps:
                found = EXACT.multiply(EXACT.divide_int(found, step), step)
            return canonical_number(min(max(found, Decimal(low)), Decimal(high)))

        return number

    def _array(self, variant: Variant) -> Maker:
        least, most = int(variant.highest("minItems", 0)), variant.lowest("maxItems", _EXTREME)
        unique = any(variant.every("uniqueItems"))
        heads = max((len(members) for members in variant.every("prefixItems")), default=0)
        makers = [self._maker(tuple(variant.every_at("prefixItems", index))) for index in range(heads)]
        rest = self._maker(tuple(variant.every("items")) or (True,))
        wanted = [
            (self._maker((*variant.every("items"), part["contains"])), int(part.get("minContains", 1)))
            for part in variant.parts
            if "contains" in part
        ]
        least = max(least, heads + sum(count for _, count in wanted) if wanted else 0)
        lengths = [length for length in lengths_in(self._constants) if least <= length <= min(most, _MOST_COMPARED)]

        def array(random: Random, depth: int) -> list[Any]:
            if least > _MOST_ELEMENTS:
                raise Impossible
            length = least if depth > _MAX_DEPTH else int(min(random.randint(least, least + _MAX_ELEMENTS), most))
            if lengths and depth <= _MAX_DEPTH and random.random() < 0.1:  # noqa: PLR2004
                length = random.choice(lengths)
            of_each = [makers[index] if index < heads else rest for index in range(length)]
            places = iter(random.sample(range(heads, length), max(length - heads, 0)) if wanted else ())
            for contained, count in wanted:
                for place in islice(places, count):
                    of_each[place] = contained
            found: dict[Any, Any] = {}
            for index, maker in enumerate(of_each):
                for _ in range(_MAX_DRAWS if unique and len(found) < least else 1):
                    value = maker(random, depth + 1)
                    key = canonical_json(value) if unique else index
                    if key not in found:
                        found[key] = value
                        break
            if len(found) < least:
                raise Impossible
            return [*found.values()]

        return array

    def _object(self, variant: Variant, hints: Mapping[str, Hint]) -> Maker:
        named = [*variant.names, *(name for name in hints if name not in variant.names and variant.is_open)]
        names = [name for name in named if False not in variant.field(name)]
        makers = {name: self._hinted(variant.field(name), hints.get(name, "any")) for name in names}
        required = frozenset(name for wanted in variant.required for name in variant.chosen_with(wanted))
        optional = [found for name in names if (found := variant.chosen_with(name)) <= makers.keys()]
        new_name, least = self._new_name(variant), int(variant.highest("minProperties", 0))

        def made(random: Random, depth: int) -> Item:
            if depth > _HOPELESS_DEPTH or least > _MOST_ELEMENTS or not required <= makers.keys():
                raise Impossible
            chance = random.choice([0.0, 0.5, 0.5, 0.9]) if depth <= _MAX_DEPTH else 0.0
            chosen = required.union(*(group for group in optional if random.random() < chance))
            found = {name: maker(random, depth + 1) for name, maker in makers.items() if name in chosen}
            more = random.randint(1, 3) if random.random() < chance else 0
            for _ in range(max(more, least - len(found))):
                name = new_name(random, depth) if new_name is not None else ""
                if isinstance(name, str) and name and name not in makers:
                    found[name] = self._maker(variant.field(name))(random, depth + 1)
            return found

        return made

    def _new_name(self, variant: Variant) -> Maker | None:
        """Return a function that makes names of fields that the schema does not list; None if it expects none."""
        patterns = [pattern for part in variant.parts for pattern in part.get("patternProperties", {})]
        if patterns:
            return self._maker(({"anyOf": [{"pattern": one} for one in patterns]},), "string")
        if rules := variant.every("propertyNames"):
            return self._maker(tuple(rules), "string") if variant.is_open else None
        if not variant.is_open or not (variant.every("additionalProperties") or variant.every("minProperties")):
            return None
        return lambda random, _depth: f"x{random.randrange(_SMALL)}"


def _one_of(makers: Sequence[Maker], leaves: Sequence[Maker], random: Random, depth: int) -> Any:
    """Make a value; deep inside an item one without members, so that a schema that contains itself ends."""
    if not makers:
        raise Impossible
    return random.choice(makers if depth <= _MAX_DEPTH else leaves)(random, depth)


_SCALARS = frozenset(["string", "number", "boolean", "null"])
_SILENT = {"title", "description", "$comment", "examples", "deprecated", "readOnly", "writeOnly", "default"}
_HINTED = {
    "number": frozenset(["number"]),
    "string": frozenset(["string"]),
    "time": frozenset(["string"]),
    "scalar": frozenset(["string", "number", "boolean"]),
}

"""How often a schema applies its parts to one value: alternatives that all lead back to it multiply with each level."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import chain
from math import log
from typing import Any

from msgspec import Struct, field

from tailrace.definition.json_schema.keywords import applied_in_place, escape_pointer, subschemas
from tailrace.definition.json_schema.references import References
from tailrace.errors import DefinitionError

MAX_APPLICATIONS = 1_000_000
"""The most parts of a schema that may be applied along one path into an item; about a second."""

_EVERYWHERE = ""
_OTHERS = frozenset(["additionalProperties", "unevaluatedProperties"])
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
_CHILDREN = _OTHERS | {
    "properties", "patternProperties", "propertyNames", "items", "prefixItems", "contains", "unevaluatedItems"
}  # fmt: skip


type _Children = dict[str, list[tuple[str, Mapping[str, Any]]]]
"""The subschemas for inner values, each with its keyword, by place: a field, or everywhere."""


class Growth:
    """The growth of a schema's applications with the depth of an item.

    Attributes:
        factor: how often a recursive schema applies itself to one inner value; above 1, depth multiplies the work.

    Raises:
        DefinitionError: the schema applies too many parts to an item of any shape.
    """

    def __init__(self, document: Mapping[str, Any], references: References) -> None:
        self._document = document
        self._references = references
        self._parts: dict[tuple[int, int], int] = {}
        self._placed: dict[int, _Children] = {}
        self._states: dict[tuple[frozenset[tuple[int, int]], int], _State] = {}
        self._component: dict[int, int] = {}
        self._stack: list[int] = []
        self._order: dict[int, int] = {}
        self._nodes: dict[int, Mapping[str, Any]] = {}
        self._visit(document)
        self._counts: dict[int, Counter[int]] = {}
        self._totals: dict[int, int] = {}
        if self._total(document) > MAX_APPLICATIONS:
            raise DefinitionError(
                "the schema applies more than a million of its parts to one value: simplify its $refs"
            )
        self.factor = max((self._recursive(node) for node in self._nodes.values()), default=1)

    def max_depth(self, applications: int) -> int | None:
        """Return the depth up to which no more parts are applied than given; None if depth does not multiply them."""
        return int(log(applications, self.factor)) if self.factor > 1 else None

    def heaviest(self, weight: Callable[[Mapping[str, Any]], int]) -> int:
        """Return the most weight of all parts that are applied to one value."""
        weights = {key: found for key, node in self._nodes.items() if (found := weight(node))}
        if not weights:
            return 0
        applied = map(self._applied, self._nodes.values())
        return max(sum(times * weights[key] for key, times in one.items() if key in weights) for one in applied)

    def most_parts(self, depth: int) -> int:
        """Return how many parts are applied to one value at a depth of an item, at most."""
        return self._most_parts(self._document, depth)

    def _most_parts(self, schema: Mapping[str, Any], depth: int) -> int:
        key = id(schema), depth
        if key not in self._parts:
            applied = self._applied(schema)
            self._parts[key] = self._inner_parts(applied, depth) if depth else applied.total()
        return self._parts[key]

    def _inner_parts(self, applied: Counter[int], depth: int) -> int:
        places = Counter[str]()
        for key, times in applied.items():
            node = self._nodes[key]
            children = self._children_by_place(node)
            fields = [place for place in children if place != _EVERYWHERE]
            for place, found in children.items():
                for keyword, inner in found:
                    parts = times * self._most_parts(inner, depth - 1)
                    places[place] += parts
                    places.subtract(dict.fromkeys(fields, parts) if keyword in _OTHERS else ())
            if depth == 1 and any(keyword in node for keyword in _UNEVALUATED):  # it checks what else has applied
                places[_EVERYWHERE] += times * self._applied(node).total()
        return places.pop(_EVERYWHERE, 0) + max(places.values(), default=0)

    def applications(self, value: Any, limit: int) -> int:
        """Return how many parts are applied to an item and all its values, at most; not further than a limit."""
        total = 0
        level = [(value, self._state(Counter([id(self._document)])))]
        while level and total <= limit:
            total += sum(state.total for _, state in level)
            level = [
                (inner, found)
                for each, state in level
                if isinstance(each, Mapping | list)
                for place, inner in (
                    _fields(each) if isinstance(each, Mapping) else ((_EVERYWHERE, one) for one in each)
                )
                if (found := state.at(place)).total
            ]
        return total

    def _state(self, roots: Counter[int], more: int = 0) -> "_State":
        key = frozenset(roots.items()), more
        if key not in self._states:
            applied = Counter[int]()
            for schema, times in roots.items():
                applied.update({part: times * count for part, count in self._applied(self._nodes[schema]).items()})
            named = {
                place
                for part in applied
                for keyword, place, _ in self._children(self._nodes[part])
                if keyword == "properties"
            }
            self._states[key] = _State(applied.total() + more, partial(self._next_state, applied), named)
        return self._states[key]

    def _next_state(self, applied: Counter[int], place: str) -> "_State":
        """Return what is applied to the value at a place within one to which parts are applied."""
        roots, more = Counter[int](), 0
        for key, times in applied.items():
            children = self._children_by_place(self._nodes[key])
            named = children.get(place, []) if place != _EVERYWHERE else []
            others = children.get(_EVERYWHERE, [])
            for _, inner in chain(named, (one for one in others if not (named and one[0] in _OTHERS))):
                roots[id(inner)] += times
            if any(keyword in self._nodes[key] for keyword in _UNEVALUATED):  # it checks what else has applied
                more += times * self._applied(self._nodes[key]).total()
        return self._state(roots, more)

    def _in_place(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        found = [*self._references.targets(schema), *(inner for _, inner in applied_in_place(schema))]
        return (inner for inner in found if isinstance(inner, Mapping))

    @staticmethod
    def _children(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield each subschema for an inner value with its keyword and place: a field, or everywhere."""
        for keyword, pointer, inner in subschemas(schema):
            if keyword in _CHILDREN and isinstance(inner, Mapping):
                yield keyword, pointer if keyword == "properties" else _EVERYWHERE, inner

    def _children_by_place(self, schema: Mapping[str, Any]) -> _Children:
        """Return the same, kept by place: each field of an item asks for its own, and there may be thousands."""
        key = id(schema)
        if key not in self._placed:
            placed = self._placed[key] = {}
            for keyword, place, inner in self._children(schema):
                placed.setdefault(place, []).append((keyword, inner))
        return self._placed[key]

    def _visit(self, schema: Mapping[str, Any]) -> int:
        """Find the strongly connected components by Tarjan's algorithm; return the lowest number that is reached."""
        key = id(schema)
        self._nodes[key] = schema
        self._order[key] = low = len(self._order)
        self._stack.append(key)
        for inner in (*self._in_place(schema), *(child for _, _, child in self._children(schema))):
            if id(inner) not in self._order:
                low = min(low, self._visit(inner))
            elif id(inner) not in self._component:
                low = min(low, self._order[id(inner)])
        if low == self._order[key]:
            while True:
                member = self._stack.pop()
                self._component[member] = key
                if member == key:
                    break
        return low

    def _applied(self, schema: Mapping[str, Any]) -> Counter[int]:
        """Return how often each schema is applied to a value when this one is."""
        if id(schema) not in self._counts:
            counts = Counter([id(schema)])
            for inner in self._in_place(schema):
                counts.update(self._applied(inner))
            self._counts[id(schema)] = counts
        return self._counts[id(schema)]

    def _recursive(self, schema: Mapping[str, Any]) -> int:
        """Return how often a schema's own component is applied to one inner value."""
        component = self._component[id(schema)]
        places = Counter[str]()
        for key, times in self._applied(schema).items():
            fields = [place for keyword, place, _ in self._children(self._nodes[key]) if keyword == "properties"]
            for keyword, place, inner in self._children(self._nodes[key]):
                if self._component[id(inner)] == component == self._component[key]:
                    places[place] += times
                    places.subtract(dict.fromkeys(fields, times) if keyword in _OTHERS else ())
        everywhere = places.pop(_EVERYWHERE, 0)
        return everywhere + max([0, *places.values()])

    def _total(self, schema: Mapping[str, Any]) -> int:
        """Return how many parts are applied along one path, without recursion."""
        key = id(schema)
        if key not in self._totals:
            self._totals[key] = 1
            places = Counter[str]()
            for _, place, inner in self._children(schema):
                if self._component[id(inner)] != self._component[key]:
                    places[place] += self._total(inner)
            own = 1 + sum(self._total(inner) for inner in self._in_place(schema))
            everywhere = places.pop(_EVERYWHERE, 0)
            self._totals[key] = own + everywhere + max(places.values(), default=0)
        return self._totals[key]


class _State(Struct):
    """How many parts are applied to a value, and what to those within it."""

    total: int
    follow: Callable[[str], "_State"]
    named: AbstractSet[str]
    known: dict[str, "_State"] = field(default_factory=dict)

    def at(self, place: str) -> "_State":
        place = place if place in self.named else _EVERYWHERE
        found = self.known.get(place)
        if found is None:
            found = self.known[place] = self.follow(place)
        return found


def _fields(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((f"/properties/{escape_pointer(name)}", inner) for name, inner in value.items())


def shape(value: Any, levels: int) -> tuple[int, int]:
    """Return how deeply a value is nested, at most one more than ``levels``, and how many values it consists of."""
    if not isinstance(value, Mapping | list) or levels < 0:
        return 0, 1
    inner = [shape(one, levels - 1) for one in (value.values() if isinstance(value, Mapping) else value)]
    return 1 + max((deep for deep, _ in inner), default=0), 1 + sum(values for _, values in inner)


def count_values(value: Any) -> int:
    """Return how many values a value consists of, including itself."""
    total, level = 1, [value] if isinstance(value, Mapping | list) else []
    while level:
        inner = [one for each in level for one in (each.values() if isinstance(each, Mapping) else each)]
        total += len(inner)
        level = [one for one in inner if isinstance(one, Mapping | list)]
    return total

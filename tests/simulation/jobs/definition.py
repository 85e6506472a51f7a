"""What the jobs count: the model's aggregates, and elements of the items of a collection with keys of its own."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tailrace import Aggregate, Collection, Pipeline, count, count_items, distinct, field, maximum, quantile, total
from tailrace.encoding.sort_keys import encode_sort_key
from tests.simulation.job_model import definition as model
from tests.simulation.job_model.definition import Code, Item, Rows

_BASKET = {
    "type": "object",
    "required": ["store", "basket", "lines"],
    "properties": {
        "store": {"type": "string"},
        "basket": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["product"],
                "properties": {"product": {"type": "string"}, "pieces": {"type": "integer"}},
            },
        },
    },
    "additionalProperties": False,
}
baskets = Collection("baskets", schema=_BASKET, key={"pk": "STORE#{store}#BASKET#{basket}"})


def is_in_first_store(basket: Item) -> bool:
    """Tell whether a basket is in the first store, which only its key says."""
    return bool(basket["store"] == "a")


def is_several(basket: Item) -> bool:
    """Tell whether a line, in the place of the basket's lines, is of more than one piece."""
    return bool(basket["lines"].get("pieces", 0) > 1)


_MEASURES: Any = {
    "sum": count(),
    "orders": count_items(),
    "revenue": total("lines.pieces", where=is_in_first_store),
    "most": maximum("lines.pieces"),
    "sizes": distinct("lines.pieces"),
    "p50": quantile("lines.pieces", 0.5),
    "p90": quantile("lines.pieces", 0.9),
    "stores": distinct("store"),
}
BASKETS_1 = Aggregate("baskets", of=baskets, each="lines", by=[field("lines.product")], measures=_MEASURES)
BASKETS_2 = Aggregate(
    "baskets", of=baskets, each="lines", by=[field("lines.product")], measures=_MEASURES, where=is_several, version=2
)


@dataclass(frozen=True, eq=False)
class JobsCode(Code):
    """A deployment's definition with baskets."""

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline([model.orders, model.visits, baskets], self.aggregates)


CODES = {
    "first": JobsCode("first", [*model.CODES["first"].aggregates, BASKETS_1]),
    "second": JobsCode("second", [*model.CODES["second"].aggregates, BASKETS_1, BASKETS_2]),
}


def recount(aggregate: Aggregate, items: Iterable[tuple[str, str, Item]]) -> Rows:
    """Return an aggregate's rows, from collections, keys and fields of items, without the engine."""
    if aggregate.of is not baskets:
        return model.recount(aggregate, ((collection, fields) for collection, _, fields in items))
    rows: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    pieces: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    stores: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    prefix = f"baskets@{aggregate.version}"
    for collection, key, fields in items:
        lines = fields["lines"] if collection == "STORE" and isinstance(fields.get("lines"), list) else []
        counted = [one for one in lines if aggregate is BASKETS_1 or one.get("pieces", 0) > 1]
        for line in counted:
            main = f"{prefix}#{line['product']}", "-"
            number = line.get("pieces", 0)
            rows[main].update({"sum": 1, "revenue": number if key.split("#")[1] == "a" else 0})
            stores[main].append(key.split("#")[1])
            if "pieces" in line:
                pieces[main].append(number)
        for product in {line["product"] for line in counted}:
            rows[f"{prefix}#{product}", "-"].update({"~n": 1, "orders": 1})
            rows[f"~groups#{prefix}", product]["~n"] += 1
    found: Rows = {key: dict(row) for key, row in rows.items()}
    for row, names in stores.items():
        found[row]["stores"] = len(set(names))
        for name, times in Counter(names).items():
            found[f"~stores#{row[0]}#{row[1]}", encode_sort_key(name)] = {"~n": times, "~c": 1}
    for row, numbers in pieces.items():
        found |= values_of(row, numbers, found[row])
    return found


def values_of(row: tuple[str, str], numbers: list[int], main: dict[str, Any]) -> Rows:
    """Add what a main row says of its numbers; return their value rows and nodes."""
    ranked = sorted(numbers)
    main |= {"most": ranked[-1], "sizes": len(set(numbers))}
    main |= {"p50": ranked[-(-len(ranked) // 2) - 1], "p90": ranked[-(-len(ranked) * 9 // 10) - 1]}
    keys = [encode_sort_key(number) for number in numbers]
    found: Rows = {(f"~most#{row[0]}#{row[1]}", key): {"~n": times, "~c": 1} for key, times in Counter(keys).items()}
    for length in (6, 8):
        nodes = Counter(key[:length] for key in keys)
        found |= {(f"~most.{length}#{row[0]}#{row[1]}", node): {"~n": times} for node, times in nodes.items()}
    return found

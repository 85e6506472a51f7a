"""The definitions that are deployed in the model, one after another, and what their rows come to, counted by hand."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tailrace import Aggregate, Collection, Pipeline, count, maximum, total
from tailrace import field as by_field
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.plan import Plan, plan_of
from tailrace.backfill.fingerprints.meaning import fingerprint
from tailrace.backfill.generations import GenerationId
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.encoding.sort_keys import encode_sort_key

type Item = dict[str, Any]

_ORDER = {
    "type": "object",
    "required": ["shop"],
    "properties": {"shop": {"type": "string"}, "amount": {"type": "integer"}, "paid": {"type": "boolean"}},
    "additionalProperties": False,
}
_VISIT = {"type": "object", "required": ["page"], "properties": {"page": {"type": "string"}}}


def is_paid(order: Item) -> bool:
    return bool(order.get("paid"))


orders = Collection("orders", schema=_ORDER)
visits = Collection("visits", schema=_VISIT, on_expiry="keep")
MEASURES: Mapping[str, Measure | OrderMeasure] = {
    "orders": count(),
    "revenue": total("amount"),
    "most": maximum("amount"),
}

SHOPS_1 = Aggregate("shops", of=orders, by=[by_field("shop")], measures=MEASURES)
SHOPS_2 = Aggregate("shops", of=orders, by=[by_field("shop")], measures=MEASURES, where=is_paid, version=2)
LARGE_1 = Aggregate("large", of=orders, by=[by_field("paid")], measures={"sum": total("amount")}, lanes=2)
LARGE_X = Aggregate("large", of=orders, by=[by_field("paid")], measures={"sum": total("amount")}, lanes=3)
PAGES_1 = Aggregate("pages", of=visits, by=[by_field("page")], measures={"ms": total("ms")}, listed=False)
PAGES_2 = Aggregate("pages", of=visits, by=[by_field("page")], measures={"ms": total("ms")}, listed=False, version=2)


@dataclass(frozen=True, eq=False)
class Code:
    """One deployment's definition; ``journals`` is False for code from before there were control rows."""

    name: str
    aggregates: Sequence[Aggregate]
    journals: bool = True
    ids: Mapping[GenerationId, Aggregate] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", {(one.name, one.version): one for one in self.aggregates})

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline([orders, visits], self.aggregates)

    @cached_property
    def plan(self) -> Plan:
        return plan_of(self.pipeline)

    @cached_property
    def fingerprints(self) -> Mapping[GenerationId, str]:
        return {name: fingerprint(aggregate) for name, aggregate in self.ids.items()}


CODES = {
    code.name: code
    for code in (
        Code("before", [SHOPS_1, LARGE_1, PAGES_1], journals=False),
        Code("first", [SHOPS_1, LARGE_1, PAGES_1]),
        Code("second", [SHOPS_1, SHOPS_2, LARGE_1, PAGES_1, PAGES_2]),
        Code("lanes", [SHOPS_1, LARGE_X, PAGES_1]),
    )
}
EVALUATORS = {one: Evaluator(one.of, [one]) for one in (SHOPS_1, SHOPS_2, LARGE_1, LARGE_X, PAGES_1, PAGES_2)}

type Rows = dict[tuple[str, str], dict[str, Any]]


def recount(aggregate: Aggregate, items: Iterable[tuple[str, Item]]) -> Rows:
    """Return an aggregate's rows (main, value rows, list of groups; lanes as one), without the engine."""
    rows: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    amounts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    prefix = f"{aggregate.name}@{aggregate.version}"
    for collection, item in items:
        if collection != aggregate.of.name or not _is_valid(collection, item):
            continue
        if aggregate is SHOPS_2 and not item.get("paid"):
            continue
        if aggregate.name == "pages":
            rows[f"{prefix}#{item['page']}", "-"] += Counter({"~n": 1, "ms": item.get("ms", 0)})
        elif aggregate.name == "large" and "paid" in item:
            group = str(item["paid"]).lower()
            rows[f"{prefix}#{group}", "-"] += Counter({"~n": 1, "sum": item.get("amount", 0)})
            rows[f"~groups#{prefix}", group]["~n"] += 1
        elif aggregate.name == "shops":
            key = f"{prefix}#{item['shop']}", "-"
            rows[key] += Counter({"~n": 1, "orders": 1, "revenue": item.get("amount", 0)})
            rows[f"~groups#{prefix}", item["shop"]]["~n"] += 1
            if "amount" in item:
                amounts[key].append(item["amount"])
    found: Rows = {key: dict(row) for key, row in rows.items()}
    for key, values in amounts.items():
        found[key]["most"] = max(values)
        for value, times in Counter(values).items():
            found[f"~most#{key[0]}#{key[1]}", encode_sort_key(value)] = {"~n": times}
    return found


def _is_valid(collection: str, item: Item) -> bool:
    if collection == "visits":
        return isinstance(item.get("page"), str)
    return isinstance(item.get("shop"), str) and isinstance(item.get("amount", 0), int)

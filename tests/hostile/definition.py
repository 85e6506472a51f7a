"""A definition with a measure of every kind, for items of any shape, and a closed one with a transform that raises."""

from typing import Any

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    count_items,
    distinct,
    field,
    first,
    hour,
    last,
    maximum,
    mean,
    minimum,
    quantile,
    top,
    total,
    variance,
)
from tests.pipelines.orders import orders


def is_odd(item: dict[str, Any]) -> bool:
    """Tell whether the number is odd; raises for most other values."""
    return bool(item["n"] % 2)


things = Collection("things", schema={"type": "object"}, id_from="*")

pipeline = Pipeline(
    collections=[things, orders],
    aggregates=[
        Aggregate(
            "kinds",
            of=things,
            by=[field("k"), field("v")],
            measures={
                "items": count(),
                "sum": total("n"),
                "average": mean("n"),
                "spread": variance("n"),
                "least": minimum("v"),
                "most": maximum("n"),
                "different": distinct("v"),
                "median": quantile("n", 0.5, error=0.01),
                "often": top("v", 3),
                "early": first("v", by="t"),
                "late": last("n", by="t"),
            },
        ),
        Aggregate("odd", of=things, by=[field("k")], measures={"n": count(where=is_odd)}, lanes=2),
        Aggregate("elements", of=things, each="v", by=[field("v")], measures={"n": count(), "items": count_items()}),
        Aggregate(
            "entries", of=things, each="n", by=[field("n.key"), field("k")], measures={"sum": total("n.value.n")}
        ),
        Aggregate("hours", of=things, by=[hour("t", tz="Europe/Berlin"), field("k")], measures={"n": count()}),
        Aggregate("shops", of=orders, by=[field("shop")], measures={"n": count(), "sum": total("amount")}),
    ],
    routes=[Route("odd-things", of=things, when=is_odd)],
)

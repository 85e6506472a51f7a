"""A pipeline for query tests: the same orders by hour, in lanes, by day first and by minute, with every measure."""

from tailrace import (
    Aggregate,
    Pipeline,
    count,
    day,
    distinct,
    field,
    first,
    hour,
    largest,
    last,
    maximum,
    mean,
    minimum,
    minute,
    quantile,
    smallest,
    top,
    total,
    variance,
)
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tests.pipelines.orders import orders

BERLIN = "Europe/Berlin"

sums: dict[str, Measure | OrderMeasure] = {
    "orders": count(),
    "lines": total("lines"),
    "amount": mean("amount"),
    "spread": variance("amount"),
}
ends: dict[str, Measure | OrderMeasure] = {
    "least": minimum("amount"),
    "most": maximum("amount"),
    "earliest": first("lines", by="placed", tz=BERLIN),
    "latest": last("lines", by="placed", tz=BERLIN),
    "dearest": largest("amount", 3, show=["lines"]),
    "cheapest": smallest("amount", 2),
    "biggest": last("amount", by_value="lines"),
}
kinds: dict[str, Measure | OrderMeasure] = {
    "kinds": distinct("amount"),
    "median": quantile("amount", 0.5),
    "usual": top("lines", 2),
}

pipeline = Pipeline(
    collections=[orders],
    aggregates=[
        Aggregate("hours", of=orders, by=[field("shop"), hour("placed", tz=BERLIN)], measures=sums | ends),
        Aggregate("lanes", of=orders, by=[field("shop"), hour("placed", tz=BERLIN)], measures=sums, lanes=3),
        Aggregate("lane_days", of=orders, by=[day("placed", tz=BERLIN), field("shop")], measures=sums, lanes=12),
        Aggregate("days", of=orders, by=[day("placed", tz=BERLIN), field("shop")], measures=sums | ends | kinds),
        Aggregate("minutes", of=orders, by=[minute("placed", tz=BERLIN), field("shop")], measures=sums),
        Aggregate(
            "sizes", of=orders, by=[field("shop"), hour("placed", tz=BERLIN), field("lines")], measures={"n": count()}
        ),
        Aggregate("totals", of=orders, by=[field("shop")], measures=sums),
    ],
)

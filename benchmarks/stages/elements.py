"""(l) The fold of orders with lines, counted by line, against one item for each line: CPU time per line."""

import time
from collections.abc import Callable
from random import Random
from statistics import median
from typing import Any

from benchmarks.report import Result, Show
from tailrace import Aggregate, Collection, Pipeline, count, day, field, mean, total
from tailrace.aggregation.fold import fold_records
from tailrace.testing import history

type Item = dict[str, Any]

_LINE = {
    "type": "object",
    "required": ["product", "quantity"],
    "properties": {"product": {"type": "string"}, "quantity": {"type": "integer"}, "price": {"type": "number"}},
}
_LINES_EACH_ROUND, _ROUNDS = 3_000, 7
_SIZES = (1, 3, 30, 300)


def run(show: Show) -> list[Result]:
    """Alternate between both designs; every order changes all its lines."""
    whole, single = _pipeline({"type": "array", "items": _LINE}, "lines"), _pipeline(_LINE, None)
    results: list[Result] = []
    for size in _SIZES:
        orders, lines = _records(size)
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(_ROUNDS):
            show(f"(l) orders of {size} lines: round {number + 1} of {_ROUNDS}")
            times[0].append(_timed(lambda: fold_records(orders, whole)) / len(lines))  # noqa: B023 - called at once
            times[1].append(_timed(lambda: fold_records(lines, single)) / len(lines))  # noqa: B023
        ours, theirs = map(median, times)
        what = f"fold, CPU time per line of an order of {size}"
        results.append(Result("l", what, ours, "µs", theirs, "an item for each line", "at most 1.5 times as much"))
    return results


def _pipeline(lines: Item, each: str | None) -> Pipeline:
    properties = {"placed": {"type": "string"}, "customer": {"type": "string"}, "lines": lines}
    orders = Collection("orders", schema={"type": "object", "required": ["placed"], "properties": properties})
    products = Aggregate(
        "products",
        of=orders,
        each=each,
        by=[field("lines.product"), day("placed")],
        measures={"lines": count(), "units": total("lines.quantity"), "price": mean("lines.price")},
    )
    return Pipeline([orders], [products])


def _records(size: int) -> tuple[list[Item], list[Item]]:
    """Return the changes of orders whose lines all change, and the same changes of one item for each line."""
    random = Random(7)  # noqa: S311 - reproducible on purpose
    orders: list[tuple[str, Item]] = []
    lines: list[tuple[str, Item]] = []
    number = max(1, _LINES_EACH_ROUND // size)
    for place in (*range(number), *range(number)):
        order = {"placed": f"2024-05-{place % 28 + 1:02}T{place % 24:02}:{place % 60:02}:00Z", "customer": f"c{place}"}
        found = [
            {"product": f"p{random.randrange(500)}", "quantity": random.randrange(9), "price": random.randrange(100)}
            for _ in range(size)
        ]
        orders.append((str(place), order | {"lines": found}))
        lines += [(f"{place}-{line}", order | {"lines": element}) for line, element in enumerate(found)]
    return history("orders", orders)[number:], history("orders", lines)[number * size :]


def _timed(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1e6

"""(n) What do quantiles cost, with ten values in a row and with a million?"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from benchmarks.report import Result, Show
from local.in_memory import Database
from tailrace import Aggregate, Collection, Pipeline, count, field, quantile
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.commit import Committer
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.keys import value_rows_key
from tailrace.testing import record

_SIZES = (10, 1_000, 10_000, 100_000, 1_000_000)
_ROUNDS, _BATCH = 5, 1_000
_KEY = ("sensors@1#a", "-")

readings = Collection("readings", schema={"type": "object"})
pipelines = {
    f"p50 and p95{name}": Pipeline(
        [readings],
        [
            Aggregate(
                "sensors",
                of=readings,
                by=[field("sensor")],
                measures={
                    "n": count(),
                    "p50": quantile("x", 0.5, error=error),
                    "p95": quantile("x", 0.95, error=error),
                },
                listed=False,
            )
        ],
    )
    for name, error in (("", None), (" within 1 %", "0.01"))
}


class CountingClient:
    """A table in memory with a row of some values, which counts the rows that queries return and the rows written."""

    def __init__(self, pipeline: Pipeline, values: int) -> None:
        self.database = Database()
        self.database.create("rows", "pk", "sk")
        self.counts: Counter[str] = Counter()
        (aggregate,) = pipeline.aggregates
        for kind in aggregate.value_rows:
            rows = Counter(kind.values.entry({"x": _value(number, values)}) for number in range(values))
            for entry, items in rows.items():
                if entry is None:
                    raise RuntimeError("a value has no row")
                row = {
                    "pk": value_rows_key(_KEY, kind.name),
                    "sk": entry.sort_key,
                    "~n": items,
                    "value": entry.labels[0],
                }
                self.database.put_item(TableName="rows", Item=encode_item(row))
        main = {"pk": _KEY[0], "sk": _KEY[1], "~n": values, "n": values, "~v": 1}
        self.database.put_item(TableName="rows", Item=encode_item(main))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            answer = getattr(self.database, name)(**request)
            if name == "query":
                self.counts["queries"] += 1
                self.counts["read"] += len(answer["Items"])
            elif name in ("update_item", "batch_execute_statement"):
                self.counts["written"] += len(request.get("Statements", [request]))
            return answer

        return call


def run(show: Show) -> list[Result]:
    """Commit batches of readings, each of which replaces another one, and count what they cost."""
    results: list[Result] = []
    for kind, pipeline in pipelines.items():
        for values in _SIZES:
            show(f"(n) {kind} of {values:,} values in a row")
            for what, (cost, unit) in _costs(pipeline, values).items():
                results.append(Result("n", f"{kind}: {what}, {values:,} values in the row", cost, unit))
    return results


def _costs(pipeline: Pipeline, values: int) -> dict[str, tuple[float, str]]:
    client: Any = CountingClient(pipeline, values)
    committer = Committer(client, "rows", lambda: datetime.now(UTC), executor=_one_thread)
    touched = sequence = 0
    (aggregate,) = pipeline.aggregates
    (kind,) = [one for one in aggregate.value_rows if one.measures]
    for number in range(_ROUNDS):
        records = []
        for one in range(_BATCH):
            sequence += 1
            old, new = (_value((number + one * 7_919 + after * values // 3) % values, values) for after in (0, 1))
            before, after = ({"sensor": "a", "x": x} for x in (old, new))
            records.append(record(sequence, "readings", (str(one), before, after)))
        rows = fold_records(records, pipeline).rows
        touched += sum(value.layout is kind.layout for row in rows for value in row.value_changes.values())
        if committer.commit(rows, Lineage("~mark")):
            raise RuntimeError("some rows were not written")
    return {
        "rows read per batch": (client.counts["read"] / _ROUNDS, "rows"),
        "queries per batch": (client.counts["queries"] / _ROUNDS, "queries"),
        "writes per touched value": (client.counts["written"] / touched, "rows"),
    }


def _value(number: int, values: int) -> Decimal:
    """Return one of the values: their quantiles are a quarter into the nodes that hold them, not at the ends of these.

    Reading begins at the nearer end, so that is as far as it gets on average.
    """
    return Decimal(number + values * 2_525 // 100_000) / 100


def _one_thread(_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)

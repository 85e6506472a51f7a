"""(v) What does counting different values cost, with ten values in a row and with a million?"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from benchmarks.report import Result, Show
from local.in_memory import Database
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.commit import Committer
from tailrace.encoding.keys import value_rows_key
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.testing import record

_SIZES = (10, 10_000, 1_000_000)
_ROUNDS, _BATCH = 20, 1_000
_KEY = ("shops@1#a", "-")
_UNITS = {"update_item": 1, "batch_execute_statement": 1, "transact_write_items": 2}

orders = Collection("orders", schema={"type": "object"})
pipeline = Pipeline(
    [orders],
    [
        Aggregate(
            "shops",
            of=orders,
            by=[field("shop")],
            measures={"orders": count(), "customers": distinct("customer")},
            listed=False,
        )
    ],
)


class CountingClient:
    """A table in memory that counts the rows that each operation writes, and the value rows that it reads."""

    def __init__(self, values: int) -> None:
        self.database = Database()
        self.database.create("rows", "pk", "sk")
        self.rows: Counter[str] = Counter()
        one = {"N": "1"}
        pk = {"S": value_rows_key(_KEY, "customers")}
        for number in range(values):
            row = {"pk": pk, "sk": {"S": encode_sort_key(number)}, "value": {"N": str(number)}, "~n": one, "~c": one}
            self.database.put_item(TableName="rows", Item=row)
        many = {"N": str(values)}
        row = {"pk": {"S": _KEY[0]}, "sk": {"S": _KEY[1]}, "~n": many, "orders": many, "customers": many, "~v": one}
        self.database.put_item(TableName="rows", Item=row)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            parts = request.get("RequestItems", {}).values()
            read = [key for part in parts for key in part["Keys"] if key["pk"]["S"] != _KEY[0]]
            written = request.get("TransactItems") or request.get("Statements") or [request]
            self.rows[name] += len(read if parts else written)
            return getattr(self.database, name)(**request)

        return call


def run(show: Show) -> list[Result]:
    """Commit batches of values, half of them new, a quarter known and a quarter gone, and count what they cost."""
    results: list[Result] = []
    for values in _SIZES:
        show(f"(v) {values:,} values in a row")
        for what, (cost, unit, target) in _costs(values).items():
            title = f"{what}, {values:,} values in the row"
            results.append(Result("v", title, cost, unit, target=target))
    return results


def _costs(values: int) -> dict[str, tuple[float, str, str]]:
    client: Any = CountingClient(values)
    committer = Committer(client, "rows", lambda: datetime.now(UTC), use_partiql=True, executor=_one_thread)
    touched, sequence, spent = 0, 0, 0.0
    for number in range(_ROUNDS):
        share = min(values, _BATCH // 4)
        new = [(None, f"{number} {one}") for one in range(2 * share)]
        known = [(None, one) for one in range(share)]
        gone = [(f"{number - 1} {one}", None) for one in range(share)] if number else []
        changes: list[tuple[Any, Any]] = [*new, *known, *gone]
        records = []
        for old, customer in changes:
            sequence += 1
            before, after = (None if one is None else {"shop": "a", "customer": one} for one in (old, customer))
            records.append(record(sequence, "orders", ("1", before, after)))
        rows = fold_records(records, pipeline).rows
        touched += sum(len(row.value_changes) for row in rows)
        begin = time.process_time()
        if committer.commit(rows, Lineage("~mark")):
            raise RuntimeError("some rows were not written")
        spent += time.process_time() - begin
    if {"query", "scan"} & client.rows.keys():
        raise RuntimeError("value rows were searched")
    writes = sum(client.rows[name] for name in _UNITS)
    reads = client.rows["batch_get_item"] + client.rows["get_item"]
    return {
        "writes per touched value": (writes / touched, "rows", "≤ 2"),
        "reads per touched value": (reads / touched, "rows", "≤ 1"),
        "write units per touched value": (
            sum(client.rows[name] * unit for name, unit in _UNITS.items()) / touched,
            "units",
            "",
        ),
        "processor time per touched value, table in memory included": (spent / touched * 1e6, "µs", ""),
    }


def _one_thread(_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)

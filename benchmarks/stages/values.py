"""(v) What do counting different values and ranking them cost, with ten values in a row and with a million?"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from benchmarks.report import Result, Show
from local.in_memory import Database
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, top
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.values.frequent_values import MAX_RESERVE_BYTES, FrequentValues
from tailrace.aws.aggregates.commit import Committer
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.keys import value_rows_key
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.testing import record

_SIZES = (10, 10_000, 1_000_000)
_ROUNDS, _BATCH = 20, 1_000
_KEY = ("shops@1#a", "-")
_UNITS = {"update_item": 1, "batch_execute_statement": 1, "transact_write_items": 2}

orders = Collection("orders", schema={"type": "object"})
_MEASURES = {"distinct": distinct("customer"), "top": top("customer", 10)}
pipelines = {
    kind: Pipeline(
        [orders],
        [
            Aggregate(
                "shops",
                of=orders,
                by=[field("shop")],
                measures={"orders": count(), "customers": measure},
                listed=False,
            )
        ],
    )
    for kind, measure in _MEASURES.items()
}


class CountingClient:
    """A table in memory that counts the rows that each operation writes, and the value rows that it reads."""

    def __init__(self, kind: str, values: int) -> None:
        self.database = Database()
        self.database.create("rows", "pk", "sk")
        self.rows: Counter[str] = Counter()
        one = {"N": "1"}
        pk = {"S": value_rows_key(_KEY, "customers")}
        for number in range(values):
            row = {"pk": pk, "sk": {"S": encode_sort_key(number)}, "value": {"N": str(number)}, "~n": one, "~c": one}
            self.database.put_item(TableName="rows", Item=row)
        main: dict[str, Any] = {"pk": _KEY[0], "sk": _KEY[1], "~n": values, "orders": values, "~v": 1}
        if kind == "distinct":
            main["customers"] = values
        else:
            shown = _MEASURES[kind].most
            found = FrequentValues.of((ValueCount((number,), 1) for number in range(values)), shown)
            main["customers"] = [{"value": value, "count": 1} for _, _, value in found.candidates[:shown]]
            kept = found.stored(shown, MAX_RESERVE_BYTES)
            main |= {"~r": {"customers": kept and kept[1]}, "~w": 1}
        self.database.put_item(TableName="rows", Item=encode_item(main))

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
    for kind in pipelines:
        for values in _SIZES:
            show(f"(v) {kind} of {values:,} values in a row")
            for what, (cost, unit, target) in _costs(kind, values).items():
                title = f"{kind}: {what}, {values:,} values in the row"
                results.append(Result("v", title, cost, unit, target=target))
    return results


def _costs(kind: str, values: int) -> dict[str, tuple[float, str, str]]:
    client: Any = CountingClient(kind, values)
    committer = Committer(client, "rows", lambda: datetime.now(UTC), executor=_one_thread)
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
        rows = fold_records(records, pipelines[kind]).rows
        touched += sum(len(row.value_changes) for row in rows)
        begin = time.process_time()
        if committer.commit(rows, Lineage("~mark")):
            raise RuntimeError("some rows were not written")
        spent += time.process_time() - begin
    if {"query", "scan"} & client.rows.keys():
        raise RuntimeError("value rows were searched")
    if client.rows["batch_get_item"] == 0:
        raise RuntimeError("no value row was read")
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
        "CPU time per touched value, table in memory included": (spent / touched * 1e6, "µs", ""),
    }


def _one_thread(_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)

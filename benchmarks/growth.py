"""(e) Does the cost per change grow with ten times as many changes, rows or shards?"""

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.changes import event, forget_absorbed, records
from benchmarks.handlers import control
from benchmarks.report import Result, Show
from benchmarks.stage import TABLE, NoStreams, stage
from tailrace.encoding.json_types import Json

_BATCH = 300
_ROUNDS = 31


class NullClient(NoStreams):
    """A client that returns immediately, so that only the stage's own work is measured."""

    def __init__(self) -> None:
        self._control = json.loads(control(TABLE))

    def batch_get_item(self, **_request: Any) -> Json:
        """Return the control rows: every generation is live."""
        found: Json = self._control
        return found

    def query(self, **_request: Any) -> Json:
        """Return no rows."""
        return {"Items": []}

    def __getattr__(self, _operation: str) -> Callable[..., Json]:
        return self._answer

    @staticmethod
    def _answer(**request: Any) -> Json:
        return {"Responses": [{}] * len(request.get("Statements", ()))}


def run(show: Show) -> list[Result]:
    """Measure the stage on a stream, alternating with one that has ten times as much of one dimension."""
    cases = {
        "changes": (batches(10, 1, 1), batches(100, 1, 1)),
        "keys": (batches(20, 10, 1), batches(20, 100, 1)),
        "shards": (batches(20, 1, 1), batches(20, 1, 10)),
    }
    results = []
    for name, (little, much) in cases.items():
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(_ROUNDS):
            show(f"(e) ten times the {name}: {number + 1} of {_ROUNDS}")
            for texts, found in zip((little, much), times, strict=True):
                found.append(per_change(texts))
        once, tenfold = median(times[0]), median(times[1])
        title = f"CPU time per change at ten times the {name}"
        results.append(Result("e", title, tenfold, "µs", once, "a tenth of them", "within 10 %"))
    return results


def per_change(texts: list[str]) -> float:
    """Return the microseconds of CPU time per change, once the rows of the first half are known."""
    client: Any = NullClient()
    aggregate = stage(client)
    for text in texts[: len(texts) // 2]:
        aggregate(json.loads(text))
    forget_absorbed(aggregate.committer)
    spent, changes = 0.0, 0
    for text in texts:
        batch = json.loads(text)
        begin = time.process_time()
        answer = aggregate(batch)
        spent += time.process_time() - begin
        if answer["batchItemFailures"]:
            raise AssertionError("a batch was not absorbed")
        changes += len(batch["Records"])
    return spent / changes * 1e6


def batches(number: int, towns: int, shards: int) -> list[str]:
    """Return equally large events that touch equally many rows; the total number of rows grows with ``towns``.

    Each batch belongs to one town, as if every town had New York's flights.
    """
    all_records = [record for record in records() if "status" in record["dynamodb"]["NewImage"]]
    found = []
    for turn in range(number):
        start = 5_000 + turn % 10 * _BATCH  # the same changes repeat, whatever their number
        batch = [_relocated(record, turn % towns) for record in all_records[start : start + _BATCH]]
        named = json.loads(event(batch)) | {"shardId": f"shardId-{turn % shards:020d}-00000000"}
        found.append(json.dumps(named))
    return found


def _relocated(record: Json, town: int) -> Json:
    """Move a change to another town: other airports, airlines and routes."""
    moved: Json = json.loads(json.dumps(record))
    for image in ("OldImage", "NewImage"):
        for name in ("origin", "carrier"):
            field = moved["dynamodb"].get(image, {}).get(name, {})
            if "S" in field:
                field["S"] = field["S"][:1] + f"{town:02d}"[-2:][: len(field["S"]) - 1]
    return moved

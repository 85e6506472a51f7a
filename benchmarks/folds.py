"""(b) The fold of event dicts, with retraction, against bytewax, DuckDB and Polars on the same group-by.

All engines get the same Python objects on one thread, batch by batch, parsed just before as by Lambda's runtime, and
return the rows that each batch touches (bytewax, which has no batches, the rows of all). Only Tailrace validates and
transforms both images of each change, so it is also measured with a schema that accepts everything and no transform.
"""

import gc
import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from operator import add
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.changes import event, records, reset_caches
from benchmarks.report import Result, Show
from benchmarks.rows import COLUMNS, rows
from local.deployment.emulator import ROOT
from pipeline.definition import NEW_YORK, pipeline
from tailrace import Aggregate, Collection, Pipeline, count, day, field, hour, month, total
from tailrace.aggregation.counted_images import CountedImages
from tailrace.aggregation.fold import fold_records

type Records = list[dict[str, Any]]
type Columns = dict[str, list[Any]]
type Engine = Callable[[Records], int]

_ROUNDS = 5
_SIZES = (100, 1_000)
_AT_ONCE = "Polars, all batches at once,"
_BYTEWAX = ROOT / ".tools/bytewax/bin/python"


def _has_departed(item: dict[str, Any]) -> bool:
    return item["status"] in {"departed", "landed"}


def _is_cancelled(item: dict[str, Any]) -> bool:
    return bool(item["status"] == "cancelled")


_raw = Collection("flights", schema={"type": "object"})
_MEASURES = {
    "flights": count(),
    "departures": count(where=_has_departed),
    "cancellations": count(where=_is_cancelled),
    "delay": total("dep_delay", where=_has_departed),
}
_WHEN = "scheduled_departure"
_plain_value = Pipeline(
    [_raw],
    [
        Aggregate("carrier_hours", of=_raw, by=[field("carrier"), hour(_WHEN, tz=NEW_YORK)], measures=_MEASURES),
        Aggregate("origin_days", of=_raw, by=[field("origin"), day(_WHEN, tz=NEW_YORK)], measures=_MEASURES),
        Aggregate("route_months", of=_raw, by=[field("dest"), month(_WHEN, tz=NEW_YORK)], measures=_MEASURES),
    ],
)


def _tailrace(definition: Pipeline, images: Mapping[Pipeline, CountedImages]) -> Engine:
    def engine(records: Records) -> int:
        folded = fold_records(records, definition, images=images[definition])
        # the deltas that would be written
        return len([(row.key, row.deltas()) for row in (*folded.rows, *folded.group_list_changes)])

    return engine


def _columns(records: Records) -> Columns:
    found = zip(*[row for record in records for row in rows(record)], strict=True)
    return {name: list(values) for name, values in zip(COLUMNS, found, strict=True)}


def _polars(columns: Columns) -> int:
    import polars as pl  # noqa: PLC0415 - installed for benchmarks only

    return len(pl.DataFrame(columns).group_by("aggregate", "first", "second").sum().rows())


def _duckdb() -> Callable[[Columns], int]:
    import duckdb  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    connection = duckdb.connect(config={"threads": 1})
    sums = ", ".join(f"sum({name})" for name in COLUMNS[3:])
    query = f"SELECT aggregate, first, second, {sums} FROM changes GROUP BY ALL"  # noqa: S608 - our own names

    def engine(columns: Columns) -> int:
        connection.register("changes", pa.table(columns))
        return len(connection.execute(query).fetchall())

    return engine


def _python(records: Records) -> int:
    """Sum in a dict, as hand-written code would."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for record in records:
        for aggregate, first, second, *numbers in rows(record):
            key = aggregate, first, second
            found = sums.get(key)
            sums[key] = numbers if found is None else list(map(add, found, numbers))
    return len(sums)


def run(show: Show) -> list[Result]:
    """Run the engines in turn for a few rounds; return changes per second and core."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    texts_of = {size: _whole_events(size) for size in _SIZES}
    # keep the benchmark's own data out of garbage collections
    gc.collect()
    gc.freeze()
    duckdb = _duckdb()
    images: dict[Pipeline, CountedImages] = {}
    engines: dict[str, Engine] = {
        "fold": _tailrace(_plain_value, images),
        "validated": _tailrace(pipeline, images),
        "Polars": lambda records: _polars(_columns(records)),
        "DuckDB": lambda records: duckdb(_columns(records)),
        "a dict by hand": _python,
    }
    results: list[Result] = []
    for size, texts in texts_of.items():
        times: dict[str, list[float]] = defaultdict(list)
        for number in range(_ROUNDS):
            for name, engine in engines.items():
                show(f"(b) {name}: round {number + 1} of {_ROUNDS}, batches of {size:,}")
                for definition in (_plain_value, pipeline):
                    images[definition] = reset_caches(definition, [])
                times[name].append(_timed(texts, engine))
            show(f"(b) Polars at once: round {number + 1} of {_ROUNDS}")
            times[_AT_ONCE].append(_at_once(texts))
        show("(b) bytewax")
        times["bytewax"] += _bytewax(texts)
        results += _results(size, {name: median(found) for name, found in times.items() if found})
    return results


def _whole_events(size: int) -> list[str]:
    whole = [record for record in records() if _is_whole(record)]
    return [event(whole[start : start + size]) for start in range(0, len(whole), size)]


def _timed(texts: list[str], engine: Engine) -> float:
    """Return microseconds of CPU time per change, without parsing the batch."""
    seconds, changes = 0.0, 0
    for text in texts:
        batch = json.loads(text)["Records"]
        begin = time.process_time()
        engine(batch)
        seconds += time.process_time() - begin
        changes += len(batch)
    return seconds / changes * 1e6


def _at_once(texts: list[str]) -> float:
    """Collect all batches, then group them once with Polars."""
    gathered: Columns = {name: [] for name in COLUMNS}

    def gather(batch: Records) -> int:
        for name, values in _columns(batch).items():
            gathered[name] += values
        return 0

    gathering = _timed(texts, gather)
    begin = time.process_time()
    _polars(gathered)
    changes = sum(text.count('"eventID"') for text in texts)
    return gathering + (time.process_time() - begin) / changes * 1e6


def _results(size: int, cost: dict[str, float]) -> list[Result]:
    best = min(set(cost) - {"fold", "validated", _AT_ONCE}, key=lambda name: cost[name])
    target = "250,000, and twice the best"
    batches = f"batches of {size:,}"
    return [
        Result("b", f"fold alone, changes per second and core, {batches}", 1e6 / cost["fold"], "/s", target=target),
        Result("b", f"decoded, validated, transformed and folded, {batches}", 1e6 / cost["validated"], "/s"),
        *(
            Result("b", f"{name} on the same group-by, {batches}", 1e6 / cost[name], "/s")
            for name in cost
            if name not in {"fold", "validated"}
        ),
        Result("b", f"fold alone, time against {best}, {batches}", cost["fold"], "µs", cost[best], best),
    ]


def _is_whole(record: dict[str, Any]) -> bool:
    """Tell whether a record is valid: the other engines cannot handle the few broken items."""
    images = [record["dynamodb"].get("OldImage"), record["dynamodb"]["NewImage"]]
    return all(image is None or _fits(image) for image in images)


def _fits(image: dict[str, Any]) -> bool:
    try:
        list(rows({"dynamodb": {"NewImage": image}}))
    except (KeyError, ValueError):
        return False
    return True


def _bytewax(texts: list[str]) -> list[float]:
    if not _BYTEWAX.exists():
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("\n".join(texts))
        file.flush()
        script = Path(__file__).parent / "peers" / "in_bytewax.py"
        command = [str(_BYTEWAX), str(script), file.name, str(_ROUNDS)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
    return [float(line.split()[0]) for line in printed.stdout.splitlines()]

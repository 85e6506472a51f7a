"""(b) The fold from the events' dicts, with retraction, beside bytewax, DuckDB and Polars on the same group-by.

All get the same Python objects, as Lambda's runtime would hand them over, run on one thread, and must come to the same
rows. The product's whole way validates and transforms both images of each change, which the others do not; so it is
measured a second time on a definition with a schema that takes everything and no transform.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.changes import events
from benchmarks.report import Result, Show
from benchmarks.rows import COLUMNS, rows
from local.emulator import ROOT
from pipeline.definition import NEW_YORK, pipeline
from tailrace import Aggregate, Collection, Pipeline, count, day, field, hour, month, total
from tailrace.changes import decode_batch
from tailrace.effects import effect_of
from tailrace.fold import fold

type Records = list[dict[str, Any]]
type Engine = Callable[[Records], int]

_ROUNDS = 5
_BATCH = 1_000
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
_plain = Pipeline(
    [_raw],
    [
        Aggregate("carrier_hours", of=_raw, by=[field("carrier"), hour(_WHEN, tz=NEW_YORK)], measures=_MEASURES),
        Aggregate("origin_days", of=_raw, by=[field("origin"), day(_WHEN, tz=NEW_YORK)], measures=_MEASURES),
        Aggregate("route_months", of=_raw, by=[field("dest"), month(_WHEN, tz=NEW_YORK)], measures=_MEASURES),
    ],
)


def _tailrace(definition: Pipeline) -> Engine:
    def engine(records: Records) -> int:
        keys: set[Any] = set()
        for start in range(0, len(records), _BATCH):
            batch = decode_batch({"Records": records[start : start + _BATCH]})
            folded = fold(effect_of(change, definition) for change in batch.changes)
            # what is written of each row
            keys.update((row.key, row.deltas())[0] for row in folded.rows)
        return len(keys)

    return engine


def _columns(records: Records) -> dict[str, tuple[Any, ...]]:
    found = zip(*(row for record in records for row in rows(record)), strict=True)
    return dict(zip(COLUMNS, found, strict=True))


def _polars(records: Records) -> int:
    import polars as pl  # noqa: PLC0415 - of the environment of benchmarks only

    rows_found: int = pl.DataFrame(_columns(records)).group_by("aggregate", "first", "second").sum().height
    return rows_found


def _duckdb(records: Records) -> int:
    import duckdb  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    table = pa.table({name: list(values) for name, values in _columns(records).items()})
    sums = ", ".join(f"sum({name})" for name in COLUMNS[3:])
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("changes", table)
        query = f"SELECT aggregate, first, second, {sums} FROM changes GROUP BY ALL"  # noqa: S608 - names of ours
        return len(connection.execute(query).fetchall())


def run(show: Show) -> list[Result]:
    """Run every engine some times, in turn; return changes a second and core."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    engines: dict[str, Engine] = {
        "validated": _tailrace(pipeline),
        "fold": _tailrace(_plain),
        "Polars": _polars,
        "DuckDB": _duckdb,
    }
    texts = events(_BATCH, 1_000)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    found: dict[str, int] = {}
    changes = 0
    for number in range(_ROUNDS):
        for name, engine in engines.items():
            show(f"(b) {name}: round {number + 1} of {_ROUNDS}")
            records = [record for text in texts for record in json.loads(text)["Records"] if _is_whole(record)]
            changes = len(records)
            begin = time.process_time()
            found[name] = engine(records)
            seconds[name].append(time.process_time() - begin)
    show("(b) bytewax")
    seconds["bytewax"] = _bytewax(texts)
    rates = {name: changes / median(times) for name, times in seconds.items() if times}
    peers = {name: rate for name, rate in rates.items() if name not in {"validated", "fold"}}
    best = max(peers, key=lambda name: peers[name])
    target = "250,000, and twice the best"
    return [
        Result("b", "fold alone, changes a second and core", rates["fold"], "/s", None, target=target),
        Result("b", "decoded, validated, transformed and folded", rates["validated"], "/s"),
        *(Result("b", f"{name} on the same group-by", rate, "/s") for name, rate in peers.items()),
        Result("b", f"fold alone, time beside {best}", 1e6 / rates["fold"], "µs", 1e6 / peers[best], best),
    ]


def _is_whole(record: dict[str, Any]) -> bool:
    """Leave out the week's few broken items: the others have no place for them."""
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
        for text in texts:
            event = json.loads(text)
            event["Records"] = [record for record in event["Records"] if _is_whole(record)]
            file.write(json.dumps(event) + "\n")
        file.flush()
        script = Path(__file__).parent / "in_bytewax.py"
        command = [str(_BYTEWAX), str(script), file.name, str(_ROUNDS)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
    return [float(line.split()[0]) for line in printed.stdout.splitlines()]

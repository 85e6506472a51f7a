"""The demo without AWS: the feed produces a stream, from which the engine's pure core makes rows and an archive."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from local.demo.flights import COLUMNS, read_flights
from local.demo.recompute import Row, RowKey
from local.demo.timeline import Timetable, timeline
from local.deployment.emulator import ROOT
from pipeline.definition import pipeline
from tailrace.inputs.changes import Change
from tailrace.inputs.effects import Effect, derive_effect
from tailrace.testing import fold

SAMPLE_FILE = ROOT / "local/demo/data/flights-2013-01-01-07.csv.gz"
HEADER = ",".join(COLUMNS)
ROW = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"


def stream(path: Path) -> list[Change]:
    """Apply the feed of a file to an in-memory table and return its stream."""
    state: dict[str, dict[str, Any]] = {}
    records: list[Change] = []
    for event in timeline(read_flights(path).flights):
        puts = event.items if isinstance(event, Timetable) else [(event.id, event.item)]
        for item_id, item in puts:
            number = len(records) + 1
            old = state.get(item_id)
            records.append(Change(str(number), "", None, number, "", "flights", item_id, old, item, expired=False))
            state[item_id] = item
    return records


def effects_of(path: Path) -> list[Effect]:
    """Return the effect of each change of a file's feed on the pipeline."""
    return [derive_effect(change, pipeline) for change in stream(path)]


def folded(effects: list[Effect], batch: int) -> dict[RowKey, Row]:
    """Fold a stream in batches and sum the results."""
    rows: dict[RowKey, Row] = {}
    for start in range(0, len(effects), batch):
        for change in fold(effects[start : start + batch], pipeline).rows:
            groups = dict(zip(("pk", "sk", *change.layout.labels), (*change.key, *change.labels), strict=True))
            row = rows.setdefault(change.key, groups)
            for name, delta in zip(change.layout.counters, change.deltas(), strict=True):
                row[name] = row.get(name, 0) + delta
    return rows


def archive_lines(effects: list[Effect]) -> list[str]:
    """Return the archive's events, one per line."""
    lines = []
    for effect in effects:
        if effect.kind is not None:
            data = {"old": effect.old, "new": effect.new}
            kind = f"tailrace.flights.{effect.kind}"
            lines.append(
                json.dumps({"id": effect.change.event_id, "subject": effect.change.id, "type": kind, "data": data})
            )
    return lines


def archive_objects(lines: list[str]) -> dict[str, bytes]:
    """Distribute the lines over three objects; return their bodies by key."""
    parts: list[list[str]] = [[], [], []]
    for line in lines:
        parts[zlib.crc32(line.encode()) % len(parts)].append(line)
    folder = "archive/flights/date=2013-01-01/hour=05"
    return {f"{folder}/{number}.jsonl.gz": gzip.compress("\n".join(part).encode()) for number, part in enumerate(parts)}


def write_archive(lines: list[str], folder: Path) -> None:
    """Write the objects to a folder, with their keys as paths."""
    for key, body in archive_objects(lines).items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

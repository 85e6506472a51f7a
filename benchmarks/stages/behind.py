"""(w) Write units with write-behind in one busy shard, and the CPU time that carrying takes.

Three times the week's flights, under the same airlines, airports and days, come in batches of almost 6 MB. A window of
a minute holds as many batches as arrive in it; they are written when it ends.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched

from benchmarks.changes import event, records
from benchmarks.report import Result, Show
from benchmarks.stage import CountingClient, stage
from cli.plan.sources import read_prices
from tailrace.encoding.json_types import Json

_FLEETS = 3
_BATCH = 4_700
_WINDOW_S = 60
_RATES = (305, 914)
"""Changes a second: a third of the changes in a minute, and all of them."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Write units and CPU time per change, and the bytes of the largest state."""

    units: float
    cpu_us: float
    state_bytes: int


def run(show: Show) -> list[Result]:
    """Play the changes with every batch written, and with windows of a minute at several rates."""
    show("(w) every batch is written")
    batches = [json.loads(event([json.loads(one) for one in part])) for part in batched(_texts(), _BATCH, strict=False)]
    plain = _played(batches, len(batches), 0)
    price = read_prices().dollars["dynamodb_write_unit"] * 1e6
    title = f"write units per 1,000 changes, every batch of {_BATCH:,} written"
    results = [Result("w", title, plain.units * 1000, "")]
    for rate in _RATES:
        show(f"(w) a minute at {rate} changes a second")
        carried = _played(batches, round(rate * _WINDOW_S / _BATCH), _WINDOW_S)
        where = f"a window of {_WINDOW_S} s at {rate} changes a second"
        for what, unit, value, other in (
            ("write units per 1,000 changes", "", carried.units * 1000, plain.units * 1000),
            ("dollars per million changes, rows", "$", carried.units * price, plain.units * price),
            ("CPU time per change", "µs", carried.cpu_us, plain.cpu_us),
        ):
            results.append(Result("w", f"{what}, {where}", value, unit, other, "every batch written"))
        results.append(Result("w", f"largest state, {where}", carried.state_bytes / 1024, "KB"))
    return results


def _texts() -> Iterator[str]:
    """Yield the changes of all fleets in turn, as JSON, each with its own number and item."""
    count = 0
    for record in records():
        text, key, sequence = json.dumps(record), record["dynamodb"]["Keys"]["pk"]["S"], _number(record)
        for fleet in range(_FLEETS):
            own = text.replace(key, f"{key}-{fleet}").replace(str(sequence), str(_number(records()[0]) + 7 * count))
            yield own
            count += 1


def _number(record: Json) -> int:
    return int(record["dynamodb"]["SequenceNumber"])


def _played(batches: list[dict[str, object]], in_window: int, write_behind_s: int) -> _Run:
    """Deliver all batches, that many in each window; the first one of a shard is written at once, and not counted."""
    client = CountingClient()
    aggregate = stage(client, write_behind_s=write_behind_s)
    aggregate(batches[0])
    client.counts.clear()
    changes, spent, largest = 0, 0.0, 0
    for window in batched(batches[1:], in_window, strict=False):
        state: object = {}
        final = {**window[-1], "Records": [], "isFinalInvokeForWindow": True}
        for batch in (*window, final):
            begin = time.process_time()
            state = aggregate({**batch, "state": state})["state"]
            spent += time.process_time() - begin
            largest = max(largest, len(json.dumps(state)))
            found = batch["Records"]
            changes += len(found) if isinstance(found, list) else 0
    return _Run(client.counts["units"] / changes, spent / changes * 1e6, largest)

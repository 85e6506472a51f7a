"""(c) Writes and write units per row that a batch touches, and what redelivery adds."""

import json

from benchmarks.changes import events, records
from benchmarks.report import Result, Show
from benchmarks.stage import CountingClient, stage
from pipeline.definition import pipeline
from tailrace.aggregation.fold import fold_records

_SIZES = (100, 1_000, 4_000)


def run(show: Show) -> list[Result]:
    """Run the week through the stage in batches of several sizes, then with every batch delivered to two processes."""
    # one write per image and aggregate
    images = sum(("OldImage" in one["dynamodb"]) + 1 for one in records())
    by_hand = 1000.0 * len(pipeline.aggregates) * images / len(records())
    results = []
    for size in _SIZES:
        show(f"(c) batches of {size:,}")
        client, touched, listed, changes = _absorbed(size, deliveries=1)
        per_row = client.counts["writes"] / touched
        results += [
            Result("c", f"writes per touched row, batches of {size:,}", per_row, "", target="1.05"),
            Result("c", f"rows touched per 1,000 changes, batches of {size:,}", touched / changes * 1000, ""),
            Result("c", f"of these, rows of group lists, batches of {size:,}", listed / changes * 1000, ""),
            Result("c", f"write units per 1,000 changes, batches of {size:,}", _units(client, changes), "", by_hand),
        ]
    show("(c) every batch twice")
    client, touched, _, _ = _absorbed(1_000, deliveries=2)
    title = "writes per touched row, batches of 1,000 delivered twice"
    return [*results, Result("c", title, client.counts["writes"] / touched, "")]


def _units(client: CountingClient, changes: int) -> float:
    return client.counts["units"] / changes * 1000


def _absorbed(size: int, deliveries: int) -> tuple[CountingClient, int, int, int]:
    """Return the counting client, touched rows summed over batches, those in group lists, and the changes."""
    client = CountingClient()
    processes = [stage(client) for _ in range(deliveries)]  # one would not write a row again
    touched = listed = changes = 0
    for text in events(size, 1_000):
        event = json.loads(text)
        for aggregate in processes:
            aggregate(event)
        folded = fold_records(event["Records"], pipeline)
        touched += len(folded.rows) + len(folded.group_list_changes)
        listed += len(folded.group_list_changes)
        changes += len(event["Records"])
    return client, touched, listed, changes

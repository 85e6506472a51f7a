"""Verifications while flights are fed: none raises a false alarm, and a row spoiled by one is found and repaired."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from local.deployment import deploy
from tests.rebuilds.rounds import Feeding, Running, tailrace
from tests.stack.checkout import Checkout, checked_out

_COUNTED = re.compile(r"([\d,]+) rows? compared, ([\d,]+) differed, ([\d,]+) repaired")

type Counts = tuple[int, int, int]
"""Rows that were compared, differed, and were repaired."""


@contextmanager
def fed_stack(shards: int) -> Iterator[tuple[Checkout, "Passes"]]:
    """Run a stack into which a day of flights is fed again and again."""
    with TemporaryDirectory(prefix="tailrace-verifications-") as folder, checked_out(Path(folder)) as checkout:
        checkout.start("--port", str(checkout.port), "--shards", str(shards))
        passes = Passes(checkout)
        passes.start()
        try:
            yield checkout, passes
        finally:
            passes.over.set()
            passes.join()


class Passes(threading.Thread):
    """Feeds a day until `over` is set: flights are scheduled, depart and land again."""

    def __init__(self, checkout: Checkout) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.changes = 0
        self.problem = ""
        self._checkout = checkout

    def run(self) -> None:
        """Feed."""
        while not self.over.is_set() and not self.problem:
            feeding = Feeding(Running(self._checkout.about), 1)
            feeding.run()
            self.changes += feeding.changes
            self.problem = feeding.problem


def verify(checkout: Checkout, *options: str) -> Counts:
    """Verify all aggregates. Fails with what the command prints if that does not say what was compared."""
    _, printed = tailrace(checkout, "verify", *options)
    found = _COUNTED.search(printed)
    assert found is not None, printed
    compared, differed, repaired = (int(number.replace(",", "")) for number in found.groups())
    return compared, differed, repaired


def spoil(checkout: Checkout, rng: Random) -> str:
    """Add one to a counter of a random row, past the engine; return the row's key."""
    dynamodb, table = (
        deploy.client("dynamodb", checkout.about["endpoint"]),
        checkout.about["outputs"]["AggregatesTable"],
    )
    rows = [row for row in dynamodb.scan(TableName=table)["Items"] if not row["pk"]["S"].startswith("~")]
    row = rng.choice(rows)
    dynamodb.update_item(
        TableName=table,
        Key={name: row[name] for name in ("pk", "sk")},
        UpdateExpression="ADD departures :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    return f"{row['pk']['S']} {row['sk']['S']}"

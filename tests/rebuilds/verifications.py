"""Verify a running stack again and again while flights are fed; then spoil a row, and let the verification repair it.

The stack is `make stack` in a copy of the repository. The flights are fed as fast as it takes them; when the last day
is over, they depart and land again, so items change until the end.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from local.demo.feed import COLLECTION
from local.demo.timeline import Item, changes
from local.demo.writers import StackWriter
from local.deployment import deploy
from tailrace.encoding.dynamodb import decode_item, encode_item
from tests.rebuilds.rounds import Feeding, Running, flights_of, tailrace
from tests.stack.checkout import Checkout, checked_out

EQUAL, DIFFERENT = 0, 3
"""Exit statuses of ``tailrace verify``."""
_BATCH_ITEMS = 25
_WARM_UP_CHANGES = 1_000
_SPOILED = "carrier_hours@1#"


@dataclass(slots=True)
class Verified:
    """How many verifications found every row right, how many changes were fed meanwhile, and what was wrong."""

    verifications: int = 0
    changes: int = 0
    took_s: float = 0.0
    violations: list[str] = field(default_factory=list)


class Feed(threading.Thread):
    """Feeds some days through every entrance, and then their items into the table again and again."""

    def __init__(self, stack: Running, days: int) -> None:
        super().__init__(daemon=True)
        self.problem = ""
        self._writer = StackWriter(stack)  # type: ignore[arg-type]
        self._days = days
        self._first = Feeding(stack, days)
        self._again = 0
        self._over = threading.Event()

    @property
    def changes(self) -> int:
        """How many changes were fed so far."""
        return self._first.changes + self._again

    def run(self) -> None:
        """Feed until :meth:`stop`."""
        self._first.run()
        self.problem = self._first.problem
        while not self._over.is_set() and not self.problem:
            try:
                self._feed_again()
            except Exception as error:  # noqa: BLE001 - told with the verifications
                self.problem = f"the feed ended early: {type(error).__name__}: {error}"

    def stop(self) -> None:
        """End the feed."""
        self._over.set()
        self.join()

    def _feed_again(self) -> None:
        flights = flights_of(self._days)
        items: dict[str, Item] = {}
        for flight, item in ((change.id, change.item) for one in flights for change in changes(one)):
            if self._over.is_set():
                return
            if flight in items or len(items) == _BATCH_ITEMS:
                self._writer.write_items(COLLECTION, items)
                self._again += len(items)
                items = {}
            items[flight] = item


def play(count: int, *, days: int, shards: int, tell: Callable[[str], None]) -> Verified:
    """Verify so many times under the feed, then spoil a row and repair it."""
    began, found = time.monotonic(), Verified()
    with TemporaryDirectory(prefix="tailrace-verifications-") as folder, checked_out(Path(folder)) as checkout:
        checkout.start("--port", str(checkout.port), "--shards", str(shards))
        with _fed(checkout, days) as feed:
            for number in range(count):
                before = feed.changes
                _require(found, checkout, EQUAL, "verify")
                if found.violations or feed.problem:
                    break
                found.verifications += 1
                tell(f"{number + 1} of {count}: no row differs; {feed.changes - before:,} changes meanwhile")
            if not found.violations and not feed.problem:
                _spoil(checkout)
                _require(found, checkout, DIFFERENT, "verify")
                _require(found, checkout, EQUAL, "verify", "--repair")
                _require(found, checkout, EQUAL, "verify")
        found.changes = feed.changes
        found.violations += [feed.problem] if feed.problem else []
    found.took_s = time.monotonic() - began
    return found


@contextmanager
def _fed(checkout: Checkout, days: int) -> Iterator[Feed]:
    feed = Feed(Running(checkout.about), days)
    feed.start()
    try:
        while feed.changes < _WARM_UP_CHANGES and not feed.problem:
            time.sleep(0.05)
        yield feed
    finally:
        feed.stop()


def _require(found: Verified, checkout: Checkout, status: int, *command: str) -> None:
    actual, text = tailrace(checkout, *command)
    if actual != status:
        found.violations.append(f"tailrace {' '.join(command)}: expected exit status {status}, found {actual}\n{text}")


def _spoil(checkout: Checkout) -> None:
    """Count one item too many in one row."""
    dynamodb = deploy.client("dynamodb", checkout.about["endpoint"])
    table = checkout.about["outputs"]["AggregatesTable"]
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    rows = (decode_item(image) for page in pages for image in page["Items"])
    row = next(row for row in rows if row["pk"].startswith(_SPOILED) and row.get("~n", 0) > 0)
    dynamodb.update_item(
        TableName=table,
        Key=encode_item({name: row[name] for name in ("pk", "sk")}),
        UpdateExpression="ADD #n :one",
        ExpressionAttributeNames={"#n": "~n"},
        ExpressionAttributeValues=encode_item({":one": 1}),
    )

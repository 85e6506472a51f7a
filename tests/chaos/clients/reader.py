"""A client that reads rows while they are written, and checks that what it is shown never goes back."""

import threading
import time
from datetime import datetime
from typing import Any

import urllib3

from tests.chaos.clients.api_writer import signed
from tests.chaos.clients.flights import Names
from tests.chaos.clients.ledger import Ledger
from tests.chaos.stack import ChaosStack

CACHE_S = 1.0
"""How old a response's freshness may be."""
_INTERVAL_S = 0.15


class Reader(threading.Thread):
    """Reads the growing airline's rows over HTTP, and its marks in the table."""

    def __init__(self, chaos: ChaosStack, names: Names, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self.chaos = chaos
        self.names = names
        self.ledger = ledger
        self.reads = 0
        self.most = 0
        self.freshness: list[tuple[float, str]] = []
        self.marks: dict[tuple[str, str, str], str] = {}
        self._done = threading.Event()
        self._http = urllib3.PoolManager(maxsize=2, retries=False, timeout=35.0)

    def run(self) -> None:
        """Read until told to stop."""
        while not self._done.is_set():
            self._read_rows()
            self._read_marks()
            self._done.wait(_INTERVAL_S)

    def finish(self) -> None:
        """Stop."""
        self._done.set()
        self.join(60)

    def _read_rows(self) -> None:
        began = time.time()
        url = f"{self.chaos.api('reader')}/aggregates/carrier_hours/rows?carrier={self.names.growing}&limit=1000"
        try:
            answer = self._http.request("GET", url, headers=signed("GET", url, None, {}))
        except urllib3.exceptions.HTTPError:
            return
        if answer.status != 200:
            return
        document = answer.json()
        self.reads += 1
        self._compare(began, sum(row["flights"] for row in document["rows"]), document["freshness"])

    def _compare(self, began: float, flights: int, freshness: dict[str, Any]) -> None:
        if flights < self.most:
            self.ledger.fault(f"reads went back: {flights} flights after {self.most}")
        self.most = max(self.most, flights)
        newest = freshness["newest_change"]
        if newest is None:
            return
        earlier = max((shown for ended, shown in self.freshness if ended < began - CACHE_S), default="")
        if newest < earlier:
            self.ledger.fault(f"freshness went back: {newest} after {earlier}")
        self.freshness.append((time.time(), newest))
        if self.chaos.shards == 1:  # else the newest change may be of the other shard
            reached = datetime.fromisoformat(newest).timestamp()
            expected = sum(count for told, count in list(self.ledger.told) if told < reached)
            if flights < expected:
                self.ledger.fault(f"rows as of {newest} have {flights} flights, and {expected} were written before")

    def _read_marks(self) -> None:
        query = {
            "TableName": self.chaos.outputs["AggregatesTable"],
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": f"carrier_hours@1#{self.names.growing}"}},
            "ConsistentRead": True,
        }
        for row in self.chaos.client("dynamodb").query(**query)["Items"]:
            for name, value in row.items():
                if name.startswith("~") and "S" in value:
                    key = row["pk"]["S"], row["sk"]["S"], name
                    if value["S"] < self.marks.get(key, ""):
                        self.ledger.fault(f"a mark went back: {key} {value['S']} after {self.marks[key]}")
                    self.marks[key] = value["S"]

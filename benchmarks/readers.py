"""Many concurrent readers on one machine during the feed: ``python -m benchmarks.readers [READERS [SECONDS]]``.

Every reader sends signed queries sequentially over a persistent connection. Prints the number of responses, the errors,
the response times, and per query the handler's own time, which the API returns in `Server-Timing`.
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median, quantiles

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.changes import SAMPLE_FILE
from local.demo.feed import Feed
from local.demo.flights import Flight, read_flights
from local.demo.timeline import timeline
from local.demo.writers import StackWriter
from local.deployment.emulator import REGION
from local.stack import Stack, running_stack

READERS, SECONDS = 200, 60.0
QUERIES = (
    "carrier_hours/rows?carrier=UA&from=2013-01-01&to=2013-01-02",
    "carrier_hours/rows?carrier=AA&interval=day",
    "origin_days/rows?origin=EWR&origin=JFK&origin=LGA",
    "carrier_hours/groups",
    "carrier_hours/top?carrier=B6&by=flights",
)

_RESPONSE_TIMEOUT_S = 35.0
_OK = 200
_OWN_TIME = re.compile(r"handler;dur=([0-9.]+)")


@dataclass(slots=True)
class ReaderResults:
    """The readers' response times in seconds and the handler's own in ms, by query, and errors by kind."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {query: [] for query in QUERIES})
    own_ms: dict[str, list[float]] = field(default_factory=lambda: {query: [] for query in QUERIES})
    errors: Counter[str] = field(default_factory=Counter)


def read_until(root: str, end: float, first: int, http: urllib3.PoolManager, results: ReaderResults) -> None:
    """Send queries sequentially until ``end`` on the monotonic clock."""
    number = first
    while time.monotonic() < end:
        query = QUERIES[number % len(QUERIES)]
        url = f"{root}/aggregates/{query}"
        number += 1
        request = AWSRequest("GET", url, {}, b"")
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)  # the emulator's credentials
        began = time.monotonic()
        try:
            response = http.request("GET", url, headers=dict(request.headers.items()))
        except urllib3.exceptions.HTTPError as error:
            results.errors[type(error).__name__] += 1
            continue
        results.seconds[query].append(time.monotonic() - began)
        timing = _OWN_TIME.fullmatch(response.headers.get("Server-Timing", ""))
        if response.status != _OK or timing is None:
            results.errors[str(response.status) if response.status != _OK else "no Server-Timing"] += 1
        else:
            results.own_ms[query].append(float(timing[1]))


def read_during_feed(stack: Stack, readers: int, seconds: float, flights: Sequence[Flight]) -> ReaderResults:
    """Run ``readers`` against a stack for ``seconds`` while flights are fed into it."""
    results = ReaderResults()
    http = urllib3.PoolManager(maxsize=readers, retries=False, timeout=_RESPONSE_TIMEOUT_S)
    with ThreadPoolExecutor(readers + 1) as pool:
        fed = pool.submit(Feed(StackWriter(stack), lambda *_: None).run, timeline(flights))
        end = time.monotonic() + seconds
        for done in [pool.submit(read_until, stack.api_url, end, n, http, results) for n in range(readers)]:
            done.result()
        fed.result()
    return results


def main() -> int:
    """Run the readers during the feed; return 1 if any query failed."""
    readers = int(sys.argv[1]) if len(sys.argv) > 1 else READERS
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS  # noqa: PLR2004 - the second argument
    with running_stack(progress=lambda text: _print(f"{text} …")) as stack:
        _print(f"{readers} readers for {seconds:.0f} s …")
        results = read_during_feed(stack, readers, seconds, read_flights(SAMPLE_FILE).flights)
    every = [took for query in QUERIES for took in results.seconds[query]]
    _print(f"responses: {len(every)}, errors: {dict(results.errors) or 'none'}")
    _print(f"response time in s: {_percentiles(every, 2)}")
    for query in QUERIES:
        _print(f"{query}\n  response time in s: {_percentiles(results.seconds[query], 2)}")
        _print(f"  handler time in ms: {_percentiles(results.own_ms[query], 1)}")
    return 1 if results.errors else 0


def _percentiles(numbers: Sequence[float], digits: int) -> str:
    if len(numbers) < 2:  # noqa: PLR2004 - quantiles() needs two
        return f"{len(numbers)} responses"
    cuts = quantiles(numbers, n=100, method="inclusive")
    figures = {"median": median(numbers), "95th percentile": cuts[94], "99th": cuts[98], "maximum": max(numbers)}
    return ", ".join(f"{name} {number:.{digits}f}" for name, number in figures.items())


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())

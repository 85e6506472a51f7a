"""Many readers at once on one machine, while the feed runs: ``python -m benchmarks.readers [READERS [SECONDS]]``.

Every reader asks one query after the other, signed, over a connection that is kept. Prints how many were answered, the
errors, and how long an answer took. What the handler itself takes for each kind of query is in docs/performance.md.
"""

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median, quantiles

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.changes import SLICE
from local.emulator import REGION
from local.entrances import Entrances
from local.feed import Feed
from local.flights import read
from local.stack import running_stack
from local.timeline import timeline

READERS, SECONDS = 200, 60.0
QUERIES = (
    "carrier_hours/rows?carrier=UA&from=2013-01-01&to=2013-01-02",
    "carrier_hours/rows?carrier=AA&interval=day",
    "origin_days/rows?origin=EWR&origin=JFK&origin=LGA",
    "carrier_hours/groups",
    "carrier_hours/top?carrier=B6&by=flights",
)

_LONGEST_ANSWER_S = 35.0
_OK = 200


@dataclass(slots=True)
class Answers:
    """What the readers were answered: seconds, and how often anything but 200."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def read_until(root: str, end: float, first: int, http: urllib3.PoolManager, answers: Answers) -> None:
    """Ask one query after the other until a moment of the monotonic clock."""
    number = first
    while time.monotonic() < end:
        url = f"{root}/aggregates/{QUERIES[number % len(QUERIES)]}"
        number += 1
        request = AWSRequest("GET", url, {}, b"")
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)  # the emulator's credentials
        began = time.monotonic()
        try:
            status = http.request("GET", url, headers=dict(request.headers.items())).status
        except urllib3.exceptions.HTTPError as error:
            answers.errors[type(error).__name__] += 1
            continue
        if status != _OK:
            answers.errors[str(status)] += 1
        answers.seconds.append(time.monotonic() - began)


def main() -> int:
    """Run the readers beside the feed; return 1 if any of them was not answered."""
    readers = int(sys.argv[1]) if len(sys.argv) > 1 else READERS
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS  # noqa: PLR2004 - its place
    answers = Answers()
    http = urllib3.PoolManager(maxsize=readers, retries=False, timeout=_LONGEST_ANSWER_S)
    with running_stack(progress=lambda text: _say(f"{text} …")) as stack, ThreadPoolExecutor(readers + 1) as pool:
        fed = pool.submit(Feed(Entrances(stack), lambda *_: None).run, timeline(read(SLICE).flights))
        end = time.monotonic() + seconds
        _say(f"{readers} readers for {seconds:.0f} s …")
        for done in [pool.submit(read_until, stack.api_url, end, n, http, answers) for n in range(readers)]:
            done.result()
        fed.result()
    cuts = quantiles(answers.seconds, n=100)
    _say(f"answered {len(answers.seconds)}, errors {dict(answers.errors) or 'none'}")
    _say(f"seconds: median {median(answers.seconds):.2f}, 95th percentile {cuts[94]:.2f}, 99th {cuts[98]:.2f}")
    return 1 if answers.errors else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())

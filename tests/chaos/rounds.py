"""A round: clients write while faults happen; then the faults end, everything settles, and all of it is checked."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

import urllib3

from local.errors import SettleTimeout
from tests.chaos.checks import Check, archive_objects, catalogued, receipt_of
from tests.chaos.clients.api_writer import signed
from tests.chaos.clients.flights import COLLECTION, Names
from tests.chaos.clients.ledger import Ledger
from tests.chaos.clients.reader import Reader
from tests.chaos.clients.writers import WRITERS
from tests.chaos.processes import LIMITS_MEMORY
from tests.chaos.proxy.faults import FUNCTIONS, KINDS, Plan, seeded
from tests.chaos.stack import ChaosStack, wait_for

BOUND_S = 240.0
"""How long everything may take to settle once the faults have ended."""
AFTERMATH_S = (1.5, 8.0)
"""How long faults go on, at least and at most, when the clients are done."""
MAX_JUMP_S = 3600.0
_FRESH_WITHIN_S = 60.0
_SHOW_INTERVAL_S = 1.0

USABLE = [kind for kind in KINDS if kind != "memory" or LIMITS_MEMORY]
COMBINATIONS: list[tuple[str, ...]] = [*((kind,) for kind in USABLE), *combinations(USABLE, 2)]
"""Each kind of fault alone, then each pair."""


def plan_of(seed: int) -> Plan:
    """Return the faults of a seed's round."""
    return Plan.of(seed, COMBINATIONS[seed % len(COMBINATIONS)])


@dataclass(slots=True)
class Outcome:
    """What became of a round."""

    seed: int
    kinds: Sequence[str]
    violations: list[str]
    settled_s: float
    took_s: float
    acknowledged: int
    unknown: int
    reads: int
    redriven: int
    met: Counter[str] = field(default_factory=Counter)


def play(chaos: ChaosStack, check: Check, plan: Plan) -> Outcome:
    """Play a round. Raises a LocalError if the emulator is gone."""
    began, seed = time.monotonic(), plan.seed
    names, ledger = Names(chaos.rounds), Ledger()
    chaos.rounds += 1
    reader = Reader(chaos, names, ledger)
    disturbance = Disturbance(chaos, plan)
    reader.start()
    disturbance.start()
    chaos.proxy.plan = plan
    with chaos.short_time(plan.targets.get("timeout", ())):
        try:
            _run_all([writer(chaos, names, ledger, seed).run for writer in WRITERS])
            _meet_callers(chaos, plan)
        finally:
            chaos.proxy.plan = None
            disturbance.finish()
    ended = time.monotonic()
    redriven, unsettled = settle(chaos, names)
    settled = time.monotonic() - ended
    reader.finish()
    violations = unsettled or [*check.violations(names, ledger), *stale(chaos, check)]
    took = time.monotonic() - began
    counts = ledger.acknowledged, ledger.unknown, reader.reads, redriven
    return Outcome(seed, plan.kinds, violations, settled, took, *counts, plan.met)


def _meet_callers(chaos: ChaosStack, plan: Plan) -> None:
    """Let faults go on until the readers of the stream, which may have to be started again, have met them.

    A plan for one action lasts until a call has met it: the function starts anew, and later than all clients' writes if
    the machine is busy.
    """
    least, most = AFTERMATH_S
    time.sleep(least)
    wait_for(lambda: not any(one.pending for one in chaos.pollers.statistics), most - least)
    if plan.action:
        wait_for(lambda: bool(plan.met), BOUND_S)


def settle(chaos: ChaosStack, names: Names) -> tuple[int, list[str]]:
    """Wait until everything written has arrived everywhere. What was given up goes back as an operator would put it.

    Returns how often something went back, and what has not settled within the bound.
    """
    deadline, redriven = time.monotonic() + BOUND_S, 0
    shown = 0.0

    def on_wait(_statistics: object) -> None:
        nonlocal shown
        chaos.stack.emulator.raise_if_gone()
        if time.monotonic() > shown + _SHOW_INTERVAL_S:
            chaos.show_hidden_messages()
            shown = time.monotonic()

    while True:
        try:
            chaos.pollers.wait_until_settled(max(1.0, deadline - time.monotonic()), on_wait)
        except SettleTimeout as error:
            return redriven, [f"not settled: {error}"]
        waiting = list(_unfinished(chaos, names))
        if not waiting:
            return redriven, []
        if time.monotonic() > deadline:
            return redriven, [f"not settled: {', '.join(waiting)}"]
        if _failed_notifications(chaos):
            redriven += 1
            chaos.tailrace("redrive", "async", "--create", "--overwrite")
        time.sleep(0.2)


def _unfinished(chaos: ChaosStack, names: Names) -> Iterator[str]:
    """Yield files without receipt, objects without a row in the catalog, and failures that can be put back."""
    prefix = f"inbox/{COLLECTION}/round-{names.number}-"
    found = chaos.client("s3").list_objects_v2(Bucket=chaos.outputs["ArchiveBucket"], Prefix=prefix)
    for entry in found.get("Contents", []):
        name = entry["Key"].removeprefix("inbox/")
        if receipt_of(chaos, name) is None:
            yield f"{name} has no receipt"
    for key in sorted(archive_objects(chaos) - catalogued(chaos)):
        yield f"{key} is not in the catalog"
    if _failed_notifications(chaos):
        yield "notifications failed"


def _failed_notifications(chaos: ChaosStack) -> bool:
    url = chaos.outputs["AsyncFailuresQueue"]
    asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = chaos.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    return any(int(count) for count in counts.values())


def stale(chaos: ChaosStack, check: Check) -> list[str]:
    """Return what is wrong if readers are not shown the newest change soon."""
    url = f"{chaos.api(None)}/aggregates"

    def is_fresh() -> bool:
        answer = urllib3.request("GET", url, headers=signed("GET", url, None, {}), retries=False, timeout=35.0)
        shown = answer.json()["freshness"]["newest_change"] if answer.status == 200 else None
        return shown is not None and datetime.fromisoformat(shown).timestamp() >= check.newest_change

    if wait_for(is_fresh, _FRESH_WITHIN_S, 0.3):
        return []
    answer = urllib3.request("GET", url, headers=signed("GET", url, None, {}), retries=False, timeout=35.0)
    told = answer.json().get("freshness")
    return [
        f"freshness: {told}, but the newest change is of {datetime.fromtimestamp(check.newest_change).astimezone()}"
    ]


class Disturbance(threading.Thread):
    """The faults that do not meet calls: full memory, clocks that jump, pollers that are killed."""

    def __init__(self, chaos: ChaosStack, plan: Plan) -> None:
        super().__init__(daemon=True)
        self.chaos = chaos
        self.plan = plan
        self.rng = seeded(f"disturbance {plan.seed}")
        self._done = threading.Event()

    def run(self) -> None:
        """Disturb until told to stop."""
        start = self.chaos.pollers.positions
        if "clock" in self.plan.kinds:
            self._jump()
        for number in range(1, 1000):
            if self._done.wait(self.rng.uniform(0.3, 0.8)):
                return
            if "memory" in self.plan.kinds:
                self._fill()
            if "pollers" in self.plan.kinds and number in (2, 5):
                self.chaos.restart_pollers(self.rng.choice([start, self.chaos.pollers.positions]))
                self.plan.met["pollers"] += 1
            if "clock" in self.plan.kinds and number == 4:
                self._jump()

    def finish(self) -> None:
        """Stop, and put the clocks right."""
        self._done.set()
        self.join(30)
        if "clock" in self.plan.kinds:
            for function in FUNCTIONS:
                self.chaos.processes.set_clock(function, 0)

    def _jump(self) -> None:
        for function in self.plan.targets["clock"]:
            offset = self.rng.choice([-1, 1]) * self.rng.uniform(2, MAX_JUMP_S)
            self.chaos.processes.set_clock(function, offset)
            self.plan.met[f"clock {function}"] += 1

    def _fill(self) -> None:
        function = self.rng.choice(self.plan.targets["memory"])
        give_back = self.chaos.processes.fill_memory(function, self.rng)
        self.plan.met[f"memory {function}"] += 1
        self._done.wait(self.rng.uniform(0.2, 0.6))
        give_back()


def _run_all(tasks: Sequence[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]

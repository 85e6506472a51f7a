"""The faults of a round: which calls they meet, how often, and what happens to each."""

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.proxy.calls import Call

FUNCTIONS = ("api", "load", "ingest", "fanout", "aggregate", "archive", "catalog")
CALLERS = (*FUNCTIONS, "pollers", "client", "reader")
"""Who calls through the proxy: the functions, the pollers, a client that writes, and one that reads."""

AGGREGATES = "tailrace-aggregates"

_CERTAIN_BUDGET = 60
"""So many that eight threads of a function fail, with all attempts of their calls."""

POLLED = {
    ("lambda", "Invoke"),
    ("streams", "GetRecords"),
    ("streams", "GetShardIterator"),
    ("streams", "DescribeStream"),
    ("sqs", "ReceiveMessage"),
    ("sqs", "DeleteMessageBatch"),
}
"""The pollers' calls that faults meet; how they learn which mappings there are is not one of them."""

PARTIAL = {
    ("dynamodb", "BatchWriteItem"),
    ("dynamodb", "BatchGetItem"),
    ("sqs", "SendMessageBatch"),
    ("sqs", "DeleteMessageBatch"),
    ("streams", "GetRecords"),
}
LATE = {("dynamodb", "UpdateItem")}


def seeded(seed: object) -> random.Random:
    """Return random numbers that are the same for the same seed."""
    return random.Random(str(seed))  # noqa: S311 - not cryptography


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: whom it meets, how likely a call is met, and how often at most.

    A caller has one `budget` for those that are `lasting`, which take seconds, and of others one for each action.
    """

    meaning: str
    callers: Sequence[str] = CALLERS
    chance: float = 0.5
    budget: tuple[int, int] = (3, 9)
    lasting: bool = False


KINDS: Mapping[str, Kind] = {
    "throttle": Kind("the service refuses a call for its rate, with its own code"),
    "error": Kind("500 before the call has an effect"),
    "lost": Kind("500 after the call took effect: its acknowledgement is lost"),
    "cut": Kind("the connection is reset before the call has an effect"),
    "cut-after": Kind("the connection is reset after the call took effect"),
    "slow": Kind("calls take up to half a second longer", chance=0.6, budget=(5, 20)),
    "hang": Kind("the answer comes after the client's read timeout", chance=0.25, budget=(1, 1), lasting=True),
    "partial": Kind("batch calls are carried out in part", chance=0.8),
    "late": Kind("a row's write takes effect after the client gave it up", ("aggregate",), 0.3, (1, 2), lasting=True),
    "kill": Kind("the function's processes are killed in the middle of a call", FUNCTIONS, 0.2, (1, 3), lasting=True),
    "timeout": Kind(
        "the function's time limit ends it while it waits",
        ("fanout", "aggregate", "archive"),
        0.5,
        (2, 2),
        lasting=True,
    ),
    "memory": Kind("the function's memory is full", FUNCTIONS, 0.0, (0, 0)),
    "pollers": Kind("the pollers are killed, and started from an earlier position", (), 0.0, (0, 0)),
    "clock": Kind("the clocks of the functions jump by up to an hour", FUNCTIONS, 0.0, (0, 0)),
}


@dataclass(slots=True)
class Plan:
    """The faults that calls meet in one round. Any thread may ask it.

    With an `action`, its calls alone are met, each of them as long as the budget lasts.
    """

    seed: int
    kinds: Sequence[str]
    targets: Mapping[str, Sequence[str]]
    action: str = ""
    met: Counter[str] = field(default_factory=Counter)
    _rngs: dict[str, random.Random] = field(default_factory=dict)
    _left: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, seed: int, kinds: Sequence[str]) -> "Plan":
        """Return a seed's plan: a single kind meets every caller, several meet some each."""
        rng = seeded(f"plan {seed}")
        targets = {}
        for kind in kinds:
            callers = KINDS[kind].callers
            chosen = [caller for caller in callers if len(kinds) == 1 or rng.random() < 0.6]
            targets[kind] = chosen or list(callers[:1])
        return cls(seed, kinds, targets)

    def decide(self, call: Call) -> tuple[str, random.Random] | None:
        """Return the fault that a call meets, and the random numbers for its details; None if it meets none."""
        if not call.service or (call.caller == "pollers" and (call.service, call.action) not in POLLED):
            return None
        with self._lock:
            rng = self._rngs.setdefault(call.caller, seeded(f"{self.seed} {call.caller}"))
            for kind in rng.sample(self.kinds, len(self.kinds)):
                if self._meets(kind, call, rng):
                    self.met[f"{kind} {call.caller}"] += 1
                    return kind, seeded(rng.random())
        return None

    def _meets(self, kind: str, call: Call, rng: random.Random) -> bool:
        described = KINDS[kind]
        if not described.chance or call.caller not in self.targets[kind] or not _applies(kind, call):
            return False
        if self.action and call.action != self.action:
            return False
        meets = kind, call.caller, "" if described.lasting else call.action
        left = self._left.setdefault(meets, _CERTAIN_BUDGET if self.action else rng.randint(*described.budget))
        if not left or (rng.random() >= described.chance and not self.action):
            return False
        self._left[meets] = left - 1
        return True


def _applies(kind: str, call: Call) -> bool:
    if kind == "partial":
        return (call.service, call.action) in PARTIAL
    if kind == "late":
        return (call.service, call.action) in LATE and call.table == AGGREGATES
    return True

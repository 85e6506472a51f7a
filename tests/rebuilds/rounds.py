"""A round: the definition changes three times while the flights of some days are fed into a stack of its own.

The stack is `make stack` in a copy of the repository: it deploys each saved definition and builds what is new from the
items. In the end its rows must equal DuckDB's recompute of the source.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from local.demo.feed import Feed
from local.demo.flights import Flight, read_flights
from local.demo.options import SAMPLE_FILE
from local.demo.timeline import timeline
from local.demo.writers import StackWriter
from local.deployment import deploy
from local.deployment.emulator import REGION
from tests.rebuilds.edits import DEFINITION, EDITS
from tests.rebuilds.expected import Rows, differences, expected_rows, stored_rows
from tests.rebuilds.killer import Killer
from tests.rebuilds.redriving import Redriving
from tests.stack.checkout import Checkout, checked_out

DEPLOYED, REFUSED = "Deployed the changed definition", "was not deployed"
CUSTOM_RESOURCES = frozenset(["history"])
"""The functions that handle the template's custom resources."""
DEPLOY_LIMIT_S = 240.0
SETTLE_LIMIT_S = 240.0
_HIDDEN_S, _MAX_RECEIVES = 15, 1_000
_AGAIN = "\n# saved again\n"


@dataclass(slots=True)
class Outcome:
    """What became of a round."""

    seed: int
    took_s: float
    changes: int
    rows: int
    edits: list[str]
    kills: Mapping[str, int]
    violations: list[str] = field(default_factory=list)


class Running:
    """The stack of a copy, as far as the feed needs it."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.outputs: Mapping[str, str] = about["outputs"]
        self.api_url: str = about["api_url"]
        self._endpoint: str = about["endpoint"]

    def client(self, service: str) -> Any:
        return deploy.client(service, self._endpoint)


def play(seed: int, *, days: int = 7, shards: int = 4, kill: bool = False) -> Outcome:
    """Play a round."""
    began, rng = time.monotonic(), Random(seed)  # noqa: S311 - not a secret
    required, total = expected_rows(SAMPLE_FILE, days)
    with TemporaryDirectory(prefix="tailrace-rebuilds-") as folder, checked_out(Path(folder)) as checkout:
        checkout.start("--port", str(checkout.port), "--shards", str(shards))
        shares = sorted(rng.uniform(0.05, 0.8) for _ in EDITS)
        edits = list(zip(rng.sample(EDITS, len(EDITS)), shares, strict=True))
        with _killing(checkout, rng) if kill else nullcontext() as killer:
            feeding = Feeding(Running(checkout.about), days)
            feeding.start()
            for edit, share in edits:
                feeding.wait_for(int(share * total))
                deployed = checkout.log.count(DEPLOYED)
                if killer is not None:
                    killer.spared = CUSTOM_RESOURCES
                edit.apply(checkout.folder)
                _await_deployment(checkout, deployed + 1)
                if killer is not None:
                    killer.spared = frozenset()
            feeding.join()
        violations = [feeding.problem] if feeding.problem else _check(checkout, required)
        names = [f"{edit.name} at {share:.0%}" for edit, share in edits]
    kills = killer.kills if killer else {}
    return Outcome(seed, time.monotonic() - began, feeding.changes, len(required), names, kills, violations)


class Feeding(threading.Thread):
    """Feeds the flights of some days through every entrance. `problem` says why it ended early, if it did."""

    def __init__(self, stack: Running, days: int) -> None:
        super().__init__(daemon=True)
        self.changes = 0
        self.problem = ""
        self._stack = stack
        self._days = days

    def run(self) -> None:
        """Feed."""
        try:
            Feed(StackWriter(self._stack), self._count).run(timeline(flights_of(self._days)))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - told with the round
            self.problem = f"the feed ended early: {type(error).__name__}: {error}"

    def wait_for(self, changes: int) -> None:
        """Wait until so many changes were fed."""
        while self.changes < changes and self.is_alive():
            time.sleep(0.05)

    def _count(self, number: int) -> None:
        self.changes += number


def flights_of(days: int) -> list[Flight]:
    """Return the flights of the sample's first days."""
    source = read_flights(SAMPLE_FILE)
    wanted = set(source.days[:days])
    return [flight for flight in source.flights if flight.day in wanted]


@contextmanager
def _killing(checkout: Checkout, rng: Random) -> Iterator[Killer]:
    """Kill processes within the block, while an operator puts back the files that load gives up."""
    assert checkout.process is not None
    _hand_back_soon(checkout)
    sqs, queue = deploy.client("sqs", checkout.about["endpoint"]), checkout.about["outputs"]["AsyncFailuresQueue"]
    operator = Redriving(sqs, queue, lambda: tailrace(checkout, "redrive", "async", "--create", "--overwrite"))
    operator.start()
    try:
        with Killer(checkout.process.pid, rng) as killer:
            yield killer
    finally:
        operator.stop()


def _hand_back_soon(checkout: Checkout) -> None:
    """Let the intake queue hand back the messages of a killed process within seconds, and as often as one is killed."""
    sqs, queue = deploy.client("sqs", checkout.about["endpoint"]), checkout.about["outputs"]["IntakeQueue"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    redrive = json.loads(found["RedrivePolicy"]) | {"maxReceiveCount": _MAX_RECEIVES}
    sqs.set_queue_attributes(
        QueueUrl=queue, Attributes={"VisibilityTimeout": str(_HIDDEN_S), "RedrivePolicy": json.dumps(redrive)}
    )


def _await_deployment(checkout: Checkout, number: int) -> None:
    """Wait for a deployment. If a killed function fails it, the definition is saved again, as a developer would."""
    refused = checkout.log.count(REFUSED)
    deadline = time.monotonic() + DEPLOY_LIMIT_S
    while checkout.log.count(DEPLOYED) < number:
        assert time.monotonic() < deadline, checkout.log
        if checkout.log.count(REFUSED) > refused:
            refused += 1
            path = checkout.folder / DEFINITION
            path.write_text(path.read_text() + _AGAIN)
        time.sleep(0.1)


def _check(checkout: Checkout, required: Rows) -> list[str]:
    """Build what could not be built, wait until the rows are as required, and let the stack verify them."""
    dynamodb, table = (
        deploy.client("dynamodb", checkout.about["endpoint"]),
        checkout.about["outputs"]["AggregatesTable"],
    )
    _, built = tailrace(checkout, "rebuild", "--all")
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while wrong := differences(required, stored_rows(dynamodb, table, checkout.folder)):
        if time.monotonic() > deadline:
            return [*wrong, built, checkout.log]
        time.sleep(0.5)
    status, verified = tailrace(checkout, "verify")
    again = differences(required, stored_rows(dynamodb, table, checkout.folder))
    return [*again, verified] if status else again


def tailrace(checkout: Checkout, command: str, *options: str) -> tuple[int, str]:
    """Run a command of an operator; return its status, and what it prints."""
    variables = os.environ | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONPATH": os.pathsep.join([str(checkout.folder), str(checkout.folder / "layers" / "tailrace")]),
    }
    asked = [sys.executable, "-m", "cli", command, *options, "--stack", "tailrace"]
    asked += ["--endpoint-url", checkout.about["endpoint"]]
    done = subprocess.run(
        asked, cwd=checkout.folder, env=variables, capture_output=True, text=True, check=False, timeout=600
    )
    return done.returncode, done.stdout + done.stderr

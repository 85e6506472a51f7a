"""The places of a stack where failures are kept."""

import re
from collections.abc import Collection, Sequence
from functools import cache, partial
from typing import Protocol

from cli.errors import CommandError
from cli.failures.batches import DiscardedBatches
from cli.failures.files import AsyncFailures
from cli.failures.functions import TIMEOUT_S, Functions
from cli.failures.gate import Gate
from cli.failures.intake import Intake, IntakeDeadLetters
from cli.failures.items.expectations import Expectations
from cli.failures.items.table import ItemTable
from cli.failures.quarantine import Quarantine
from cli.failures.queues import DeadLetters
from cli.failures.reports import ReportStore
from cli.failures.run import Policy, Run
from cli.stacks import DeployedStack
from tailrace.definition.default_pipeline import DEFAULT_PIPELINE
from tailrace.definition.failures import FAILURES
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.errors import DefinitionError

_SUFFIX = "DeadLetterQueue"

_NO_QUEUES = ("async", "batches", "quarantine")
"""Places whose names a route may have."""


class Place(Protocol):
    """A place with a name that counts what it holds, and puts it back."""

    @property
    def name(self) -> str:
        """Its name on the command line."""

    def count(self) -> int:
        """Return about how many failures it holds."""

    def redrive(self, run: Run, /) -> None:
        """Put them back."""


def places(stack: DeployedStack, policy: Policy) -> Sequence[Place]:
    """Return all places: the dead-letter queues, then notifications, batches and quarantine.

    Raises:
        CommandError: the stack lacks an output.
    """
    sqs, s3 = stack.client("sqs"), stack.client("s3")
    failures = stack.output("FailuresBucket")
    functions = _functions(stack)
    gate = _gate(stack, policy)
    intake = _intake(stack)
    state = stack.state_folder
    found: list[Place] = [IntakeDeadLetters(sqs, stack.output("IntakeDeadLetterQueue"), intake, gate)]
    moved = {prefix: _kebab_case(prefix) for prefix in _moved_queues(stack)}
    for prefix, name in moved.items():
        dead, queue = stack.output(prefix + _SUFFIX), stack.output(f"{prefix}Queue")
        found.append(DeadLetters(_place_name(name, moved.values()), sqs, dead, queue, state))
    archive = stack.output("ArchiveBucket")
    notifications = stack.output("AsyncFailuresQueue")
    found.append(AsyncFailures(sqs, s3, notifications, archive, functions, gate, partial(_definition, stack)))
    found.append(DiscardedBatches(s3, failures, functions))
    return [*found, quarantine(stack, policy)]


def quarantine(stack: DeployedStack, policy: Policy) -> Quarantine:
    """Return the quarantine of a stack.

    Raises:
        CommandError: the stack lacks an output.
    """
    return Quarantine(
        report_store(stack),
        stack.output("ItemsTableStream"),
        _gate(stack, policy),
        _intake(stack),
        _functions(stack),
    )


def report_store(stack: DeployedStack) -> ReportStore:
    """Return the quarantine reports of a stack.

    Raises:
        CommandError: the stack lacks an output.
    """
    return ReportStore(stack.client("s3"), stack.output("FailuresBucket"))


def route_names(stack: DeployedStack) -> list[str]:
    """Return the routes of a stack, which have a dead-letter queue each."""
    return [_kebab_case(prefix) for prefix in _moved_queues(stack) if prefix != "Archive"]


def _moved_queues(stack: DeployedStack) -> list[str]:
    """Return the outputs' names of the archive queue and the route queues, without their suffix."""
    prefixes = [name.removesuffix(_SUFFIX) for name in stack.outputs if name.endswith(_SUFFIX)]
    return sorted(
        (prefix for prefix in prefixes if prefix != "Intake"), key=lambda prefix: (prefix != "Archive", prefix)
    )


def _place_name(name: str, queues: Collection[str]) -> str:
    if name not in _NO_QUEUES:
        return name
    longer = f"{name}-queue"
    while longer in queues:  # another route may be called async-queue
        longer += "-queue"
    return longer


def _kebab_case(name: str) -> str:
    # each capital begins a word, even one of a single letter: EMails is the route e-mails
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _definition(stack: DeployedStack) -> Pipeline:
    found = _find_definition(_reference(stack))
    if isinstance(found, str):
        raise CommandError(f"Files cannot be compared with the items, except with --overwrite: {found}")
    return found


def _reference(stack: DeployedStack) -> str:
    return stack.parameters.get("Pipeline") or DEFAULT_PIPELINE


@cache
def _find_definition(reference: str) -> Pipeline | str:
    try:
        return load_pipeline(reference)
    except DefinitionError as error:
        return str(error)
    except FAILURES as error:  # the user's code may raise anything on import
        return f"{reference} cannot be imported: {type(error).__name__}: {error}"


def _functions(stack: DeployedStack) -> Functions:
    return Functions(stack.client("lambda", read_timeout_s=TIMEOUT_S), stack.name)


def _gate(stack: DeployedStack, policy: Policy) -> Gate:
    expectations = Expectations(stack.state_folder / "intake.sent.jsonl")
    definition = partial(_find_definition, _reference(stack))
    items = ItemTable(stack.client("dynamodb"), stack.output("ItemsTable"), definition)
    return Gate(items, policy, expectations)


def _intake(stack: DeployedStack) -> Intake:
    discarded = stack.state_folder / "discarded.jsonl"
    return Intake(stack.client("sqs"), stack.output("IntakeQueue"), discarded)

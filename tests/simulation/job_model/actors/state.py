"""What functions and jobs of the model share: the tables, the buckets and the stream, under one true time."""

from collections.abc import Sequence
from copy import replace
from typing import Any

from msgspec import Struct, field

from tailrace.backfill.boundaries import Position
from tailrace.backfill.coverage import GivenUp
from tailrace.backfill.generations import Generation, GenerationId, State, adopted, created, doubt, interrupt
from tailrace.backfill.journal import JournalObject
from tailrace.encoding.keys import RowKey
from tests.simulation.job_model.actors.stream import Record, Stream
from tests.simulation.job_model.actors.table import Table
from tests.simulation.job_model.definition import CODES, Code

START = 1_800_000_000.0
TIMEOUT_S = 60
"""Of the aggregate function."""

PART_TIMEOUT_S = 900
"""Of a job's worker: one that has rested for longer is gone."""


class Expired(Struct, frozen=True):
    """The raw image of an expired item of a collection that keeps them."""

    shard: str
    position: Position
    key: str
    old: Any


class Discarded(Struct, frozen=True):
    """A batch that the mapping gave up; the bucket shows it from ``visible`` on."""

    records: tuple[Record, ...]
    visible: float

    @property
    def batch(self) -> GivenUp:
        return GivenUp(self.records[0].shard, tuple(record.position for record in self.records))


class Told(Struct):
    """A progress row of aggregate for a shard; ``counted`` are the changes that journaling code saw."""

    through: Position | None = None
    changes: int = 0
    counted: int = 0


class Verdict(Struct, frozen=True):
    """What a verification has found; ``keys`` is None where it did not judge."""

    id: GenerationId
    keys: tuple[RowKey, ...] | None
    was_verified: bool = False
    suspicious: frozenset[RowKey] = frozenset()


class Shared(Struct):
    """Everything that outlives a process. ``broken`` names the rule that is broken on purpose, or is empty."""

    stream: Stream
    broken: str = ""
    now: float = START
    code: Code = CODES["first"]
    previous: Code = CODES["first"]
    revision: int = 1
    deployed_at: float = START
    has_control: bool = True
    generations: dict[GenerationId, Generation] = field(default_factory=dict)
    pointers: dict[str, GenerationId] = field(default_factory=dict)
    firsts: dict[str, dict[str, int]] = field(default_factory=dict)
    journal: dict[str, dict[str, JournalObject]] = field(default_factory=dict)
    expired: dict[tuple[str, int], Expired] = field(default_factory=dict)
    expired_complete: bool = True
    progress: dict[str, Told] = field(default_factory=dict)
    failures: list[Discarded] = field(default_factory=list)
    table: Table = field(default_factory=Table)
    suspicious: dict[GenerationId, dict[tuple[RowKey, str], float]] = field(default_factory=dict)
    executing: set[GenerationId] = field(default_factory=set)
    verdicts: list[Verdict] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def holds(self, rule: str) -> bool:
        """Tell whether a rule is kept; each name must be one of :data:`tests.simulation.job_model.sabotage.RULES`."""
        return rule not in self.broken.split(" & ")

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now - START:9.0f} s  {text}")

    # --- control rows -------------------------------------------------------------------------------------

    def swap(self, before: Generation | None, after: Generation) -> bool:
        """Write a control row if it still is what it was read as."""
        if self.generations.get(after.id) != before:
            return False
        self.note(f"{after.aggregate}@{after.version}: {after.state} epoch {after.epoch} {after.reason}")
        self.generations[after.id] = after
        return True

    def create(self) -> None:
        """Write the control rows of a new stack."""
        for (name, version), fingerprint in self.code.fingerprints.items():
            self.generations[name, version] = created(name, version, fingerprint)
            self.pointers[name] = (name, version)

    def adopt(self, code: Code) -> None:
        """Write the first control rows of a stack that is older than they are."""
        if self.has_control:
            return
        self.has_control = True
        make = adopted if self.holds("nothing is inferred from missing control rows") else created
        for (name, version), fingerprint in code.fingerprints.items():
            self.generations[name, version] = make(name, version, fingerprint)
            self.pointers.setdefault(name, (name, version))
        for told in self.progress.values():
            told.counted = told.changes

    def distrust(self) -> None:
        """After older code has run: what is being built cannot be trusted, and of nothing is it known to be exact."""
        for one in list(self.generations.values()):
            if one.state is State.BUILDING:
                self.swap(one, interrupt(one, "a release older than the journal has run"))
            elif one.state is State.LIVE:
                released = replace(one, baseline=None, repairs=False)
                self.swap(one, doubt(released, "a release older than the journal has run"))
        for told in self.progress.values():
            told.counted = told.changes

    @property
    def is_miscounted(self) -> bool:
        """Whether some change was handled by code that does not count as the present code does."""
        return any(told.changes != told.counted for told in self.progress.values())

    # --- the failures bucket ------------------------------------------------------------------------------

    def given_up(self) -> Sequence[GivenUp]:
        return [one.batch for one in self.failures if one.visible <= self.now]

    def suspect(self, name: GenerationId, key: RowKey, why: str) -> None:
        """Remember that a row may be wrong from now on: ``spoiled`` by somebody, or touched by a batch ``given up``."""
        self.suspicious.setdefault(name, {})[key, why] = self.now

    def suspects(self, name: GenerationId) -> frozenset[RowKey]:
        return frozenset(key for key, _ in self.suspicious.get(name, {}))

    def clear(self, name: GenerationId, before: float, *whys: str) -> None:
        """Remember that a generation is known to be right again, but for what has happened since a time."""
        known = self.suspicious.get(name, {})
        self.suspicious[name] = {why: at for why, at in known.items() if at >= before or why[1] not in whys}

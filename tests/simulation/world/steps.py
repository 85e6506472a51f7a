"""The steps of a simulated history.

A history is plain data, generated before it is played: the steps record every random choice. So the same seed gives the
same run, and a failing history can be shrunk by removing steps.
"""

from typing import Literal

from msgspec import Struct

from tailrace.encoding.json_types import Item

type Reader = Literal["aggregate", "fanout"]
type Function = Reader | Literal["archive"]
type FaultKind = Literal[
    "throttled", "lost", "unanswered", "again", "delayed", "before", "after", "adrift", "partly", "meanwhile"
]
type Outcome = Literal["runs", "throttled", "stillborn", "times out"]
READERS: tuple[Reader, ...] = ("aggregate", "fanout")


class Fault(Struct, frozen=True):
    """A fault of one client call, and of the next ``times`` - 1 calls.

    =============  ====================================================================================
    throttled      rejected, without effect
    lost           done, but the response is a server error
    unanswered     done, but there is no response
    again          done, the response is lost, and the SDK retries
    delayed        no response, and done later: perhaps much later
    before, after  the process dies before it, after it
    adrift         the process dies, and it is done later
    partly         of a batch, some entries fail (those in the bits of ``which``)
    meanwhile      another step is played to its end before it is done
    =============  ====================================================================================
    """

    call: int
    kind: FaultKind
    times: int = 1
    which: int = 0
    meanwhile: "Step | None" = None


class Write(Struct, frozen=True):
    """An upstream system puts or deletes (``item`` is None) an item, or the item expires (``expired``)."""

    collection: str
    id: str
    item: Item | None
    expired: bool = False


class Run(Struct, frozen=True):
    """The course of one invocation.

    ``handed`` is the state that it is handed: None for the window's, 0 for none, n for what the nth last invocation of
    the shard has returned. ``final`` ends the window with an invocation outside the mapping.
    """

    outcome: Outcome = "runs"
    faults: tuple[Fault, ...] = ()
    order: int = 0
    environment: int = 0
    handed: int | None = None
    final: bool = False


class Deliver(Struct, frozen=True):
    """A reader's mapping makes its next invocation for a shard; the clock advances until it is due."""

    reader: Reader
    shard: int
    run: Run = Run()


class Redeliver(Struct, frozen=True):
    """An invocation with old changes, outside the mapping: any slice that starts no later than the checkpoint."""

    reader: Reader
    shard: int
    back: int
    length: int
    run: Run = Run()


class Restart(Struct, frozen=True):
    """A reader's poller of a shard restarts ``back`` changes before its checkpoint, with another batch size."""

    reader: Reader
    shard: int
    back: int
    batch_size: int


class CloseShard(Struct, frozen=True):
    """A shard closes; one or two children take over its items."""

    shard: int
    split: bool


class CompleteDelayedCall(Struct, frozen=True):
    """A delayed call completes."""

    which: int


class AdvanceSeconds(Struct, frozen=True):
    """The clock advances by some seconds."""

    seconds: float


class AdvanceHours(Struct, frozen=True):
    """Everything settles; then hours pass, in which shards close and old records expire."""

    hours: int


class Archive(Struct, frozen=True):
    """The mapping of the archive's queue makes its next invocation; ``again`` redelivers an old message."""

    run: Run = Run()
    again: int | None = None


type Step = (
    Write | Deliver | Redeliver | Restart | CloseShard | CompleteDelayedCall | AdvanceSeconds | AdvanceHours | Archive
)


class History(Struct, frozen=True):
    """The settings and steps of one seed; with ``carries_s``, aggregate carries changes for so many seconds.

    With ``described_late_s``, every other description of the stream is so many seconds old.
    """

    seed: int
    steps: tuple[Step, ...]
    shards: int = 1
    batch_size: int = 3
    batching_window_s: int = 0
    first_sequence: int = 1
    batches: bool = False
    readers: tuple[Reader, ...] = ("aggregate",)
    fanout_retries: int = -1
    fanout_age_s: int = -1
    archive_receives: int = 5
    carries_s: int = 0
    state_limit: int = 2**20
    described_late_s: int = 0

"""What goes into and comes out of the state machine of a stream."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StreamRecord[C]:
    """One record as it will stand in the event.

    `arrived` is its ApproximateCreationDateTime in seconds since the epoch, `size` the bytes of its JSON, `key` the
    item's key as text, `passes` whether the mapping's filter lets it through (`Filter.passes`), and `content` whatever
    the caller builds the event from: the rules never look inside.
    """

    sequence: str
    arrived: float
    size: int
    content: C
    key: str = ""
    passes: bool = True


@dataclass(frozen=True, slots=True)
class StreamInvocation[C]:
    """A call to make. The event is {"Records": the records' contents, **fields}."""

    records: tuple[StreamRecord[C], ...]
    fields: dict[str, object] = field(default_factory=dict)
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class DiscardedRecords[C]:
    """Records that the mapping discards, and sends to its failure destination: see `local.mapping.failures`.

    `fields` stand beside them in the event, `calls` is how often the function has been called with them, `error` what
    it ended with ("Unhandled", or None where it answered), and `request_id` the latest call's.
    """

    condition: str
    records: tuple[StreamRecord[C], ...]
    shard_id: str
    source_arn: str
    fields: dict[str, object] = field(default_factory=dict)
    calls: int = 0
    error: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class StreamOutcome[C]:
    """How many records a result acknowledges; the batch's others are retried, or `discarded`."""

    acknowledged: int = 0
    discarded: DiscardedRecords[C] | None = None

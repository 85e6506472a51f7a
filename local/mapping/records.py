"""Inputs and outputs of a stream's state machine."""

from msgspec import Struct, field

from local.mapping.results import LATEST_VERSION


class StreamRecord[C](Struct, frozen=True):
    """One record as it appears in the event.

    Attributes:
        sequence: its sequence number.
        arrived: its ApproximateCreationDateTime, in seconds since the epoch.
        size: the length of its JSON in bytes.
        content: what the caller builds the event from; opaque to the rules.
        key: the item's key as text.
        passes: whether it passes the mapping's filter (`Filter.passes`).
    """

    sequence: str
    arrived: float
    size: int
    content: C
    key: str = ""
    passes: bool = True


class StreamInvocation[C](Struct, frozen=True):
    """An invocation to make. The event is {"Records": the records' contents, **fields}."""

    records: tuple[StreamRecord[C], ...]
    fields: dict[str, object] = field(default_factory=dict)
    attempt: int = 1


class DiscardedRecords[C](Struct, frozen=True):
    """Records that the mapping discards and sends to its failure destination: see `local.mapping.failures`.

    Attributes:
        fields: the event's other fields.
        calls: how many times the function was called with these records.
        error: the error of the latest call: "Unhandled", or None if the function returned.
        request_id: the request id of the latest call.
        version: the function's version that the latest call ran, which an alias chooses.
    """

    condition: str
    records: tuple[StreamRecord[C], ...]
    shard_id: str
    source_arn: str
    fields: dict[str, object] = field(default_factory=dict)
    calls: int = 0
    error: str | None = None
    request_id: str | None = None
    version: str = LATEST_VERSION


class StreamOutcome[C](Struct, frozen=True):
    """How many records a result acknowledges; the rest of the batch is retried, or `discarded`."""

    acknowledged: int = 0
    discarded: DiscardedRecords[C] | None = None

"""The rules of Lambda's event source mappings, as pure state machines.

The drivers, which read a source and invoke a function, are elsewhere: `local.pollers.pollers` for the emulator, and a
seeded scheduler for simulations. Both use the same classes:

    StreamShard   one shard of a stream: batches, tumbling windows, retries, discarded records, the checkpoint
    QueueMapping  a standard or FIFO queue: batches, partial failures, visibility
    SourceQueue   the queue itself: visibility timeouts, message groups, the dead-letter queue
    Filter        which records and messages reach the function
    Backoff       how long to wait before retrying a batch

Nothing here reads a clock, draws a random number or does I/O: every method that depends on time takes `now`, in
seconds since the epoch. The methods follow one pattern:

    add(records, now)                  records or messages have arrived
    next_invocation(now)               the invocation to make now, records that a stream's mapping discards, or None
    next_time()                        when to ask again; None if only an arrival or a result changes the state
    complete(invocation, result, now)  take the function's result; returns what is acknowledged, deleted or discarded

Each rule names its page in the Lambda guide (https://docs.aws.amazon.com/lambda/latest/dg/).
"""

from local.mapping.errors import MappingError
from local.mapping.failures import invocation_record, object_key
from local.mapping.filters import Filter
from local.mapping.queue import Message, QueueInvocation, QueueMapping, QueueOutcome
from local.mapping.records import DiscardedRecords, StreamInvocation, StreamOutcome, StreamRecord
from local.mapping.results import Failed, InvocationResult, Returned, Throttled
from local.mapping.retries import Backoff
from local.mapping.settings import QueueSettings, StreamSettings
from local.mapping.source_queue import ReceivedMessage, SourceQueue
from local.mapping.stream import StreamShard

__all__ = [
    "Backoff",
    "DiscardedRecords",
    "Failed",
    "Filter",
    "InvocationResult",
    "MappingError",
    "Message",
    "QueueInvocation",
    "QueueMapping",
    "QueueOutcome",
    "QueueSettings",
    "ReceivedMessage",
    "Returned",
    "SourceQueue",
    "StreamInvocation",
    "StreamOutcome",
    "StreamRecord",
    "StreamSettings",
    "StreamShard",
    "Throttled",
    "invocation_record",
    "object_key",
]

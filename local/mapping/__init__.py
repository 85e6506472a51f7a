"""The rules of Lambda's event source mappings, as pure state machines.

What reads a source and calls a function is elsewhere: `local.pollers.pollers` for the emulator, and a seeded
scheduler for simulations. Both drive the same classes:

    StreamShard   one shard of a stream: batches, tumbling windows, retries, what is given up, the checkpoint
    QueueMapping  a standard or FIFO queue: batches, partial failures, visibility
    SourceQueue   the queue itself: visibility timeouts, message groups, the dead-letter queue
    Filter        which records and messages a function is to see
    Backoff       how long to wait before a batch is tried again

Nothing in here reads a clock, draws a random number or does I/O: every method that depends on time takes
`now`, in seconds since the epoch. The pattern is the same everywhere:

    add(records, now)          something has arrived
    next_invocation(now)       an invocation to make now, records that a stream's mapping gives up, or None
    next_time()                when to ask again, or None when only an arrival or an answer changes anything
complete(invocation, result, now) what the function returned; the result tells what is done with

Each rule names the page of the Lambda guide that it comes from (https://docs.aws.amazon.com/lambda/latest/dg/).
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

"""One simulated history from its first step to its end: items, shards, mappings and functions under one clock."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from local.mapping import (
    DiscardedRecords,
    InvocationResult,
    Returned,
    StreamInvocation,
    StreamRecord,
    StreamShard,
    invocation_record,
)
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Json
from tests.simulation import definition
from tests.simulation.world.archive_queue import ArchiveQueue
from tests.simulation.world.clients import Streams
from tests.simulation.world.faults import FaultInjector
from tests.simulation.world.functions import ARCHIVE_QUEUE, Functions
from tests.simulation.world.readers import Readers, ShardProgress
from tests.simulation.world.steps import (
    AdvanceHours,
    AdvanceSeconds,
    Archive,
    CloseShard,
    CompleteDelayedCall,
    Deliver,
    History,
    Reader,
    Redeliver,
    Restart,
    Run,
    Step,
    Write,
)
from tests.simulation.world.stream import SOURCE, ItemsTable, Shard
from tests.simulation.world.template_settings import archive_settings

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:fanout"
_START = 1_730_000_000.0
_CALL_S = 0.1
_SIZE = 100  # bytes of a record, for the mapping's limits


class NotFinished(AssertionError):
    """A shard was not read to its end after far more invocations than needed."""


@dataclass(slots=True)
class World:
    """Plays a history. ``trace`` records all events in order."""

    history: History
    pipeline: Pipeline = definition.pipeline
    now: float = _START
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    items: ItemsTable = field(init=False)
    readers: Readers = field(init=False)
    injector: FaultInjector = field(init=False)
    functions: Functions = field(init=False)
    archive: ArchiveQueue = field(init=False)
    failure_records: list[str] = field(default_factory=list)
    described: int = 0
    states: defaultdict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        history = self.history
        self.items = ItemsTable(history.shards, history.first_sequence, self.now)
        self.readers = Readers(history, self.items, lambda: self.now)
        self.injector = FaultInjector(self.play, self.note)
        records = lambda shard: self.items.readable(shard, self.now)  # noqa: E731
        streams = Streams(self.injector, self._describe_shards, records)
        self.functions = Functions(self.injector, lambda: self.now, streams, history, self.pipeline)
        settings = archive_settings(history.batch_size, history.batching_window_s)
        sent = self.functions.queues.messages[ARCHIVE_QUEUE]
        self.archive = ArchiveQueue(settings, history.archive_receives, sent)

    def _describe_shards(self) -> list[Json]:
        self.described += 1
        late_s = self.history.described_late_s if self.described % 2 == 0 else 0
        return self.items.describe_shards(self.now, self.now - late_s)

    def note(self, *what: Any) -> None:
        """Add to the trace."""
        self.trace.append((self.now, *what))

    def play(self, step: Step) -> None:
        """Play one step."""
        match step:
            case Write():
                self.items.write(step, self.now)
            case Deliver(reader, shard, run):
                self._deliver(reader, self.readers.readable(reader, shard), run)
            case Redeliver():
                self._redeliver(step)
            case Archive(run, again):
                self._archive(run, again)
            case Restart():
                self._restart(step)
            case CloseShard(shard, split):
                self.note("rolls")
                self.items.close_shard(shard, self.now, split=split)
            case CompleteDelayedCall(which):
                self.injector.complete_delayed_call(which)
            case AdvanceSeconds(seconds):
                self.now += seconds
            case AdvanceHours(hours):
                self.finish()
                self.note("hours pass")
                self.now += hours * 3600
                self.items.age(self.now)
                self.functions.expire()

    def finish(self) -> None:
        """Let everything settle: deliver all writes without further faults, and complete delayed calls.

        Raises:
            NotFinished: it does not come to rest.
        """
        self._read_all()
        while self.injector.delayed_calls:
            self.injector.complete_delayed_call(0)
        self._replay_failures()
        for _ in range(60 + len(self.archive.sent)):
            self._archive(Run(), None)
            if self.archive.is_empty:
                return
            self.archive.redrive_dead_letters(self.now)
        raise NotFinished("the archive's queue is never empty")

    def _read_all(self) -> None:
        for reader in self.history.readers:
            for shard in self.items.shards:  # parents precede their children
                self._read_to_end(reader, shard)
        if self.functions.outstanding():
            # a window whose state was lost is over, and Lambda does not invoke again before there is something new
            self.items.write_anywhere(self.now)
            for reader in self.history.readers:
                for shard in self.items.shards:
                    self._read_to_end(reader, shard)

    # --- deliveries ---------------------------------------------------------------------------------------

    def _read_to_end(self, reader: Reader, shard: Shard) -> None:
        for _ in range(60 + 3 * len(shard.records)):
            reading = self.readers.reading(reader, shard)
            carries = reader == "aggregate" and self.history.carries_s > 0
            if reading.done == len(shard.records) and not (carries and self._has_window(reading, shard)):
                return
            self._deliver(reader, shard, Run())
        raise NotFinished(f"{reader} never comes to the end of {shard.id}")

    def _has_window(self, reading: ShardProgress, shard: Shard) -> bool:
        """Return whether the mapping still has to make a window's final call."""
        if shard.closed is not None:
            reading.mapping.mark_ended()
        return reading.mapping.next_time() is not None

    def _deliver(self, reader: Reader, shard: Shard, run: Run) -> None:
        reading = self.readers.reading(reader, shard)
        mapping = reading.mapping
        mapping.add([_stream_record(record) for record in shard.records[reading.fed :]], self.now)
        reading.fed = len(shard.records)
        mapping.mark_caught_up(self.now)
        if shard.closed is not None:
            mapping.mark_ended()
        call = self._call(reader, mapping)
        if call is None:
            due = mapping.next_time()
            if due is None or due <= self.now:
                return
            self.now = due
            mapping.mark_caught_up(due)
            call = self._call(reader, mapping)
            if call is None:
                return
        answer = self._invoke(reader, shard, call, run)
        if reading.mapping is mapping:  # otherwise the poller has restarted meanwhile, and the response is lost
            discarded = mapping.complete(call, answer, self.now).discarded
            if discarded is not None:
                self._store_failure_record(reader, discarded)
        reading.furthest = max(reading.furthest, reading.done)

    def _call(self, reader: Reader, mapping: StreamShard[Json]) -> StreamInvocation[Json] | None:
        """Return the mapping's next call; store failure records of discarded batches."""
        step = mapping.next_invocation(self.now)
        while isinstance(step, DiscardedRecords):
            self._store_failure_record(reader, step)
            step = mapping.next_invocation(self.now)
        return step

    def _store_failure_record(self, reader: Reader, discarded: DiscardedRecords[Json]) -> None:
        """Store the failure record of a discarded batch of fanout, as the failures bucket does.

        What aggregate gives up nobody puts back: the marks of later batches would skip it.
        """
        self.note("gives up", reader, discarded.condition, [_sequence(record.content) for record in discarded.records])
        if reader == "fanout":
            event = {"Records": [record.content for record in discarded.records], **discarded.fields}
            self.failure_records.append(failure_record(discarded, self.now, event))

    def _replay_failures(self) -> None:
        """Replay discarded batches through fanout, as an operator would."""
        waiting, self.failure_records = self.failure_records, []
        for record in waiting:
            self.functions.invoke("fanout", json.loads(json.loads(record)["payload"]), Run())

    def _archive(self, run: Run, again: int | None) -> None:
        queue = self.archive
        if again is not None:
            queue.send_again(again, self.now)
        queue.receive(self.now)
        call = queue.rules.next_invocation(self.now)
        due = queue.next_time(self.now)
        if call is None and due is not None:
            self.now = max(self.now, due)
            queue.receive(self.now)
            call = queue.rules.next_invocation(self.now)
        if call is None:
            return
        self.note("invoke", "archive", [message.id for message in call.messages], run.outcome)
        self.now += _CALL_S
        answer = self.functions.invoke("archive", {"Records": [message.content for message in call.messages]}, run)
        self.note("answer", answer)
        queue.complete(call, answer, self.now)

    def _invoke(self, reader: Reader, shard: Shard, call: StreamInvocation[Json], run: Run) -> InvocationResult:
        records = [record.content for record in call.records]
        self.note("invoke", reader, shard.id, [_sequence(record) for record in records], run.outcome)
        self.now += _CALL_S
        event = {"Records": records, **call.fields}
        states = self.states[shard.id]
        if run.handed is not None and "state" in event:
            event["state"] = states[-run.handed] if 0 < run.handed <= len(states) else {}
        answer = self.functions.invoke(reader, msgspec.json.decode(msgspec.json.encode(event)), run)
        if reader == "aggregate" and isinstance(answer, Returned) and isinstance(answer.value, dict):
            states.append(answer.value["state"])
        self.note("answer", answer)
        return answer

    def _redeliver(self, step: Redeliver) -> None:
        shard = self.readers.readable(step.reader, step.shard)
        reading = self.readers.reading(step.reader, shard)
        start = max(shard.oldest(self.now), reading.furthest - step.back)
        records = shard.records[start : start + step.length]
        if not records:
            return
        fields: dict[str, object] = {"state": {}, "shardId": shard.id, "eventSourceARN": SOURCE}
        fields |= {"isFinalInvokeForWindow": True} if step.run.final else {}
        call = StreamInvocation(tuple(_stream_record(record) for record in records), fields)
        self._invoke(step.reader, shard, call, step.run)

    def _restart(self, step: Restart) -> None:
        shard = self.readers.readable(step.reader, step.shard)
        reading = self.readers.reading(step.reader, shard)
        reading.start = reading.fed = max(shard.oldest(self.now), reading.done - step.back)
        reading.mapping = self.readers.new_mapping(step.reader, shard, step.batch_size)
        self.note("restarts", step.reader, shard.id, reading.done)


def failure_record(discarded: DiscardedRecords[Json], now: float, event: Json) -> str:
    """Return the failure record of a discarded batch, as written to S3."""
    record = invocation_record(discarded, function_arn=FUNCTION, request_id="none", now=now, payload=json.dumps(event))
    return json.dumps(record)


def _stream_record(record: Json) -> StreamRecord[Json]:
    change = record["dynamodb"]
    arrived, key = change["ApproximateCreationDateTime"], change["Keys"]["pk"]["S"]
    return StreamRecord(change["SequenceNumber"], arrived, _SIZE, record, key)


def _sequence(record: Json) -> str:
    sequence: str = record["dynamodb"]["SequenceNumber"]
    return sequence

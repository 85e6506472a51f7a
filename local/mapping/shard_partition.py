"""The unit that a mapping processes in order: a shard, or one of the parts that a ParallelizationFactor splits it into.

services-ddb, invocation-eventsourcemapping: a batch is sent when it holds BatchSize records, when its payload reaches
6 MB, or when the batching window ends. Batches are sent one at a time, and a failed batch blocks those behind it until
it is processed or discarded.
"""

import math
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from local.mapping.batching import FRAME_BYTES, batching_deadline, json_size
from local.mapping.failures import AGE_EXCEEDED, RETRIES_EXHAUSTED
from local.mapping.records import DiscardedRecords, StreamInvocation, StreamOutcome, StreamRecord
from local.mapping.results import LATEST_VERSION, Failed, InvocationResult, Returned, Throttled, reported_failures
from local.mapping.retries import Backoff, Discard, Retry, Split, decide
from local.mapping.settings import StreamSettings
from local.mapping.windows import IDLE_WAIT_S, TumblingWindow, returned_state


class _Batch[C](Struct):
    """Records that are delivered together until they are processed, split or discarded; see `decide`."""

    records: tuple[StreamRecord[C], ...]
    is_final: bool = False
    calls: int = 0
    failures: int = 0
    not_before: float = -math.inf
    error: str | None = None
    request_id: str | None = None
    version: str = LATEST_VERSION


class ShardPartition[C]:
    """The state of one partition. See the package's docstring for the pattern of its methods."""

    def __init__(
        self, settings: StreamSettings, *, shard_id: str, source_arn: str, now: float, backoff: Backoff
    ) -> None:
        self.settings = settings
        self.shard_id = shard_id
        self.source_arn = source_arn
        self.pending_bytes = 0
        self.in_flight: StreamInvocation[C] | None = None
        self._backoff = backoff
        self._pending: deque[StreamRecord[C]] = deque()
        self._batches: deque[_Batch[C]] = deque()  # formed batches, in order of delivery
        self._oldest_pending_since = now
        self._batching_since = now
        self._caught_up_at = -math.inf
        self._window: TumblingWindow | None = None

    @property
    def is_done(self) -> bool:
        """Whether the shard is closed and no further invocation will be made."""
        return self._caught_up_at == math.inf and not (self._pending or self._batches or self._window)

    @property
    def window(self) -> TumblingWindow | None:
        """The open window, with the state of the records that are settled."""
        return self._window

    def resume(self, window: TumblingWindow) -> None:
        """Continue an open window; to be called before records are added."""
        self._window = window

    def add(self, record: StreamRecord[C], now: float) -> None:
        """Add the next record."""
        if not self._pending:
            self._oldest_pending_since = now
        self._pending.append(record)
        self.pending_bytes += record.size

    def mark_caught_up(self, now: float) -> None:
        """Record that a read begun at `now` reached the shard's tip."""
        self._caught_up_at = max(self._caught_up_at, now)

    def mark_ended(self) -> None:
        """Record that the shard is closed: no more records will follow."""
        self._caught_up_at = math.inf

    def next_invocation(self, now: float) -> StreamInvocation[C] | DiscardedRecords[C] | None:
        """The invocation to make now, or records that have expired."""
        if self.in_flight is not None:
            return None
        if not self._batches:
            self._form_batch(now)
        if not self._batches or now < self._batches[0].not_before:
            return None
        batch = self._batches[0]
        expired = self._discard_expired(batch, now)
        if expired is not None:
            return expired
        self.in_flight = StreamInvocation(batch.records, self._fields(batch), batch.failures + 1)
        return self.in_flight

    def next_time(self) -> float | None:
        """When to call `next_invocation` again; None if only an arrival or a result changes the state."""
        if self.in_flight is not None:
            return None
        if self._batches:
            return self._batches[0].not_before
        if self._window_is_over() or (self._pending and self._is_full()):
            return -math.inf
        if self._pending:
            return self._deadline()
        return float(self._window.end + IDLE_WAIT_S) if self._window else None

    def complete(self, result: InvocationResult, now: float) -> StreamOutcome[C]:
        """Apply the function's result to the invocation in flight."""
        self.in_flight = None
        batch = self._batches[0]
        if not isinstance(result, Throttled):
            batch.calls += 1
            batch.error = "Unhandled" if isinstance(result, Failed) else None
            batch.request_id = result.request_id
            batch.version = result.version
        acknowledged = self._acknowledged_count(batch, result)
        discarded = None
        if acknowledged == len(batch.records):
            self._finish(batch)
        elif acknowledged:
            # services-ddb-batchfailurereporting: only the rest is retried, as a new batch with the full number of
            # retries. Recorded: it comes again at once, and its backoff begins with its own first failure.
            self._batches[0] = _Batch(batch.records[acknowledged:])
        else:
            discarded = self._handle_failure(batch, now, throttled=isinstance(result, Throttled))
        if not self._batches:
            # invocation-eventsourcemapping: the next batching window begins when the invocation completes.
            self._batching_since = now
        return StreamOutcome(acknowledged or 0, discarded)

    # --- results ----------------------------------------------------------------------------------------

    def _acknowledged_count(self, batch: _Batch[C], result: InvocationResult) -> int | None:
        """How many records at the front are processed; None if the whole call has failed.

        services-ddb-batchfailurereporting: the lowest reported sequence number is the checkpoint, and all records from
        it on are retried. services-ddb-windows: a response without state is a failure.
        """
        if not isinstance(result, Returned):
            return None
        state = returned_state(result.value) if self._window else None
        if self._window and state is None:
            return None
        acknowledged = len(batch.records)
        if self.settings.report_failures:
            position = {record.sequence: index for index, record in enumerate(batch.records)}
            failed = reported_failures(result.value, position)
            if failed is None:
                return None
            acknowledged = min((position[sequence] for sequence in failed), default=acknowledged)
        if self._window and state is not None and (acknowledged or not batch.records):
            # The acknowledged records are not sent again, so their state must be kept.
            self._window.carry_state(state, self.settings.state_limit)
        return acknowledged

    def _handle_failure(self, batch: _Batch[C], now: float, *, throttled: bool) -> DiscardedRecords[C] | None:
        batch.failures += 1
        # services-dynamodb-errors: throttling is not a function error. It uses up no retry and splits no batch.
        decision = Retry() if throttled else decide(self.settings, size=len(batch.records), calls=batch.calls)
        match decision:
            case Split(left):
                self._batches.popleft()
                self._batches.extendleft(reversed(halves(batch.records, left)))
            case Discard():
                discarded = self._discarded_records(batch, batch.records, RETRIES_EXHAUSTED)
                self._finish(batch)
                return discarded
            case Retry():
                batch.not_before = now + self._backoff.delay(batch.failures)
        return None

    def _discard_expired(self, batch: _Batch[C], now: float) -> DiscardedRecords[C] | None:
        """Discard the records at the front of a batch that are too old for the mapping or the stream.

        services-dynamodb-errors: this ends retries after errors and throttling alike, and may precede the first call.
        The page names no separate condition for records past the stream's retention.
        """
        latest = now - self.settings.effective_record_age_s
        count = next((n for n, record in enumerate(batch.records) if record.arrived > latest), len(batch.records))
        # The final call of a window has no records: its age counts from the window's end, and it is made at least once.
        window_too_old = self._window is not None and self._window.end <= latest
        if not count and not (batch.is_final and batch.failures and window_too_old):
            return None
        discarded = self._discarded_records(batch, batch.records[:count], AGE_EXCEEDED)
        if count == len(batch.records):
            self._finish(batch)
        else:
            batch.records = batch.records[count:]
        return discarded

    def _discarded_records(
        self, batch: _Batch[C], records: Sequence[StreamRecord[C]], condition: str
    ) -> DiscardedRecords[C]:
        return DiscardedRecords(
            condition,
            tuple(records),
            self.shard_id,
            self.source_arn,
            self._fields(batch),
            batch.calls,
            batch.error,
            batch.request_id,
            batch.version,
        )

    def _finish(self, batch: _Batch[C]) -> None:
        self._batches.popleft()
        if batch.is_final:
            self._window = None

    # --- batches ------------------------------------------------------------------------------------------

    def _form_batch(self, now: float) -> None:
        if self._window_is_over():
            self._batches.append(_Batch((), is_final=True))
        elif self._pending and (self._is_full() or now >= self._deadline()):
            self._batches.append(_Batch(self._next_records()))

    def _deadline(self) -> float:
        return batching_deadline(self._batching_since, self._oldest_pending_since, self.settings.batching_window_s)

    def _is_full(self) -> bool:
        """Whether the next batch has reached its limit: number of records, bytes, or the end of its tumbling window."""
        return (
            len(self._pending) >= self.settings.batch_size
            or self.pending_bytes >= self.settings.payload_limit
            or (self.settings.tumbling_window_s > 0 and self._pending[-1].arrived >= self._current_window().end)
        )

    def _next_records(self) -> tuple[StreamRecord[C], ...]:
        end = self._current_window().end if self.settings.tumbling_window_s else math.inf
        fields = self._window_fields(is_final=False)
        remaining_bytes = self.settings.payload_limit - FRAME_BYTES - json_size(fields)
        batch: list[StreamRecord[C]] = []
        while self._pending and len(batch) < self.settings.batch_size and self._pending[0].arrived < end:
            remaining_bytes -= self._pending[0].size + 1  # plus a comma
            if batch and remaining_bytes < 0:
                break
            record = self._pending.popleft()
            self.pending_bytes -= record.size
            batch.append(record)
        return tuple(batch)

    # --- tumbling windows ---------------------------------------------------------------------------------

    def _current_window(self) -> TumblingWindow:
        if self._window is None:
            self._window = TumblingWindow.containing(self._pending[0].arrived, self.settings.tumbling_window_s)
        return self._window

    def _window_is_over(self) -> bool:
        """Whether the open window is due for its final call: its state is too large, or no record of it can follow.

        services-ddb-windows: the end of the shard closes its window early, and Lambda waits for up to two minutes
        before it takes a window without new records for over. Recorded: before that, the next record ends it.
        """
        window = self._window
        if window is None:
            return False
        if self._pending:
            return window.terminated_early or self._pending[0].arrived >= window.end
        return window.terminated_early or self._caught_up_at >= window.end + IDLE_WAIT_S

    def _fields(self, batch: _Batch[C]) -> dict[str, object]:
        return self._window_fields(is_final=batch.is_final)

    def _window_fields(self, *, is_final: bool) -> dict[str, object]:
        if self._window is None:
            return {}
        return self._window.fields(shard_id=self.shard_id, source_arn=self.source_arn, is_final=is_final)


def halves[C](records: tuple[StreamRecord[C], ...], left: int) -> list[_Batch[C]]:
    """The two batches that result from a split, in order of delivery."""
    return [_Batch(records[:left]), _Batch(records[left:])]

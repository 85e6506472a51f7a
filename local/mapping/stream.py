"""One shard of a stream, read for one function.

services-ddb, invocation-eventsourcemapping: records are processed in order, one batch at a time; a batch is
sent when it holds BatchSize records, when its payload reaches 6 MB, or when the batching window ends; a
failed batch holds up its shard until it has been processed.
"""

import json
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from local.mapping.answers import Answer, Returned, failed_items
from local.mapping.retries import Backoff, decide
from local.mapping.settings import StreamSettings
from local.mapping.windows import Window, returned_state

_FRAME_BYTES = len('{"Records":[]}')


@dataclass(frozen=True, slots=True)
class StreamRecord[C]:
    """One record as it will stand in the event.

    `arrived` is its ApproximateCreationDateTime in seconds since the epoch, `size` the bytes of its JSON, and
    `content` whatever the caller builds the event from: the rules never look inside.
    """

    sequence: str
    arrived: float
    size: int
    content: C


@dataclass(frozen=True, slots=True)
class StreamInvocation[C]:
    """A call to make. The event is {"Records": the records' contents, **fields}."""

    records: tuple[StreamRecord[C], ...]
    fields: dict[str, object] = field(default_factory=dict)
    attempt: int = 1


class StreamShard[C]:
    """The state of one shard. See the package for the pattern of its methods."""

    def __init__(
        self,
        settings: StreamSettings,
        *,
        shard_id: str,
        source_arn: str,
        now: float,
        backoff: Backoff | None = None,
    ) -> None:
        self.settings = settings
        self.shard_id = shard_id
        self.source_arn = source_arn
        self.checkpoint: str | None = None
        self._backoff = backoff or Backoff()
        self._pending: deque[StreamRecord[C]] = deque()
        self._pending_bytes = 0
        self._head_since = now
        self._gathering_since = now
        self._tip_seen = -math.inf
        self._window: Window | None = None
        self._in_flight: StreamInvocation[C] | None = None
        self._retry: StreamInvocation[C] | None = None
        self._failures = 0
        self._not_before = -math.inf

    @property
    def pending(self) -> int:
        """Records that have been read and not yet acknowledged."""
        held = self._in_flight or self._retry
        return len(self._pending) + (len(held.records) if held else 0)

    @property
    def pending_bytes(self) -> int:
        """Bytes of the records that wait for their first delivery."""
        return self._pending_bytes

    def add(self, records: Iterable[StreamRecord[C]], now: float) -> None:
        """Take what was read from the shard, in the order of the shard."""
        if not self._pending:
            self._head_since = now
        before = len(self._pending)
        self._pending.extend(records)
        for index in range(before, len(self._pending)):
            self._pending_bytes += self._pending[index].size

    def caught_up(self, now: float) -> None:
        """Take note that a read begun at `now` found the shard's tip: nothing older is still to come."""
        self._tip_seen = max(self._tip_seen, now)

    def next_invocation(self, now: float) -> StreamInvocation[C] | None:
        """The call to make now, at most one at a time: a shard's batches are processed in order."""
        if self._in_flight is not None or now < self._not_before:
            return None
        if self._retry is not None:
            self._in_flight, self._retry = self._retry, None
        elif self._window_is_over():
            self._in_flight = StreamInvocation((), self._fields(final=True))
        elif self._pending and (self._is_full() or now >= self._deadline()):
            self._in_flight = self._cut_batch()
        return self._in_flight

    def next_time(self) -> float | None:
        """When `next_invocation` may have something; None while only an arrival or an answer changes that."""
        if self._in_flight is not None:
            return None
        if self._retry is not None or self._window_is_over() or (self._pending and self._is_full()):
            return self._not_before
        if self._pending:
            return max(self._not_before, self._deadline())
        return float(self._window.end) if self._window else None

    def answer(self, invocation: StreamInvocation[C], answer: Answer, now: float) -> int:
        """Take the function's answer to the call in flight. Returns how many records it has acknowledged."""
        if invocation is not self._in_flight:
            raise ValueError("the answer is to no call in flight")
        self._in_flight = None
        done = self._processed(invocation, answer)
        if done:
            self.checkpoint = invocation.records[done - 1].sequence
        if done == len(invocation.records):
            self._succeed(invocation, now)
        else:
            self._fail(invocation, done or 0, now)
        return done or 0

    # --- answers ----------------------------------------------------------------------------------------

    def _processed(self, invocation: StreamInvocation[C], answer: Answer) -> int | None:
        """How many records from the front are done; None when the whole call has failed.

        services-ddb-batchfailurereporting: the lowest sequence number reported is the checkpoint, and everything
        from there on is tried again. services-ddb-windows: an answer without state is a failure.
        """
        if not isinstance(answer, Returned):
            return None
        state = returned_state(answer.value) if self._window else None
        if self._window and state is None:
            return None
        done = len(invocation.records)
        if self.settings.report_failures:
            position = {record.sequence: index for index, record in enumerate(invocation.records)}
            failed = failed_items(answer.value, position)
            if failed is None:
                return None
            done = min((position[sequence] for sequence in failed), default=done)
        if self._window and state is not None and (done or not invocation.records):
            # What was processed of the batch is not sent again, so its state must not be lost.
            self._window.carry(state, self.settings.state_limit)
        return done

    def _succeed(self, invocation: StreamInvocation[C], now: float) -> None:
        self._failures = 0
        # invocation-eventsourcemapping: the next batching window begins when the invocation completes.
        self._gathering_since = now
        if invocation.fields.get("isFinalInvokeForWindow"):
            self._window = None

    def _fail(self, invocation: StreamInvocation[C], done: int, now: float) -> None:
        self._failures = 1 if done else self._failures + 1
        decision = decide(self.settings, self._backoff, failures=self._failures, now=now)
        self._not_before = decision.at
        final = invocation.fields.get("isFinalInvokeForWindow") is True
        self._retry = replace(
            invocation,
            records=invocation.records[done:],
            fields=self._fields(final=final),
            attempt=invocation.attempt + 1,
        )

    # --- batches ------------------------------------------------------------------------------------------

    def _deadline(self) -> float:
        """The end of the batching window in which the oldest pending record came.

        A window that ends with nothing gathered is followed by the next at once.
        """
        length = self.settings.batching_window_s
        if length == 0:
            return -math.inf
        waited = max(0.0, self._head_since - self._gathering_since)
        return self._gathering_since + length * (math.floor(waited / length) + 1)

    def _is_full(self) -> bool:
        """Whether the next batch cannot grow: by number, by bytes, or because its tumbling window is complete."""
        return (
            len(self._pending) >= self.settings.batch_size
            or self._pending_bytes >= self.settings.payload_limit
            or (self.settings.tumbling_window_s > 0 and self._pending[-1].arrived >= self._open_window().end)
        )

    def _cut_batch(self) -> StreamInvocation[C]:
        end = self._open_window().end if self.settings.tumbling_window_s else math.inf
        fields = self._fields(final=False)
        room = self.settings.payload_limit - _FRAME_BYTES - len(json.dumps(fields).encode())
        batch: list[StreamRecord[C]] = []
        while self._pending and len(batch) < self.settings.batch_size and self._pending[0].arrived < end:
            room -= self._pending[0].size + 1  # and a comma
            if batch and room < 0:
                break
            record = self._pending.popleft()
            self._pending_bytes -= record.size
            batch.append(record)
        return StreamInvocation(tuple(batch), fields)

    # --- tumbling windows ---------------------------------------------------------------------------------

    def _open_window(self) -> Window:
        if self._window is None:
            self._window = Window.holding(self._pending[0].arrived, self.settings.tumbling_window_s)
        return self._window

    def _window_is_over(self) -> bool:
        """Whether the open window is to have its final call: it is full, or nothing more can come into it."""
        window = self._window
        if window is None:
            return False
        next_arrival = self._pending[0].arrived if self._pending else self._tip_seen
        return window.terminated_early or next_arrival >= window.end

    def _fields(self, *, final: bool) -> dict[str, object]:
        if self._window is None:
            return {}
        return self._window.fields(shard_id=self.shard_id, source_arn=self.source_arn, final=final)

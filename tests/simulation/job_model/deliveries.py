"""What happens in a history beside its jobs: writes, time, deployments, and batches that are folded or given up."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.job_model.actors.function import Failed, Invocation
from tests.simulation.job_model.actors.state import TIMEOUT_S, Discarded, Shared
from tests.simulation.job_model.actors.stream import Record, Shard, Stream
from tests.simulation.job_model.actors.table import Effects, RowsKeepMoving
from tests.simulation.job_model.definition import CODES
from tests.simulation.job_model.steps import History

_HOUR = 3600
_ROUNDS = 3000


class Stuck(AssertionError):
    """Something does not come to an end."""


@dataclass(slots=True)
class Running:
    """An invocation under way; ``first`` is the number of records that its shard has been fed if it succeeds."""

    invocation: Invocation
    effects: Effects
    started: float
    first: int | None


@dataclass(slots=True)
class Deliveries:
    """Plays the steps of a history that no job takes part in."""

    history: History
    broken: str = ""
    shared: Shared = field(init=False)
    running: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        code = CODES[self.history.first_code]
        stream = Stream(self.history.roots, self.history.skews)
        self.shared = Shared(stream, self.broken, code=code, previous=code)
        if code.journals:
            self.shared.create()
        else:
            self.shared.has_control = self.shared.expired_complete = False

    # --- items and time -----------------------------------------------------------------------------------

    def _write(self, key: str, item: dict[str, object] | None, expired: bool) -> None:
        self.shared.now += 0.3
        self.shared.stream.write(key, item, self.shared.now, expired=expired)

    def _wait(self, seconds: float) -> None:
        self.shared.now += seconds
        self.shared.table.remove_expired(self.shared.now)

    def _pass(self, seconds: float) -> None:
        """Let hours pass; what lies in the stream is read before it is gone."""
        if seconds > 10 * _HOUR:
            self._end_running()
            self._read_everything()
        self.shared.now += seconds
        self.shared.table.remove_expired(self.shared.now)

    def _roll(self, index: int, split: bool, hidden_s: float, skew_s: float) -> None:
        self.shared.stream.roll(index, self.shared.now, split=split, hidden_s=hidden_s, skew_s=skew_s)

    def _deploy(self, name: str) -> None:
        shared = self.shared
        code = CODES[name]
        if not shared.has_control and code.journals and shared.now < shared.deployed_at + TIMEOUT_S:
            return
        shared.note(f"{name} is deployed")
        shared.previous, shared.code = shared.code, code
        shared.revision += 1
        shared.deployed_at = shared.now
        if name == "before":
            shared.expired_complete = False

    # --- deliveries ---------------------------------------------------------------------------------------

    def _readable(self, index: int) -> Shard:
        listed = [shard for shard in self.shared.stream.shards if shard.hidden_until <= self.shared.now]
        shards = [shard for shard in listed if shard.parent is None or shard.parent.is_read]
        waiting = [shard for shard in shards if shard.done < len(shard.records) and not shard.busy]
        return (waiting or shards)[index % len(waiting or shards)]

    def _deliver(self, index: int, count: int, pause: int, skew_s: float, old: bool) -> None:
        shard = self._readable(index)
        records = shard.records[shard.done : shard.done + count]
        if shard.busy or not records:
            return
        shard.busy = True
        self._start(shard, records, pause, skew_s, first=shard.done + len(records), old=old)

    def _redeliver(self, index: int, back: int, length: int, pause: int, skew_s: float) -> None:
        shards = [shard for shard in self.shared.stream.shards if shard.done]
        if not shards:
            return
        shard = shards[index % len(shards)]
        start = max(0, shard.done - back)
        records = shard.records[start : min(start + length, shard.done)]
        records = [record for record in records if record.at > self.shared.now - 24 * _HOUR]
        if records:
            self._start(shard, records, pause, skew_s, first=None, old=False)

    def _give_up(self, index: int, count: int, effects: int, delay_s: float) -> None:
        """The mapping gives up a batch after an attempt that failed; it lies in the failures bucket."""
        shard = self._readable(index)
        records = tuple(shard.records[shard.done : shard.done + count])
        if shard.busy or not records:
            return
        shared = self.shared
        attempt = self._invocation(shard, records, 0.0, old=False).effects()
        for _ in range(effects):
            try:
                if next(attempt, None) is None:
                    return  # it succeeds: nothing is given up, and the batch comes again
            except (Failed, RowsKeepMoving):
                break
        attempt.close()
        shared.note(f"{shard.id} gives up {[record.sequence for record in records]}")
        shard.done += len(records)
        shared.failures.append(Discarded(records, shared.now + delay_s))
        if any(record.expired for record in records):
            shared.expired_complete = False
        self._suspect_rows(shard, records)

    def _suspect_rows(self, shard: Shard, records: Sequence[Record]) -> None:
        shared = self.shared
        for code in (shared.code, shared.previous):
            folded = Invocation(shared, code, shard, records, 0.0).fold()
            for name, rows in folded.items():
                for row in rows:
                    for one in (row, *row.value_changes.values()):
                        shared.suspect(name, one.key, "given up")

    def _put_back(self, index: int, pause: int) -> None:
        failures = self.shared.failures
        if failures:
            records = failures[index % len(failures)].records
            shard = self.shared.stream.by_id(records[0].shard)
            self.shared.note(f"{[record.sequence for record in records]} are put back")
            self._start(shard, records, pause, 0.0, first=None, old=False)

    def _invocation(self, shard: Shard, records: Sequence[Record], skew_s: float, *, old: bool) -> Invocation:
        shared = self.shared
        code = shared.previous if old and shared.now < shared.deployed_at + 30 else shared.code
        return Invocation(shared, code, shard, records, skew_s)

    def _start(
        self, shard: Shard, records: Sequence[Record], pause: int, skew_s: float, *, first: int | None, old: bool
    ) -> None:
        invocation = self._invocation(shard, records, skew_s, old=old)
        numbers = [record.sequence for record in records]
        self.shared.note(
            f"{shard.id} delivers {numbers}{'' if first is not None else ' again'} to {invocation.code.name}"
        )
        self.running.append(Running(invocation, invocation.effects(), self.shared.now, first))
        self._go_on(self.running[-1], pause)

    def _go_on(self, running: Running, effects: int) -> None:
        for _ in range(effects):
            try:
                if next(running.effects, None) is None:
                    self._end(running, succeeded=True)
                    return
            except (Failed, RowsKeepMoving):
                self._end(running, succeeded=False)
                return

    def _end(self, running: Running, *, succeeded: bool) -> None:
        self.running.remove(running)
        shard = running.invocation.shard
        if running.first is not None:
            shard.busy = False
            if succeeded:
                shard.done = running.first

    def _resume(self, index: int, effects: int) -> None:
        if self.running:
            self._go_on(self.running[index % len(self.running)], effects)

    def _kill(self, index: int) -> None:
        if self.running:
            self._end(self.running[index % len(self.running)], succeeded=False)

    def _end_overdue(self) -> None:
        for running in [one for one in self.running if one.started + TIMEOUT_S < self.shared.now]:
            self._end(running, succeeded=False)

    def _end_running(self) -> None:
        while self.running:
            self._go_on(self.running[0], 1000)

    def _read_everything(self, *, wait: bool = True) -> None:
        hidden = [shard.hidden_until for shard in self.shared.stream.shards]
        self.shared.now = max(self.shared.now, *hidden) if wait else self.shared.now
        for _ in range(_ROUNDS):
            shard = self._readable(0)
            if shard.done == len(shard.records):
                return
            if shard.busy:
                self._end_running()
            self._deliver(0, 20, 1000, 0.0, old=False)
        raise Stuck("the stream is never read to its end")

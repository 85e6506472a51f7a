"""The functions that read the stream: how far each one has come in each shard, behind a mapping of its own."""

from collections.abc import Callable
from copy import replace

from msgspec import Struct, field

from local.mapping import StreamShard
from tailrace.encoding.json_types import Json
from tests.simulation.world.steps import History, Reader
from tests.simulation.world.stream import SOURCE, ItemsTable, Shard
from tests.simulation.world.template_settings import template_settings


class ShardProgress(Struct):
    """A function's progress in a shard; the numbers count the shard's records.

    The mapping started at record ``start`` and has been fed those before ``fed``.
    """

    mapping: StreamShard[Json]
    start: int = 0
    fed: int = 0
    furthest: int = 0

    @property
    def done(self) -> int:
        """All records before this one are processed or discarded."""
        return self.start + self.mapping.settled


class Readers(Struct):
    """The functions of a history, and the shards that each may read."""

    history: History
    items: ItemsTable
    clock: Callable[[], float]
    progress: dict[tuple[Reader, str], ShardProgress] = field(default_factory=dict)

    def readable(self, reader: Reader, index: int) -> Shard:
        """Return one of the shards whose parent has been read to its end."""
        shards = [shard for shard in self.items.shards if shard.parent is None or self._is_read(reader, shard.parent)]
        return shards[index % len(shards)]

    def _is_read(self, reader: Reader, shard: Shard) -> bool:
        reading = self.progress.get((reader, shard.id))
        read = 0 if reading is None else reading.done
        parent_read = shard.parent is None or self._is_read(reader, shard.parent)
        return shard.closed is not None and read == len(shard.records) and parent_read

    def reading(self, reader: Reader, shard: Shard) -> ShardProgress:
        """Return a function's progress in a shard, which begins with the first call."""
        reading = self.progress.get((reader, shard.id))
        if reading is None:
            reading = self.progress[reader, shard.id] = ShardProgress(
                self.new_mapping(reader, shard, self.history.batch_size)
            )
        return reading

    def new_mapping(self, reader: Reader, shard: Shard, batch_size: int) -> StreamShard[Json]:
        """Return the mapping of a poller that starts."""
        history = self.history
        settings = replace(
            template_settings(reader), batch_size=batch_size, batching_window_s=history.batching_window_s
        )
        if reader == "aggregate" and history.carries_s:
            settings = replace(settings, tumbling_window_s=history.carries_s, state_limit=history.state_limit)
        if reader == "fanout":
            settings = replace(
                settings, maximum_retry_attempts=history.fanout_retries, maximum_record_age_s=history.fanout_age_s
            )
        return StreamShard(settings, shard_id=shard.id, source_arn=SOURCE, now=self.clock())

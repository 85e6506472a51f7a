"""Write-behind beside jobs: the state of each shard's window, which may be lost or older, and the stream read again."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from msgspec import Struct, field

from tailrace.aws.stages.aggregate import Aggregator
from tailrace.errors import Transient
from tests.simulation.jobs.attached import number_of
from tests.simulation.jobs.stack.stream import Shard, Stream

WINDOW_S = 60
_PAGE = 5


class Windows(Struct):
    """The tumbling windows of all shards, and a client of the stream that the stage reads again."""

    world: Stream
    states: dict[str, list[Any]] = field(default_factory=dict)
    random: Random = field(default_factory=Random)

    def __post_init__(self) -> None:
        self.random = Random(self.world.random.getrandbits(32))  # noqa: S311 - not a secret

    def event(self, shard: Shard, records: list[Any], *, ends: bool = False) -> dict[str, Any]:
        """Return the event of a batch, or of the end of a window."""
        states = self.states.get(shard.name) or [{}]
        chance = self.random.random()
        state = states[-1] if chance < 0.7 else {} if chance < 0.85 else self.random.choice(states)
        is_final = ends or not records or self.random.random() < 0.2
        return {
            "Records": records,
            "shardId": shard.name,
            "eventSourceARN": "stream",
            "state": state,
            "isFinalInvokeForWindow": is_final,
            "isWindowTerminatedEarly": False,
        }

    def keep(self, shard: Shard, state: Any) -> None:
        """Keep what an invocation has returned."""
        self.states.setdefault(shard.name, []).append(state)

    def end(self, shard: Shard, stage: Callable[[], Aggregator]) -> None:
        """Make the final invocation of a shard's window, in a new process."""
        try:
            response = stage()(self.event(shard, [], ends=True))
        except Transient:
            return
        self.keep(shard, response["state"])

    # --- what the stage asks of the stream ----------------------------------------------------------------

    def describe_stream(self, **request: Any) -> Any:
        """Describe the stream."""
        return self.world.describe_stream(**request)

    def get_shard_iterator(self, *, ShardId: str, ShardIteratorType: str, SequenceNumber: str, **_stream: Any) -> Any:  # noqa: N803
        """Open a shard at or after a record."""
        return {"ShardIterator": f"{ShardId} {int(SequenceNumber) + (ShardIteratorType != 'AT_SEQUENCE_NUMBER')}"}

    def get_records(self, *, ShardIterator: str) -> Any:  # noqa: N803
        """Read a page."""
        name, start = ShardIterator.split()
        shard = next(one for one in self.world.shards if one.name == name)
        page = [one for one in shard.records if number_of(one) >= int(start)][:_PAGE]
        following = number_of(page[-1]) + 1 if page else start
        return {"Records": [_read_again(one) for one in page], "NextShardIterator": f"{name} {following}"}


def _read_again(record: Any) -> Any:
    created = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": created}}

"""A stack with an archive, whose events are replayed."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.failures.archives import Archive
from cli.failures.functions import Functions
from cli.failures.run import Run
from cli.replay import Bookmark, Replay
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import dumps
from tailrace.outputs.archives import Event, ObjectSummary, archive_object, parse_events, parse_key
from tests.unit.cli.failures.fakes import Client, Life
from tests.unit.cli.failures.world import Stack

START = datetime(2026, 11, 25, 10, tzinfo=UTC)
PARENT, LEFT, RIGHT = (f"shardId-0000000{number}-ab" for number in (1, 2, 3))


class World(Stack):
    """A stack with an archive."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.database.create("catalog", "pk", "sk")

    def archive(self, events: Iterable[Any]) -> None:
        """Archive a batch of events, as the stage and the catalog do."""
        by_partition: dict[Any, list[Event]] = {}
        for event in parse_events(dumps(list(events))):
            assert isinstance(event, Event)
            by_partition.setdefault(event.partition, []).append(event)
        for partition, members in by_partition.items():
            stored = archive_object(partition, members)
            self.s3.put_object(Bucket="archive", Key=stored.key, Body=stored.body)
            summary = ObjectSummary(partition)
            for event in sorted({one.id: one for one in members}.values(), key=lambda one: (one.order, one.id)):
                summary.add(f"{event.text}\n".encode())
            row = summary.catalog_row(parse_key(stored.key)[1], len(stored.body), "")
            self.database.put_item(TableName="catalog", Item=encode_item(row))

    def replay(self, life: Life | None = None, route: str = "even") -> Replay:
        lived = life or Life()
        s3, dynamodb = Client(self.s3, lived), Client(self.database, lived)
        functions = Functions(Client(self.functions, lived), "s")
        return Replay(Archive(s3, dynamodb, "archive", "catalog"), functions, route, lambda _seconds: None)

    @property
    def bookmark(self) -> Bookmark:
        return Bookmark(self.state / "replay.json")

    def run(self, life: Life | None = None, hours: tuple[int, int] = (0, 24), **options: Any) -> int:
        """Replay a span of hours; return how many events were sent."""
        run = Run(**options)
        start, end = (START + timedelta(hours=hour) for hour in hours)
        self.replay(life).send(start, end, run, self.bookmark)
        return run.tally.put_back


def change(sequence: int, name: str, shard: str = PARENT, number: int = 2, minutes: int | None = None) -> Any:
    moment = START + timedelta(minutes=sequence if minutes is None else minutes)
    return {
        "specversion": "1.0",
        "id": f"{shard}/{sequence}",
        "source": "test",
        "type": "tailrace.things.modified",
        "subject": name,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": {"old": None, "new": {"n": number}, "shard": shard, "sequence": str(sequence)},
    }


def sequences(world: World) -> list[int]:
    return [int(event["data"]["sequence"]) for event in world.routed()]
